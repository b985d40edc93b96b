"""DeBERTa's last block for the first token alone: disentangled attention (He et al. 2020, arXiv 2006.03654) with one query.

A score adds content to content, content to position, and position to content. The distance between the first token and a key
decides which rows of the position table they meet, so the position products are made for those rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from polarity_cli.encoder.first_token.attend import fold_scores, fold_values


def compute_deberta(
    block: Any,
    hidden: Tensor,
    attention_mask: Tensor,
    *,
    relative_pos: Tensor | None,
    rel_embeddings: Tensor | None,
    **_: Any,
) -> Tensor:
    """Return a DeBERTa block's output `(B, 1, H)`; its projections stand in one matrix, head by head."""
    own = block.attention.self
    n = own.num_attention_heads
    weights = own.in_proj.weight.view(n, 3, -1, hidden.shape[-1]).unbind(1)  # three of (n, d, H)
    first = torch.einsum("bh,ndh->bnd", hidden[:, 0], weights[0]) + own.q_bias.view(n, -1)  # (B, n, d)
    first = first / _get_scale(first.shape[-1], own.pos_att_type)
    scores = fold_scores(first, hidden, weights[1].flatten(0, 1), None)
    if own.relative_attention and rel_embeddings is not None and relative_pos is not None:
        n_rows = min(hidden.shape[1], own.max_relative_positions)
        middle = own.max_relative_positions
        table = own.pos_dropout(rel_embeddings)[middle - n_rows : middle + n_rows]
        keys = own.pos_proj if "c2p" in own.pos_att_type else None
        queries = own.pos_q_proj if "p2c" in own.pos_att_type else None
        content = (first, torch.einsum("bth,ndh->btnd", hidden, weights[1]) if queries else None)
        scores = scores + _score_positions(own, content, relative_pos, table, (keys, queries))
    context = fold_values(_normalise(own, scores, attention_mask), hidden, weights[2].flatten(0, 1), own.v_bias)
    return _finish(block, context, hidden)


def compute_deberta_v2(
    block: Any,
    hidden: Tensor,
    attention_mask: Tensor,
    *,
    relative_pos: Tensor | None,
    rel_embeddings: Tensor | None,
    **_: Any,
) -> Tensor:
    """Return a DeBERTa v2 or v3 block's output `(B, 1, H)`."""
    own = block.attention.self
    n = own.num_attention_heads
    first = own.query_proj(hidden[:, 0]).unflatten(-1, (n, -1))  # (B, n, d)
    first = first / _get_scale(first.shape[-1], own.pos_att_type)
    scores = fold_scores(first, hidden, own.key_proj.weight, own.key_proj.bias)
    if own.relative_attention and rel_embeddings is not None and relative_pos is not None:
        table = own.pos_dropout(rel_embeddings)[: own.pos_ebd_size * 2]
        shared = own.share_att_key
        keys = (own.key_proj if shared else own.pos_key_proj) if "c2p" in own.pos_att_type else None
        queries = (own.query_proj if shared else own.pos_query_proj) if "p2c" in own.pos_att_type else None
        content = (first, own.key_proj(hidden).unflatten(-1, (n, -1)) if queries else None)
        scores = scores + _score_positions(own, content, relative_pos, table, (keys, queries))
    context = fold_values(_normalise(own, scores, attention_mask), hidden, own.value_proj.weight, own.value_proj.bias)
    return _finish(block, context, hidden)


def _score_positions(
    own: Any,
    content: tuple[Tensor, Tensor | None],
    relative_pos: Tensor,
    table: Tensor,
    projections: tuple[nn.Linear | None, nn.Linear | None],
) -> Tensor:
    """Return `(B, n, T)`: what the distances to each key add to the first token's scores.

    Args:
        own: the block's attention.
        content: the first token's query `(B, n, d)`, scaled, and every token's key `(B, T, n, d)` where position meets content.
        relative_pos: `(1, T, T)` or with more leading axes of 1, int64: distances in rows of the table.
        table: `(2 R, H)`, the position table; row `R` is distance 0.
        projections: of positions as keys (for content to position) and as queries (for position to content).
    """
    query, key = content
    n, d = query.shape[1:]
    distances = relative_pos.reshape(relative_pos.shape[-2:])  # (T, T)
    n_rows = table.shape[0] // 2
    scores = torch.zeros((), dtype=query.dtype, device=query.device)
    if projections[0] is not None:
        rows = table[(distances[0] + n_rows).clamp(0, 2 * n_rows - 1)]  # (T, H)
        scores = scores + torch.einsum("bnd,tnd->bnt", query, projections[0](rows).unflatten(-1, (n, d)))
    if projections[1] is not None:
        rows = table[(n_rows - distances[:, 0]).clamp(0, 2 * n_rows - 1)]
        scores = scores + torch.einsum(
            "btnd,tnd->bnt", key, projections[1](rows).unflatten(-1, (n, d)) / _get_scale(d, own.pos_att_type)
        )
    return scores


def _get_scale(d: int, kinds: Sequence[str]) -> float:
    """Return what scores are divided by, for heads of `d` dimensions and some kinds of position scores; rounded as theirs."""
    return float(torch.tensor(d * (1 + len(kinds)), dtype=torch.float32).sqrt())


def _normalise(own: Any, scores: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the probabilities `(B, n, T)` after dropout; the mask `(B, 1, T, T)` is 1 where a token may be read."""
    read = attention_mask[:, :, 0].bool()  # (B, 1, T)
    probabilities: Tensor = own.dropout(scores.masked_fill(~read, torch.finfo(scores.dtype).min).softmax(-1))
    return probabilities


def _finish(block: Any, context: Tensor, hidden: Tensor) -> Tensor:
    attended = block.attention.output(context, hidden[:, :1])
    output: Tensor = block.output(block.intermediate(attended), attended)
    return output
