"""Attention of the blocks that train: as transformers' `sdpa`, but on a CPU without padding and with cheap dropout.

torch has no fused attention with dropout for CPUs: it builds the padded batch's probabilities and draws a Bernoulli number
for each. Here each review is attended at its own length, which keeps its scores in the CPU's caches: with dropout twice as
fast as torch's path, and about as fast as its fused attention without. Registered with transformers by a name, so every family
that chooses its attention by name uses it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from polarity_cli.encoder.fast.dropout import draw_mask

NAME = "polarity"


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return the context `(B, T, n, d)` of queries, keys and values `(B, n, T, d)`; the mask is `(B, 1, T, T)` bool."""
    is_plain = getattr(module, "sliding_window", None) is None and not getattr(module, "is_causal", False)
    is_plain = is_plain and not any(kwargs.get(name) is not None for name in ("position_bias", "softcap"))
    is_plain = is_plain and (attention_mask is None or attention_mask.dtype == torch.bool)
    if dropout == 0.0 or query.device.type != "cpu" or not is_plain:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
    B, T = query.shape[0], query.shape[2]  # noqa: N806
    lengths = [T] * B if attention_mask is None else attention_mask[:, 0, 0].sum(-1).tolist()
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    context: Tensor = _Attend.apply(query, key, value, lengths, scale, dropout)  # type: ignore[no-untyped-call]
    return context, None


class _Attend(torch.autograd.Function):
    """Softmax attention with dropout (Vaswani et al. 2017, arXiv 1706.03762), review by review.

    All reviews' probabilities lie in one array, and scores are made in another that every review uses again: arrays of many
    sizes, each allocated for itself, left holes that doubled the memory of a step.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, lengths: list[int], scale: float, dropout: float) -> Tensor:
        layout = _Layout(lengths, query.shape[1])
        buffer, scratch = query.new_empty(layout.ends[-1]), query.new_empty(layout.largest)
        masks, factor = draw_mask((layout.ends[-1],), dropout)
        context = torch.zeros_like(query.transpose(1, 2))  # (B, T, n, d)
        for index, (q, k, v) in enumerate(layout.split(query, key, value)):
            probabilities, mask, scores = layout.view(index, buffer, masks, scratch)
            _multiply(q, k.transpose(1, 2), scale, out=scores)
            torch.softmax(scores, -1, out=probabilities)
            torch.mul(probabilities, mask, out=scores)
            context[index, : lengths[index]] = _multiply(scores, v, factor).transpose(0, 1)
        ctx.layout, ctx.scale, ctx.factor = layout, scale, factor
        ctx.save_for_backward(query, key, value, buffer, masks)
        return context

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of queries, keys and values, `(B, n, T, d)` each, for that of the context."""
        query, key, value, buffer, masks = ctx.saved_tensors
        layout = ctx.layout
        gradients = tuple(torch.zeros_like(states.transpose(1, 2)) for states in (query, key, value))  # (B, T, n, d)
        first, second = query.new_empty(layout.largest), query.new_empty(layout.largest)
        for index, (q, k, v, upstream) in enumerate(layout.split(query, key, value, gradient.transpose(1, 2))):
            probabilities, mask, of_dropped, of_scores = layout.view(index, buffer, masks, first, second)
            _multiply(upstream, v.transpose(1, 2), ctx.factor, out=of_dropped).mul_(mask)
            torch.ops.aten._softmax_backward_data.out(of_dropped, probabilities, -1, buffer.dtype, grad_input=of_scores)
            dropped = torch.mul(probabilities, mask, out=of_dropped)
            own = (
                _multiply(of_scores, k, ctx.scale),
                _multiply(of_scores.transpose(1, 2), q, ctx.scale),
                _multiply(dropped.transpose(1, 2), upstream, ctx.factor),
            )
            for whole, part in zip(gradients, own, strict=True):
                whole[index, : layout.lengths[index]] = part.transpose(0, 1)
        return (*(states.transpose(1, 2) for states in gradients), None, None, None)


@dataclass(frozen=True)
class _Layout:
    """Where each review's square of scores lies in arrays that hold those of a batch, or of one review at a time."""

    lengths: list[int]
    n_heads: int

    @cached_property
    def ends(self) -> list[int]:
        return list(itertools.accumulate(self.n_heads * length**2 for length in self.lengths))

    @property
    def largest(self) -> int:
        return self.n_heads * max(self.lengths) ** 2

    def split(self, *states: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Yield each review's part `(n, L, d)` of states `(B, n, T, d)`, without its padding."""
        for index, length in enumerate(self.lengths):
            yield tuple(part[index, :, :length] for part in states)

    def view(self, index: int, buffer: Tensor, masks: Tensor, *scratch: Tensor) -> tuple[Tensor, ...]:
        """Return a review's part `(n, L, L)` of the batch's arrays, and of arrays that every review uses again."""
        shape = (self.n_heads, self.lengths[index], self.lengths[index])
        end, size = self.ends[index], self.n_heads * self.lengths[index] ** 2
        return tuple(
            part.view(shape) for part in (buffer[end - size : end], masks[end - size : end], *(s[:size] for s in scratch))
        )


def _multiply(left: Tensor, right: Tensor, factor: float, *, out: Tensor | None = None) -> Tensor:
    """Return the scaled matrix products of two stacks, in one pass."""
    product: Tensor = torch.baddbmm(left.new_empty(1), left, right, beta=0, alpha=factor, out=out)
    return product


def use_fast_attention(model: PreTrainedModel) -> None:
    """Make the blocks of `model` attend with `attend` where their family lets the attention be chosen."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    if model.config._attn_implementation == "sdpa":
        model.config._attn_implementation = NAME
