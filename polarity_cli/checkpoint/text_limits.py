"""How many tokens of a text a model reads, and what is kept of a longer one. The same for all verbs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.config_check import EncoderSize
from polarity_cli.checkpoint.positions import count_reserved_positions
from polarity_cli.checkpoint.tokenizer import ModelTokenizer
from polarity_cli.config import SHORTEST_LENGTH
from polarity_cli.errors import CheckpointError

_NO_LIMIT = 1_000_000
"""Tokens from which on a limit is none: transformers writes 10^30 where it knows none."""
_WITHOUT_LIMIT = 512


@dataclass(frozen=True)
class TextLimits:
    """What is read of a text."""

    max_length: int
    """Most tokens, special tokens included."""
    truncation: str
    note: str | None = None
    """What to say of it."""


def find_longest_input(size: EncoderSize, tokenizer: ModelTokenizer, folder: Path) -> int:
    """Return the most tokens that an encoder reads, special tokens included.

    Raises:
        CheckpointError: tokenizer and encoder do not fit each other.
    """
    if not 0 < tokenizer.n_tokens <= size.n_tokens:
        raise CheckpointError(f"{folder}: the tokenizer has {tokenizer.n_tokens} tokens, the encoder knows {size.n_tokens}.")
    if not isinstance(tokenizer.max_length, int | float):
        raise CheckpointError(f"{folder}: model_max_length is {tokenizer.max_length!r}, expected a number.")
    n_positions = size.n_positions or tokenizer.max_length
    n_reserved = count_reserved_positions(size.model_type, size.pad_token_id)
    longest = min(int(n_positions) - n_reserved, int(tokenizer.max_length))
    if longest < SHORTEST_LENGTH:
        raise CheckpointError(f"{folder}: it reads at most {longest} tokens, too few for a review.")
    return longest


def find_text_limits(checkpoint: Checkpoint, size: EncoderSize, tokenizer: ModelTokenizer) -> TextLimits:
    """Return how texts are read: as in training, or for a foreign checkpoint as transformers' pipeline truncates them.

    Raises:
        CheckpointError: tokenizer and encoder do not fit each other.
    """
    longest = find_longest_input(size, tokenizer, checkpoint.folder)
    if checkpoint.max_length is not None:
        return TextLimits(min(checkpoint.max_length, longest), checkpoint.truncation)
    truncation = "tail" if tokenizer.truncation_side == "left" else "head"
    if longest > _NO_LIMIT:
        note = f"{checkpoint.name} does not say how many tokens it reads; {_WITHOUT_LIMIT} of a text are read."
        return TextLimits(_WITHOUT_LIMIT, truncation, note)
    return TextLimits(longest, truncation)
