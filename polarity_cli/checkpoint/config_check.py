"""What a model's config.json says, read as the JSON that it is. Next: `checkpoint/text_limits` and `encoder/loading`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from polarity_cli.errors import CheckpointError

ENCODERS = frozenset(
    {
        "bert",
        "camembert",
        "deberta",
        "deberta-v2",
        "distilbert",
        "electra",
        "ernie",
        "modernbert",
        "mpnet",
        "roberta",
        "xlm-roberta",
    }
)
"""Families that are encoders, whatever else their config says: of all others transformers is asked."""
_MOST_BLOCKS = 1000
_OWN_ATTENTION = (None, "eager", "sdpa")
"""Implementations of attention that a config may ask for: others load compiled code, some of it from the Hub."""


@dataclass(frozen=True)
class EncoderSize:
    """How many tokens an encoder knows, and how many it reads."""

    model_type: str
    n_tokens: int
    """Rows of its table of tokens."""
    n_positions: int | None
    """Rows of its table of positions; None where it has none."""
    pad_token_id: object


def check_config(config: Mapping[str, Any], path: Path) -> None:
    """Refuse a config that asks for code, quantized weights, files elsewhere or a decoder.

    Raises:
        CheckpointError: it does; `path` stands in the message.
    """
    if config.get("quantization_config"):
        raise CheckpointError(
            f"{path}: quantized weights cannot be trained or read here.", hint="Choose the full-precision model."
        )
    if any(config.get(key) not in _OWN_ATTENTION for key in ("attn_implementation", "_attn_implementation")):
        raise CheckpointError(f"{path}: it asks for an attention implementation of its own, which would be code.")
    if config.get("transformers_weights"):
        raise CheckpointError(f"{path}: it names a file of weights of its own.", hint="Call the file model.safetensors.")
    if config.get("is_decoder") or config.get("add_cross_attention"):
        refuse_decoder(path)
    n_blocks = config.get("num_hidden_layers", config.get("n_layers", 1))
    if type(n_blocks) is not int or not 1 <= n_blocks <= _MOST_BLOCKS:
        raise CheckpointError(f"{path}: {n_blocks!r} blocks, expected 1 to {_MOST_BLOCKS}.")


def refuse_decoder(path: Path) -> NoReturn:
    """Raise that a config is a decoder's."""
    raise CheckpointError(f"{path}: a decoder, which reads only what stands before each token.", hint="Choose an encoder.")


def read_size(config: Mapping[str, Any]) -> EncoderSize | None:
    """Return an encoder's size; None where only transformers knows it, or whether it is an encoder at all."""
    model_type, n_tokens, n_positions = (config.get(key) for key in ("model_type", "vocab_size", "max_position_embeddings"))
    if not isinstance(model_type, str) or model_type not in ENCODERS or config.get("is_encoder_decoder"):
        return None
    if type(n_tokens) is not int or type(n_positions) is not int:  # transformers has a number for each family
        return None
    return EncoderSize(model_type, n_tokens, n_positions, config.get("pad_token_id"))
