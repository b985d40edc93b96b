"""How texts are read for a checkpoint: how many tokens of each, and what a long one keeps. The same for both verbs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polarity_cli.encoder.loading import get_longest_input

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from polarity_cli.checkpoint.checkpoint import CheckpointInfo

_NO_LIMIT = 1_000_000
"""Tokens from which on a limit is none: transformers writes 10^30 where it knows none."""
_WITHOUT_LIMIT = 512


@dataclass(frozen=True)
class Reading:
    """How a checkpoint reads a text."""

    max_length: int
    """Most tokens of a text, special tokens included."""
    truncation: str
    note: str | None = None
    """What to say of it."""


def find_reading(info: CheckpointInfo, config: Any, tokenizer: PreTrainedTokenizerFast) -> Reading:
    """Return how texts are read: as in training, or for a stranger's checkpoint as transformers' pipeline truncates them.

    Raises:
        CheckpointError: tokenizer and encoder do not fit each other.
    """
    longest = get_longest_input(config, tokenizer, info.folder)
    if info.max_length is not None:
        return Reading(min(info.max_length, longest), info.truncation)
    truncation = "tail" if tokenizer.truncation_side == "left" else "head"
    if longest > _NO_LIMIT:
        note = f"{info.name} does not say how many tokens it reads; {_WITHOUT_LIMIT} of a text are read."
        return Reading(_WITHOUT_LIMIT, truncation, note)
    return Reading(longest, truncation)
