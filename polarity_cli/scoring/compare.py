"""Whether one checkpoint is better than another on the same reviews, or only luckier.

Next on the road: what `evaluate` prints of a comparison, and the report.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from polarity_cli.scoring.bootstrap import bootstrap_reviews
from polarity_cli.scoring.intervals import make_interval
from polarity_cli.scoring.metrics import THRESHOLD, compute_metrics
from polarity_cli.scoring.resampled_metrics import compute_resampled_metrics, rank_reviews
from polarity_cli.scoring.values import Comparison, Interval, Intervals

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]
COMPARED = ("f1", "f1_macro", "accuracy", "roc_auc", "log_loss", "brier")
"""Metrics whose differences are looked at."""
_THRESHOLDS = (THRESHOLD, THRESHOLD)
_REAL_BELOW = 0.05


def compare(
    y_true: Labels,
    first: Scores,
    second: Scores,
    *,
    thresholds: tuple[float, float] = _THRESHOLDS,
    names: tuple[str, str] = ("first", "second"),
    seed: int = 0,
) -> Comparison:
    """Return how two checkpoints do on the same reviews, and whether that is more than chance explains.

    McNemar's exact test (McNemar 1947) asks of the reviews that only one of them is right on whether as many are the first's as
    the second's. The intervals of the differences come from resamples that both are scored on (`scoring/bootstrap`).

    Args:
        y_true: `(N,)`, 0 negative, 1 positive.
        first: `(N,)`, probability of positive of the one, 0 to 1.
        second: `(N,)`, that of the other.
        thresholds: From which score on the answer of each is positive.
        names: What the sentence calls them.
        seed: The same again gives the same intervals.
    """
    first_right = (first >= thresholds[0]) == (y_true == 1)
    second_right = (second >= thresholds[1]) == (y_true == 1)
    only_first, only_second = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    p_value = _test(only_first, only_second)
    metrics = [compute_metrics(y_true, s, threshold=t) for s, t in zip((first, second), thresholds, strict=True)]
    return Comparison(
        n=len(y_true),
        both_right=int((first_right & second_right).sum()),
        only_first_right=only_first,
        only_second_right=only_second,
        both_wrong=int((~first_right & ~second_right).sum()),
        p_value=p_value,
        first=metrics[0],
        second=metrics[1],
        differences={name: _subtract(metrics[0][name], metrics[1][name]) for name in COMPARED},
        intervals=_bound_differences(y_true, first, second, metrics=COMPARED, thresholds=thresholds, seed=seed),
        is_real=p_value < _REAL_BELOW,
        verdict=_say(len(y_true), only_first, only_second, p_value=p_value, names=names),
    )


def compute_difference_interval(
    y_true: Labels,
    first: Scores,
    second: Scores,
    metric: str = "f1_macro",
    *,
    thresholds: tuple[float, float] = _THRESHOLDS,
    seed: int = 0,
) -> Interval | None:
    """Return the 95% interval of a metric of the first less that of the second, from resamples that both are scored on.

    None where the reviews do not tell: fewer than two, no difference in any resample, or a metric that they do not define.
    The arguments are those of `compare`; `metric` is any name in `scoring/metrics`.
    """
    return _bound_differences(y_true, first, second, metrics=[metric], thresholds=thresholds, seed=seed)[metric]


def _bound_differences(
    y_true: Labels, first: Scores, second: Scores, *, metrics: Sequence[str], thresholds: tuple[float, float], seed: int
) -> Intervals:
    if len(y_true) < 2:
        return dict.fromkeys(metrics)
    order = np.argsort(first, kind="stable")  # one of the two needs no picking then
    y_true, first, second = y_true[order], first[order], second[order]
    ranked = [rank_reviews(y_true, s, threshold=t) for s, t in zip((first, second), thresholds, strict=True)]

    def compute(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        of_first = compute_resampled_metrics(ranked[0], counts)
        of_second = compute_resampled_metrics(ranked[1], counts[:, ranked[1].order])
        return np.stack([of_first[name] - of_second[name] for name in metrics])

    found, _ = bootstrap_reviews(compute, len(y_true), seed=seed, cost=2)
    return dict(zip(metrics, map(make_interval, found), strict=True))


def _test(only_first: int, only_second: int) -> float:
    """Return the p-value of McNemar's exact test; 1 where both are right on the same reviews."""
    from scipy.stats import binomtest

    n = only_first + only_second
    return float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0


def _subtract(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _say(n: int, only_first: int, only_second: int, *, p_value: float, names: tuple[str, str]) -> str:
    """Return the verdict, as one sentence."""
    differ = only_first + only_second
    if not n:
        return f"There are no reviews to compare {names[0]} and {names[1]} on."
    reviews = "review" if n == 1 else "reviews"
    if not differ:
        return f"{names[0]} and {names[1]} give the same answers to {f'all {n:,}' if n > 1 else 'the one'} {reviews}."
    if p_value >= _REAL_BELOW:
        return (
            f"Whether {names[0]} or {names[1]} is better cannot be told: they differ on {differ:,} of {n:,} {reviews}, "
            f"{only_first:,} to {only_second:,} ({_format_p(p_value)})."
        )
    better, worse = names if only_first > only_second else names[::-1]
    return (
        f"{better} is better than {worse}: it is right on {max(only_first, only_second):,} of the {differ:,} reviews "
        f"on which they differ, more than chance explains ({_format_p(p_value)})."
    )


def _format_p(p_value: float) -> str:
    if p_value < 0.001:
        return "p below 0.001"
    return f"p {p_value:.2f}" if p_value >= 0.1 else f"p {p_value:.3f}"
