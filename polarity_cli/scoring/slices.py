"""How a checkpoint does on parts of the reviews, and on which of them it is worse than chance explains.

Next on the road: the table of slices that `evaluate` prints, and the report.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from polarity_cli.scoring.intervals import bound_share
from polarity_cli.scoring.metrics import THRESHOLD
from polarity_cli.scoring.reliability import find_change
from polarity_cli.scoring.values import Slice

_MOST_SLICES = 20
_OTHER, _EMPTY = "other", "(empty)"
_REAL_BELOW = 0.05
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def compute_slices(
    y_true: NDArray[np.int64],
    y_score: NDArray[np.float64],
    groups: Mapping[str, Sequence[str]],
    *,
    threshold: float = THRESHOLD,
) -> list[Slice]:
    """Return how a checkpoint does on each slice of each group.

    Each slice is held against the other reviews of its group by Fisher's exact test on the reviews that are right and wrong.
    The p-values are multiplied by Holm's rule (Holm 1979), so that one slice among many is not found worse by chance.

    Args:
        y_true: `(N,)`, 0 negative, 1 positive.
        y_score: `(N,)`, probability of positive, 0 to 1.
        groups: For each group, the name of each review's slice, N of them; a blank name is called `(empty)`. Of more than 20
            slices the 20 largest stay, and the others become one, `other`, with what bears that name already.
        threshold: From which score on the answer is positive.

    Returns:
        Group after group; in each, slices whose names all begin with a number in the order of those, else the largest first,
        and `other` last. A group of one slice is left out.

    Raises:
        ValueError: A group has not one name for each review.
    """
    y_pred = y_score >= threshold
    slices: list[Slice] = []
    for group, names in groups.items():
        if len(names) != len(y_true):
            raise ValueError(f"group {group}: {len(names)} names of slices for {len(y_true)} reviews")
        slices.extend(_divide(group, _tidy(names), y_true == 1, y_pred))
    return _adjust(slices)


def divide_by_length(lengths: Sequence[int] | NDArray[np.int64]) -> list[str]:
    """Return the name of each review's slice when reviews are divided by length into quarters: `8-41 tokens`.

    Reviews of one length are never divided: a bound moves to where the length next changes. So there may be fewer than four
    slices, of unlike sizes; those that are all cut at 512 tokens have one of their own.

    Args:
        lengths: `(N,)`, in tokens.
    """
    values = np.asarray(lengths, dtype=np.int64)
    ordered, n = np.sort(values), len(values)
    places = [round(n * quarter / 4) for quarter in range(1, 4)]
    changes = {find_change(ordered, place) for place in places if 0 < place < n}
    starts = sorted({0, *changes} - {n})
    names = [_name_lengths(int(ordered[start]), int(ordered[end - 1])) for start, end in pairwise([*starts, n])]
    numbers = np.searchsorted(ordered[starts[1:]], values, side="right")
    return [names[number] for number in numbers.tolist()]


def _name_lengths(low: int, high: int) -> str:
    return f"{low}-{high} tokens" if low < high else f"{low} token{'' if low == 1 else 's'}"


def _tidy(names: Sequence[str]) -> list[str]:
    """Return the names with one for blank ones, and one for all beyond the 20 largest slices."""
    tidy = [name if name.strip() else _EMPTY for name in names]
    counts = Counter(tidy)
    if len(counts) <= _MOST_SLICES:
        return tidy
    kept = {name for name, _ in counts.most_common(_MOST_SLICES)}
    return [name if name in kept else _OTHER for name in tidy]


def _divide(group: str, names: list[str], is_true: NDArray[np.bool_], y_pred: NDArray[np.bool_]) -> list[Slice]:
    """Return the slices of a group, each with the p-value of its own test; none where all reviews are in one."""
    ordered = _order(Counter(names))
    if len(ordered) < 2:
        return []
    number_of = {name: number for number, name in enumerate(ordered)}
    numbers = np.fromiter((number_of[name] for name in names), np.int64, len(names))

    def count(chosen: NDArray[np.bool_]) -> list[int]:
        found: list[int] = np.bincount(numbers[chosen], minlength=len(ordered)).tolist()
        return found

    columns = (count(is_true & y_pred), count(~is_true & ~y_pred), count(is_true), count(np.ones_like(is_true)))
    n_right = int((is_true == y_pred).sum())
    return [
        _describe(group, name, tp, tn, n_positive=n_positive, n=n, n_right=n_right, n_all=len(names))
        for name, tp, tn, n_positive, n in zip(ordered, *columns, strict=True)
    ]


def _order(counts: Counter[str]) -> list[str]:
    """Return the names of the slices in the order in which they are shown."""
    named = [name for name, _ in counts.most_common() if name != _OTHER]
    numbers = {name: float(found[0]) for name in named if (found := _NUMBER.match(name))}
    if len(numbers) == len([name for name in named if name != _EMPTY]):
        named.sort(key=lambda name: numbers.get(name, float("inf")))
    return [*named, *([_OTHER] if _OTHER in counts else [])]


def _describe(group: str, name: str, tp: int, tn: int, *, n_positive: int, n: int, n_right: int, n_all: int) -> Slice:
    """Return a slice; `n_right` and `n_all` count the whole group."""
    from scipy.stats import fisher_exact

    right = tp + tn
    others_right, others = n_right - right, n_all - n
    concerned = n - tn  # positive, answered so, or both
    return Slice(
        group=group,
        name=name,
        n=n,
        n_positive=n_positive,
        accuracy=right / n,
        interval=bound_share(right, n),
        f1=2 * tp / (tp + concerned) if concerned else None,
        p_value=float(fisher_exact([[right, n - right], [others_right, others - others_right]]).pvalue),
        is_worse=right * others < others_right * n,
    )


def _adjust(slices: list[Slice]) -> list[Slice]:
    """Return the slices with Holm's p-values, and as worse those alone that are below the others and significant."""
    order = sorted(range(len(slices)), key=lambda number: slices[number].p_value)
    adjusted = list(slices)
    reached = 0.0
    for rank, number in enumerate(order):
        part = slices[number]
        reached = max(reached, min(1.0, part.p_value * (len(slices) - rank)))
        adjusted[number] = replace(part, p_value=reached, is_worse=part.is_worse and reached < _REAL_BELOW)
    return adjusted
