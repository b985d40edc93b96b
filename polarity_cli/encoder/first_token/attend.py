"""Attention with one query, the first token's: the key and value projections fold into the query and the average.

`q . (W_k h_t) = (W_k^T q) . h_t`, and the values' projection is linear, so it is applied to the averaged hidden states. What is
left costs `2 n H` products a token for `n` heads, instead of `2 H^2` for the keys and values alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def attend_first(
    hidden: Tensor,
    attention_mask: Tensor | None,
    projections: tuple[nn.Linear, nn.Linear, nn.Linear],
    *,
    n_heads: int,
    dropout: nn.Module,
    bias: Tensor | None = None,
) -> Tensor:
    """Return the first token's context `(B, 1, n d)`.

    Args:
        hidden: `(B, T, H)`.
        attention_mask: what the encoder gives its blocks, see `normalise`.
        projections: of queries, keys and values.
        n_heads: `n`.
        dropout: applied to the attention's probabilities.
        bias: `(B, n, T)`, added to the scaled scores.
    """
    query, key, value = projections
    first = query(hidden[:, 0]).unflatten(-1, (n_heads, -1))  # (B, n, d)
    scores = fold_scores(first * first.shape[-1] ** -0.5, hidden, key.weight, key.bias)
    if bias is not None:
        scores = scores + bias
    return fold_values(dropout(normalise(scores, attention_mask)), hidden, value.weight, value.bias)


def fold_scores(query: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return `(B, n, T)`: each head's product of a query `(B, n, d)` with every token's key, unscaled.

    Args:
        query: `(B, n, d)`, one token's.
        hidden: `(B, T, H)`.
        weight: `(n d, H)`, the keys' projection.
        bias: `(n d,)` or None.
    """
    n, d = query.shape[1:]
    folded = torch.matmul(query.transpose(0, 1), weight.view(n, d, -1)).transpose(0, 1)  # (B, n, H)
    scores = torch.matmul(folded, hidden.transpose(1, 2))  # (B, n, T)
    return scores if bias is None else scores + (query * bias.view(n, d)).sum(-1, keepdim=True)


def fold_values(probabilities: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return `(B, 1, n d)`: each head's values `(n d, H)` averaged by the attention's probabilities `(B, n, T)`."""
    n = probabilities.shape[1]
    averaged = torch.matmul(probabilities, hidden)  # (B, n, H)
    heads = weight.view(n, weight.shape[0] // n, -1).transpose(1, 2)  # (n, H, d)
    context = torch.matmul(averaged.transpose(0, 1), heads).transpose(0, 1)  # (B, n, d)
    if bias is not None:
        context = context + probabilities.sum(-1, keepdim=True) * bias.view(n, -1)
    return context.flatten(1)[:, None]


def normalise(scores: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Return the attention's probabilities for scores `(B, n, T)` and the encoder's mask `(B, 1, T or 1, T)`, bool or added."""
    if attention_mask is not None:
        row = attention_mask[:, :, 0]  # (B, 1, T)
        lowest = torch.finfo(scores.dtype).min
        scores = scores.masked_fill(~row, lowest) if row.dtype == torch.bool else scores + row
    return scores.softmax(-1)
