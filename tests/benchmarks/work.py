"""The work of a run, counted: tokens with and without padding, and operations; and how fast this machine multiplies.

An operation is a floating-point multiplication or an addition of a matrix product; everything else is left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarity_cli.data.batches import Batch, plan_batches, plan_epoch


@dataclass(frozen=True)
class Shape:
    """An encoder's sizes."""

    n_blocks: int
    n_heads: int
    hidden: int
    intermediate: int

    def count_block(self, n_reviews: int, length: int) -> float:
        """Return the operations of one block's forward pass over a padded batch."""
        tokens = n_reviews * length
        return tokens * (8 * self.hidden**2 + 4 * self.hidden * self.intermediate + 4 * length * self.hidden)

    def count_last_block(self, n_reviews: int, length: int) -> float:
        """Return the operations of the last block's forward pass for one token of each review."""
        one = n_reviews * (8 * self.hidden**2 + 4 * self.hidden * self.intermediate)
        return one + n_reviews * length * 4 * self.n_heads * self.hidden


@dataclass(frozen=True)
class Work:
    """What one epoch with its evaluation computes."""

    real_tokens: int
    padded_tokens: int
    operations: float
    trunk_operations: float
    """Of the frozen blocks, part of `operations`."""


def count_theirs(shape: Shape, train: NDArray[np.int64], validation: NDArray[np.int64], *, n_trained: int) -> Work:
    """Return the work of batches of 16 in random order, padded to their longest, through the whole model.

    Where a block trains, its backward pass takes twice the products of its forward pass.
    """
    random = np.random.default_rng(0)
    batches = [*_chunk(random.permutation(len(train))), *_chunk(np.arange(len(validation)))]
    lengths = [train] * len(_chunk(np.arange(len(train)))) + [validation] * len(_chunk(np.arange(len(validation))))
    operations, padded = 0.0, 0
    for batch, of_split in zip(batches, lengths, strict=True):
        longest = int(of_split[batch].max())
        padded += len(batch) * longest
        n_passes = shape.n_blocks + (2 * n_trained if of_split is train else 0)
        operations += n_passes * shape.count_block(len(batch), longest)
    return Work(int(train.sum() + validation.sum()), padded, operations, 0.0)


def count_ours(shape: Shape, train: NDArray[np.int64], validation: NDArray[np.int64], *, n_trained: int, seed: int) -> Work:
    """Return the work of a first epoch: every review once through the trunk, then the top."""
    passes = [(train, batch) for batch in plan_batches(train, budget=2048)]
    passes += [(validation, batch) for batch in plan_batches(validation, budget=2048)]
    steps = plan_epoch(train, batch_size=16, seed=seed, epoch=1)
    trunk = sum((shape.n_blocks - n_trained) * shape.count_block(len(b), _longest(of, b)) for of, b in passes)
    top = 0.0
    for batch in steps:
        size = (len(batch), _longest(train, batch))
        top += 3 * ((n_trained - 1) * shape.count_block(*size) + shape.count_last_block(*size))
    for batch in plan_batches(validation, budget=2048):
        size = (len(batch), _longest(validation, batch))
        top += (n_trained - 1) * shape.count_block(*size) + shape.count_last_block(*size)
    padded = sum(len(batch) * _longest(of, batch) for of, batch in passes)
    return Work(int(train.sum() + validation.sum()), padded, trunk + top, trunk)


def measure_peak() -> float:
    """Return the most operations a second that torch's matrix product reaches here, over square and this encoder's shapes."""
    import torch

    from polarity_cli.encoder.device import set_up_processor

    set_up_processor()
    best = 0.0
    for rows, inner, columns in ((2048, 2048, 2048), (2048, 384, 1536), (2048, 1536, 384), (2048, 768, 3072)):
        left, right = torch.randn(rows, inner), torch.randn(inner, columns)
        for _ in range(20):
            started = time.perf_counter()
            torch.mm(left, right)
            best = max(best, 2 * rows * inner * columns / (time.perf_counter() - started))
    return best


def _chunk(order: NDArray[np.int64]) -> Sequence[Batch]:
    return [order[start : start + 16] for start in range(0, len(order), 16)]


def _longest(lengths: NDArray[np.int64], batch: Batch) -> int:
    return int(lengths[batch].max())
