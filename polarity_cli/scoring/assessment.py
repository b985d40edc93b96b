"""All that is found of a model's scores on labelled reviews: for `evaluate`, for `train`, and for the report.

Arrays and texts in, the values of `scoring/values` out. Next on the road: `scoring/checks`, which says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from polarity_cli.scoring.baselines import FittedBaseline, describe_baselines, score_baselines
from polarity_cli.scoring.compare import compute_difference_interval
from polarity_cli.scoring.intervals import compute_intervals
from polarity_cli.scoring.metrics import compute_metrics
from polarity_cli.scoring.near_copies import find_near_copies
from polarity_cli.scoring.reliability import make_bins
from polarity_cli.scoring.slices import compute_slices, divide_by_length
from polarity_cli.scoring.thresholds import compute_coverage
from polarity_cli.scoring.values import Baseline, Bin, Coverage, Intervals, Metrics, Slice

_LEAST_SLICED = 40
"""Reviews below which no slice of a quarter says anything."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """N labelled reviews with a model's scores."""

    y_true: NDArray[np.int64]
    """`(N,)`: 0 negative, 1 positive."""
    y_score: NDArray[np.float64]
    """`(N,)`: the probability of positive."""
    threshold: float
    """From which on the answer is positive."""
    texts: Sequence[str]
    lengths: NDArray[np.int64]
    """`(N,)`: tokens that are read of each, special tokens included."""
    max_length: int
    """Most tokens that are read of a review."""
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What the reviews are divided by, beside their length: the name of each review's slice."""

    @property
    def is_cut(self) -> NDArray[np.bool_]:
        """`(N,)`: which reviews are as long as can be read, and so in all likelihood longer."""
        cut: NDArray[np.bool_] = self.lengths >= self.max_length
        return cut


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """The reviews that a model was trained on."""

    texts: Sequence[str]
    labels: NDArray[np.int64]
    folds: NDArray[np.int64] | None = None
    """`(N,)`: the fold of each, where they are themselves what is scored, each by a model that did not see its fold."""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What is found of a model's scores."""

    metrics: Metrics
    intervals: Intervals
    bins: tuple[Bin, ...]
    coverage: tuple[Coverage, ...]
    slices: tuple[Slice, ...]
    baselines: tuple[Baseline, ...]
    """Empty where the training reviews are not there."""
    n_near: int | None
    """Reviews that nearly, or exactly, stand among the training reviews; None where those are not there."""
    n_compared: int
    """Reviews that were looked for among them."""


def assess(scored: Scored, training: TrainingRows | None) -> Assessment:
    """Return all that is found of some scores: metrics with intervals, calibration, coverage, slices, and baselines beside.

    The baselines are fitted on `training`, in which copies of the reviews are looked for too.
    """
    y_true, y_score, threshold = scored.y_true, scored.y_score, scored.threshold
    is_apart = training is not None and training.folds is None
    copies = find_near_copies(scored.texts, training.texts) if training is not None and is_apart else None
    return Assessment(
        metrics=compute_metrics(y_true, y_score, threshold=threshold),
        intervals=compute_intervals(y_true, y_score, threshold=threshold),
        bins=tuple(make_bins(y_true, y_score)),
        coverage=tuple(compute_coverage(y_true, y_score, threshold=threshold)),
        slices=tuple(_slice(scored)),
        baselines=_compare_with_baselines(scored, training) if training is not None else (),
        n_near=len(copies.indices) if copies is not None else None,
        n_compared=copies.n_looked_at if copies is not None else 0,
    )


def _slice(scored: Scored) -> list[Slice]:
    """Return the slices by length, by whether a review is cut, and by the groups that are given."""
    if len(scored.y_true) < _LEAST_SLICED:
        return []
    whole = ["cut" if is_cut else "whole" for is_cut in scored.is_cut.tolist()]
    groups = {"length": divide_by_length(scored.lengths), "truncation": whole, **scored.groups}
    return compute_slices(scored.y_true, scored.y_score, groups, threshold=scored.threshold)


def _compare_with_baselines(scored: Scored, training: TrainingRows) -> tuple[Baseline, ...]:
    """Return the baselines, each with an interval of how much better the model is in macro F1."""
    fitted = _fit_baselines(scored, training)
    described = describe_baselines(fitted, scored.y_true)
    return tuple(
        replace(
            baseline,
            difference=compute_difference_interval(
                scored.y_true,
                scored.y_score,
                own.y_score,
                metric="f1_macro",
                thresholds=(scored.threshold, 0.5),
            ),
        )
        for baseline, own in zip(described, fitted, strict=True)
    )


def _fit_baselines(scored: Scored, training: TrainingRows) -> Sequence[FittedBaseline]:
    """Return the baselines' scores; where the training rows are scored themselves, of each fold by the others."""
    if training.folds is None:
        return score_baselines(training.texts, training.labels, scored.texts).fitted
    by_name: dict[str, list[FittedBaseline]] = {}
    numbers = [np.flatnonzero(training.folds == fold) for fold in range(int(training.folds.max()) + 1)]
    for held_out in numbers:
        rows = np.flatnonzero(~np.isin(np.arange(len(training.folds)), held_out))
        texts, own = ([scored.texts[index] for index in part.tolist()] for part in (rows, held_out))
        for baseline in score_baselines(texts, training.labels[rows], own).fitted:
            by_name.setdefault(baseline.name, []).append(baseline)
    joined = []
    for parts in by_name.values():
        if len(parts) == len(numbers):
            y_score = np.zeros(len(training.folds))
            for held_out, part in zip(numbers, parts, strict=True):
                y_score[held_out] = part.y_score
            joined.append(replace(parts[0], y_score=y_score))
    return joined
