"""How each family's block is laid out around its attention, for the first token alone.

Each function takes a block, hidden states `(B, T, H)` and what the family's encoder passes beside them, and returns the block's
output `(B, 1, H)`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from polarity_cli.encoder.fast.dropout import drop
from polarity_cli.encoder.first_token.attend import attend_first, fold_values, normalise


def compute_bert(block: Any, hidden: Tensor, attention_mask: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
    """BERT and those built like it."""
    own = block.attention.self
    context = attend_first(
        hidden, attention_mask, (own.query, own.key, own.value), n_heads=own.num_attention_heads, dropout=own.dropout
    )
    attended = block.attention.output(context, hidden[:, :1])
    output: Tensor = block.output(block.intermediate(attended), attended)
    return output


def compute_distilbert(block: Any, hidden: Tensor, attention_mask: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
    """DistilBERT."""
    own = block.attention
    context = attend_first(hidden, attention_mask, (own.q_lin, own.k_lin, own.v_lin), n_heads=own.n_heads, dropout=own.dropout)
    attended = block.sa_layer_norm(own.out_lin(context) + hidden[:, :1])
    output: Tensor = block.output_layer_norm(block.ffn(attended) + attended)
    return output


def compute_mpnet(
    block: Any, hidden: Tensor, attention_mask: Tensor | None = None, position_bias: Tensor | None = None, *_: Any, **__: Any
) -> Tensor:
    """MPNet, whose distances add to the scores."""
    own = block.attention.attn
    bias = None if position_bias is None else position_bias[:, :, 0]  # (B, n, T)
    context = attend_first(
        hidden, attention_mask, (own.q, own.k, own.v), n_heads=own.num_attention_heads, dropout=own.dropout, bias=bias
    )
    attended = block.attention.LayerNorm(block.attention.dropout(own.o(context)) + hidden[:, :1])
    output: Tensor = block.output(block.intermediate(attended), attended)
    return output


def compute_modernbert(
    block: Any, hidden: Tensor, attention_mask: Tensor | None = None, *, position_embeddings: tuple[Tensor, Tensor], **_: Any
) -> Tensor:
    """ModernBERT, which normalises first and turns keys by their position."""
    own = block.attn
    normed = block.attn_norm(hidden)
    weights = own.Wqkv.weight.chunk(3)  # three of (n d, H)
    biases = (None, None, None) if own.Wqkv.bias is None else own.Wqkv.bias.chunk(3)
    query, key = (nn.functional.linear(x, weights[i], biases[i]) for i, x in enumerate((normed[:, :1], normed)))
    cos, sin = position_embeddings  # (1, T, d) each
    first = _rotate(query.view(*query.shape[:2], -1, own.head_dim), cos[:, :1], sin[:, :1])[:, 0]  # (B, n, d)
    keys = _rotate(key.view(*key.shape[:2], -1, own.head_dim), cos, sin)  # (B, T, n, d)
    scores = torch.einsum("bnd,btnd->bnt", first * own.head_dim**-0.5, keys)
    probabilities = drop(normalise(scores, attention_mask), own.attention_dropout, training=own.training)
    context = fold_values(probabilities, normed, weights[2], biases[2])
    attended = hidden[:, :1] + own.out_drop(own.Wo(context))
    output: Tensor = attended + block.mlp(block.mlp_norm(attended))
    return output


def _rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return states `(B, T, n, d)` with rotary positions (Su et al. 2021, arXiv 2104.09864), in float32 as the family does."""
    x = states.float()
    halves = x.chunk(2, dim=-1)
    rotated = x * cos.unsqueeze(2) + torch.cat((-halves[1], halves[0]), dim=-1) * sin.unsqueeze(2)
    return rotated.to(states.dtype)
