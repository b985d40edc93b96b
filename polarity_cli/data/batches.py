"""Group reviews of similar length into batches, filled to a budget of tokens. Next on the road: `features` and `training`.

A batch is an array of review numbers `(B,) int64`; which reviews share one depends on the lengths, the budget and the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Batch = NDArray[np.int64]
POOL = 50
"""Reviews are sorted by length within pools of so many batches: larger pools pad less, smaller ones are more random."""


def plan_batches(lengths: NDArray[np.int64], *, budget: int) -> list[Batch]:
    """Return batches that cover every review once, sorted by length, for passes where order does not matter.

    Args:
        lengths: `(N,)` tokens in each review.
        budget: tokens in a batch, padding included; a longer review is a batch of its own.
    """
    return _fill(np.argsort(lengths, kind="stable"), lengths, lambda length: budget // length)


def plan_equal_batches(lengths: NDArray[np.int64], *, budget: int) -> list[Batch]:
    """Return batches as `plan_batches` does, but of one length each, so that nothing is padded."""
    order = np.argsort(lengths, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1) if len(order) else []
    return [batch for group in groups for batch in _fill(group, lengths, lambda length: budget // length)]


def plan_like_batches(lengths: NDArray[np.int64], *, budget: int, enough: int) -> list[Batch]:
    """Return batches as `plan_batches` does, the longest reviews first, in which lengths differ by an eighth at most.

    A budget that fills a large GPU holds short and long reviews side by side, and more padding than tokens. So a batch ends where
    the next review is longer by more than an eighth than its first one, once it has `enough` tokens to be worth a pass.
    """
    order = np.argsort(lengths, kind="stable")
    batches: list[Batch] = []
    start = 0
    for position, length in enumerate(lengths[order].tolist()):
        n, shortest = position - start, int(lengths[order[start]])
        is_unlike = n * length >= enough and length > shortest + shortest // 8
        if n and ((n + 1) * length > budget or is_unlike):
            batches.append(order[start:position])
            start = position
    if start < len(order):
        batches.append(order[start:])
    return batches[::-1]


def plan_epoch(lengths: NDArray[np.int64], *, batch_size: int, seed: int, epoch: int) -> list[Batch]:
    """Return one epoch's training batches, in random order.

    A batch holds as many tokens as `batch_size` reviews of mean length, so that an epoch has about `N / batch_size` steps
    whatever the lengths. It holds at most `MOST` times as many reviews, and a number that processes can share evenly, see
    `_round_evenly`. Reviews are shuffled, sorted by length in pools of `POOL` batches, and cut into batches, which are shuffled.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    n_tokens = batch_size * float(lengths.mean())
    batches: list[Batch] = []
    for start in range(0, len(order), POOL * batch_size):
        pool = order[start : start + POOL * batch_size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += _fill(pool, lengths, lambda length: min(MOST * batch_size, _round_evenly(n_tokens / length)))
    random.shuffle(batches)
    return batches


MOST = 4
"""A batch of very short reviews holds at most this many times the batch size."""


def _round_evenly(number: float) -> int:
    """Return the nearest of 1, 2, 3, 4, 6, 8, 12, 16, 24, ...: powers of two, and halfway between them.

    Two, four or eight processes share such numbers evenly. Of five long reviews one of two processes has three, and the other
    waits for it at every step: over an epoch of real reviews in batches of 16 that was 8% of the time.
    """
    unit = 1 << max(0, int(number).bit_length() - 2)
    return max(1, unit * round(number / unit))


def _fill(order: NDArray[np.int64], lengths: NDArray[np.int64], count: Callable[[int], int]) -> list[Batch]:
    """Cut reviews sorted by length, shortest first, into batches; `count` says how many reviews of a length one may hold."""
    batches: list[Batch] = []
    start = 0
    for position, length in enumerate(lengths[order].tolist()):
        if position > start and position - start + 1 > count(length):
            batches.append(order[start:position])
            start = position
    if start < len(order):
        batches.append(order[start:])
    return batches


def pad(arrays: Sequence[NDArray[np.int32]], *, pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids `(B, T) int64`, padded on the right, and their mask `(B, T) int64`, 1 for a real token."""
    lengths = np.array([len(array) for array in arrays])
    mask = np.arange(lengths.max()) < lengths[:, None]  # (B, T)
    ids = np.full(mask.shape, pad_id, dtype=np.int64)
    ids[mask] = np.concatenate(arrays)
    return ids, mask.astype(np.int64)
