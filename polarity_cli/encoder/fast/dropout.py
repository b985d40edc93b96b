"""Dropout (Srivastava et al. 2014) whose masks are cheap to draw on a CPU.

torch draws a Bernoulli number a value, 6 ns each, which was a fifth of a training step's time. Here 64 random bits of SFC64
decide four values: 0.5 ns each, comparison included. The seed of each mask comes from torch's random state, so seeding and
restoring that state is all a repeatable run needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_LEVELS = 1 << 16
"""A value is dropped by 16 random bits, so with a probability that is a multiple of 1 / 65,536."""


class Dropout(nn.Dropout):
    """`nn.Dropout`, drawn faster on a CPU; elsewhere it is torch's own."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the values, in training some set to 0 and the others scaled up."""
        return drop(input, self.p, training=self.training)


def drop(values: Tensor, probability: float, *, training: bool) -> Tensor:
    """Set each value to 0 with a probability, and divide the others by the probability of staying; any shape."""
    if not training or probability == 0.0:
        return values
    if values.device.type != "cpu" or not 0 < round(probability * _LEVELS) < _LEVELS:
        return nn.functional.dropout(values, probability)
    dropped: Tensor = _Drop.apply(values, *draw_mask(values.shape, probability))  # type: ignore[no-untyped-call]
    return dropped


def draw_mask(shape: torch.Size | tuple[int, ...], probability: float) -> tuple[Tensor, float]:
    """Return a mask of a shape, uint8, 1 for what stays, and the factor that makes up for what is dropped."""
    n_dropped = round(probability * _LEVELS)
    n = int(np.prod(shape))
    seed = int(torch.empty((), dtype=torch.int64).random_())
    bits = np.random.SFC64(seed).random_raw(-(-n // 4)).view(np.int16)[:n]
    stays = np.greater_equal(bits, n_dropped - _LEVELS // 2)
    # As bytes, since torch multiplies those with floats several times faster than it does truth values.
    return torch.from_numpy(stays.view(np.uint8)).view(shape), _LEVELS / (_LEVELS - n_dropped)


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, mask: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.factor = factor
        return torch.mul(values, mask).mul_(factor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return torch.mul(gradient, mask).mul_(ctx.factor), None, None


def use_fast_dropout(model: nn.Module) -> dict[str, nn.Module]:
    """Return a replacement for each dropout module of `model`, by its path."""
    dropouts = ((path, module) for path, module in model.named_modules() if type(module) is nn.Dropout)
    return {path: Dropout(module.p).train(module.training) for path, module in dropouts}
