"""How many tokens a GPU answers at once: what fits its free memory, by the model's size. Used by `encoder/gpu_engine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LEAST, MOST = 1_024, 262_144
"""Tokens in a batch at least and at most: more than the most fills no GPU better, and pads more."""
_SHARE = 0.5
"""Of the free memory that a batch may take: the rest is for what the kernels keep and for a second batch on its way."""
_STATES, _INNER = 10, 3
"""Arrays as wide as the hidden states, and as wide as the block's middle layer, that are there at once while a block runs."""


def count_token_bytes(config: Any, *, longest: int, bytes_each: int) -> int:
    """Return the bytes that a token takes at most while a block runs, in reviews of `longest` tokens.

    Attention that is not fused, as DeBERTa's, keeps its scores: three arrays of `n_heads * T` values a token, and as many again
    for positions. That of the others keeps a row of the mask.

    Args:
        config: the model's, as transformers names its fields.
        longest: tokens of the longest review.
        bytes_each: of one value: 2 in bfloat16, 4 in float32.
    """
    hidden = _read(config, "hidden_size", "dim", default=768)
    inner = _read(config, "intermediate_size", "hidden_dim", default=4 * hidden)
    n_heads = _read(config, "num_attention_heads", "n_heads", default=12)
    is_fused = getattr(config, "_attn_implementation", None) in ("sdpa", "polarity")
    row = longest * (1 + bytes_each) if is_fused else longest * n_heads * bytes_each * 6
    return bytes_each * (_STATES * hidden + _INNER * inner) + row


def choose_token_budget(free_bytes: int, token_bytes: int) -> int:
    """Return the tokens in a batch, padding included, for a GPU's free memory and what a token takes, both in bytes."""
    return max(LEAST, min(MOST, int(free_bytes * _SHARE) // max(1, token_bytes)))


def find_free_bytes(device: torch.device) -> int:
    """Return the bytes of a GPU that this process can still take: those that are free, and those that torch keeps unused."""
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _read(config: Any, *names: str, default: int) -> int:
    """Return the first of these fields that a config has."""
    return next((value for name in names if isinstance(value := getattr(config, name, None), int)), default)
