"""Whether scores mean what they say: reviews in bins of like scores, whose mean score stands beside the share that is positive.

Next on the road: `scoring/metrics` makes the calibration error of the bins, `scoring/intervals` its interval, and the report
draws them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from polarity_cli.scoring.values import Bin

_MOST_BINS = 15
_FEWEST_REVIEWS = 20
"""In a bin: the share of 20 that is positive is known to about a fifth, and that of fewer hardly at all."""


def make_bins(y_true: NDArray[np.int64], y_score: NDArray[np.float64]) -> list[Bin]:
    """Return bins that hold about as many reviews each, from the lowest scores to the highest.

    Equal mass as in Nixon, Dusenberry, Zhang, Jerfel and Tran 2019, "Measuring Calibration in Deep Learning" (arXiv 1904.01685):
    bins of equal width stand empty in the middle, since a classifier's scores lie near 0 and 1. Up to 15 bins, of 20 reviews or
    more where there are so many. Reviews of one score are never divided, so bins do not overlap.

    Args:
        y_true: `(N,)`, 0 negative, 1 positive.
        y_score: `(N,)`, probability of positive, 0 to 1.

    Returns:
        One bin for 20 reviews or fewer, and none for none.
    """
    order = np.argsort(y_score, kind="stable")
    scores, truths = y_score[order], y_true[order]
    starts = find_bin_starts(scores).tolist()
    return [
        Bin(
            low=float(scores[start]),
            high=float(scores[end - 1]),
            n=end - start,
            mean_score=float(scores[start:end].mean()),
            share_positive=float(truths[start:end].mean()),
        )
        for start, end in pairwise([*starts, len(scores)])
    ]


def compute_calibration_error(y_true: NDArray[np.int64], y_score: NDArray[np.float64]) -> float:
    """Return the expected calibration error of one review or more: how far a bin's share is from its mean score, on average.

    Of the probability of positive (Naeini, Cooper, Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning"), in the bins of `make_bins`.
    """
    return sum(part.n * abs(part.mean_score - part.share_positive) for part in make_bins(y_true, y_score)) / len(y_true)


def find_bin_starts(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return where each bin begins among scores in rising order, `(bins,)` int64; empty for no scores.

    Args:
        scores: `(N,)`, in rising order.
    """
    n = len(scores)
    if not n:
        return np.empty(0, np.int64)
    n_bins = max(1, min(_MOST_BINS, n // _FEWEST_REVIEWS))
    starts = [0]
    for wanted in (np.arange(1, n_bins) * n / n_bins).round().astype(np.int64).tolist():
        start = find_change(scores, wanted)
        if start - starts[-1] >= _FEWEST_REVIEWS and n - start >= _FEWEST_REVIEWS:
            starts.append(start)
    return np.array(starts, np.int64)


def find_change(values: NDArray[np.float64] | NDArray[np.int64], wanted: int) -> int:
    """Return the place nearest to `wanted` where a run of equal values begins or ends, 0 to N; the values rise, `(N,)`."""
    before = int(np.searchsorted(values, values[wanted], side="left"))
    after = int(np.searchsorted(values, values[wanted], side="right"))
    return before if wanted - before <= after - wanted else after
