"""95% intervals of anything that is made from reviews, by drawing the reviews again with replacement, seeded.

Next on the road: `scoring/intervals` and `scoring/compare`, which say what is made from them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_MOST_FOR_BCA = 3_000
"""Reviews: the jackknife of BCa takes time in the square of them. 3,000 take 1.5 s with all resamples, 5,000 take 3.5 s."""
_MOST_RESAMPLES = 4_999
_FEWEST_RESAMPLES = 200
_MOST_DRAWN = 60_000_000
"""Reviews in all resamples together; they take 5 s."""
_AT_ONCE = 100_000
"""Reviews in the resamples that are worked on together; arrays of 1 MB are the fastest."""
_FEWEST_DEFINED = 0.9
"""Share of the resamples. With two reviews of a class, one resample in seven holds none, and two say little."""
_SAME = 1e-12


def bootstrap_reviews(compute: Callable[[Floats], Floats], n: int, *, seed: int, cost: int = 1) -> tuple[Floats, Floats]:
    """Return the 95% interval of each of K statistics, `(K, 2)`, and the statistics of the resamples, `(K, R)`.

    BCa, the bias-corrected and accelerated bootstrap (Efron 1987, "Better Bootstrap Confidence Intervals"), by SciPy. The
    percentile method stands in for it for more than 3,000 reviews, whose jackknife would take too long and changes little, and
    for a statistic that some resamples or the sample itself do not define, or for which BCa has no answer. Resamples that do
    not define it are left out. The interval is NaN where all resamples agree, which tells nothing of what other reviews would
    bring, and where more than one in ten does not define it.

    Args:
        compute: From how often each review is in each resample, `(R, n)`, to K statistics of each, `(K, R)`, NaN where not
            defined.
        n: Reviews; 2 or more.
        seed: Of the draws: the same again gives the same intervals.
        cost: How many times as long as usual `compute` takes; as many fewer reviews have BCa, and resamples.
    """
    from scipy import stats

    def compute_from_rows(rows: NDArray[np.int64], axis: int = -1) -> Floats:
        values = compute(_count(np.atleast_2d(rows), n))
        return values if rows.ndim > 1 else values[:, 0]

    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # its NaN is answered below
        found = stats.bootstrap(
            (np.arange(n),),
            compute_from_rows,
            vectorized=True,
            n_resamples=max(_FEWEST_RESAMPLES, min(_MOST_RESAMPLES, _MOST_DRAWN // cost // n)),
            batch=max(1, _AT_ONCE // n),
            method="BCa" if n * cost <= _MOST_FOR_BCA else "percentile",
            rng=np.random.default_rng(seed),
        )
    resampled: Floats = found.bootstrap_distribution
    intervals = np.stack(found.confidence_interval, axis=-1)
    return _mend(intervals, resampled), resampled


def _count(rows: NDArray[np.int64], n: int) -> Floats:
    """Return how often each of n reviews is in each row of review numbers, `(R, n)`."""
    shift = n * np.arange(len(rows))[:, np.newaxis]
    return np.bincount((rows + shift).ravel(), minlength=len(rows) * n).reshape(len(rows), n).astype(np.float64)


def _mend(intervals: Floats, resampled: Floats) -> Floats:
    """Return the intervals with the percentile one for each that is missing, and NaN where the resamples do not tell."""
    mended = intervals.copy()
    for number, values in enumerate(resampled):
        defined = values[~np.isnan(values)]
        if len(defined) < _FEWEST_DEFINED * len(values) or np.ptp(defined) <= _SAME:
            mended[number] = np.nan
        elif len(defined) < len(values) or np.isnan(intervals[number]).any():
            mended[number] = np.quantile(defined, [0.025, 0.975])
    return mended
