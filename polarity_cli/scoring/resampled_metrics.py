"""Every metric of many resamples at once, from how often each review is in them.

The reviews are sorted by score once. A resample is then a row of counts, and a metric a sum or a running sum along it: nothing is
sorted or looped over again. Next on the road: `scoring/intervals` and `scoring/compare`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarity_cli.scoring.reliability import find_bin_starts

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RankedReviews:
    """Reviews in rising order of score, with what the metrics take from each."""

    order: NDArray[np.int64]
    """`(N,)`: the place of each among the reviews as they came."""
    is_positive: Floats
    """`(N,)`, 0 or 1."""
    losses: Floats
    """`(2, N)`: log loss in nats, squared error."""
    excess: Floats
    """`(N,)`: score less truth."""
    first_positive_answer: int
    """The place of the first review that is answered positive; N where none is."""
    tie_ends: NDArray[np.int64] | None
    """`(scores,)`: the place of the last review of each score; None where no two are the same."""
    bin_starts: NDArray[np.int64]
    """`(bins,)`: the bins of the reviews as they came, which every resample keeps."""


def rank_reviews(y_true: NDArray[np.int64], y_score: Floats, *, threshold: float) -> RankedReviews:
    """Return the reviews in order of score.

    Args:
        y_true: `(N,)`, 0 negative, 1 positive; N is 1 or more.
        y_score: `(N,)`, probability of positive, 0 to 1.
        threshold: From which score on the answer is positive.
    """
    order = np.argsort(y_score, kind="stable")
    scores = y_score[order].astype(np.float64)
    truths = y_true[order].astype(np.float64)
    tiny = np.finfo(np.float64).eps  # as in scikit-learn, so that a sure and wrong answer costs 36 nats and not infinity
    given = np.clip(np.where(truths == 1, scores, 1 - scores), tiny, 1 - tiny)
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    return RankedReviews(
        order=order,
        is_positive=truths,
        losses=np.stack([-np.log(given), np.square(scores - truths)]),
        excess=scores - truths,
        first_positive_answer=int(np.searchsorted(scores, threshold, side="left")),
        tie_ends=ends if len(ends) < len(scores) else None,
        bin_starts=find_bin_starts(scores),
    )


def compute_resampled_metrics(reviews: RankedReviews, counts: Floats) -> dict[str, Floats]:
    """Return every metric of `scoring/metrics` for each resample, `(R,)` float64, NaN where it is not defined.

    Two differences from `scoring/metrics`, where a table needs some number: precision, recall and F1 of what does not occur
    are NaN here and not 0, and so is the Matthews coefficient of one class.

    Args:
        reviews: N reviews in order of score.
        counts: `(R, N)`, how often each of them, in that order, is in each resample.
    """
    positive = np.cumsum(counts * reviews.is_positive, axis=1)  # (R, N): positive reviews of this score or lower
    negative = np.cumsum(counts, axis=1) - positive
    n = positive[:, -1] + negative[:, -1]
    log_loss, brier = reviews.losses @ counts.T / n
    gaps = np.abs(np.add.reduceat(counts * reviews.excess, reviews.bin_starts, axis=1))  # (R, bins)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN is the answer
        return {
            **_compute_answer_metrics(positive, negative, reviews.first_positive_answer),
            **_compute_rank_metrics(positive, negative, reviews.tie_ends),
            "log_loss": log_loss,
            "brier": brier,
            "calibration_error": gaps.sum(axis=1) / n,
        }


def _compute_answer_metrics(positive: Floats, negative: Floats, first: int) -> dict[str, Floats]:
    """Return the metrics of the answers; the two arrays are running counts, `(R, N)`, and answers from `first` on positive."""
    zeros = np.zeros(len(positive))
    n = np.stack([negative[:, -1], positive[:, -1]])  # (2, R): negative, then positive
    missed = positive[:, first - 1] if first else zeros  # positive, answered negative
    right = np.stack([negative[:, first - 1] if first else zeros, n[1] - missed])  # (2, R)
    answered = np.stack([right[0] + missed, n.sum(axis=0) - right[0] - missed])  # (2, R)
    precision, recall, f1 = right / answered, right / n, 2 * right / (answered + n)
    share = n / n.sum(axis=0)
    accuracy = right.sum(axis=0) / n.sum(axis=0)
    covariance = right[0] * right[1] - (n[0] - right[0]) * missed
    matthews = covariance / np.sqrt(n.prod(axis=0)) / np.sqrt(answered.prod(axis=0))
    return {
        "f1": f1[1],
        "f1_macro": f1.mean(axis=0),
        # A class that is not there has no weight, whatever its value.
        "f1_weighted": np.where(n > 0, f1 * share, 0).sum(axis=0),
        "accuracy": accuracy,
        "precision": precision[1],
        "recall": recall[1],
        "negative_precision": precision[0],
        "negative_recall": recall[0],
        "negative_f1": f1[0],
        "precision_macro": precision.mean(axis=0),
        "recall_macro": recall.mean(axis=0),
        "precision_weighted": np.where(n > 0, precision * share, 0).sum(axis=0),
        "recall_weighted": accuracy,
        # One answer to both classes goes with nothing: no correlation.
        "matthews": np.where((n > 0).all(axis=0) & (answered == 0).any(axis=0), 0, matthews),
    }


def _compute_rank_metrics(positive: Floats, negative: Floats, tie_ends: NDArray[np.int64] | None) -> dict[str, Floats]:
    """Return the AUC and the average precision; the two arrays are running counts from the lowest score on, `(R, N)`."""
    n_positive, n_negative = positive[:, -1:], negative[:, -1:]
    if tie_ends is not None:
        positive, negative = positive[:, tie_ends], negative[:, tie_ends]  # (R, scores)
    at = np.diff(positive, axis=1, prepend=0)  # positive reviews of each score
    # Each outranks the negative ones below it, and half of those beside it: the middle of two running sums.
    below = negative.copy()
    below[:, 1:] += negative[:, :-1]
    roc_auc = np.einsum("rs,rs->r", at, below) / 2 / (n_positive * n_negative)[:, 0]
    right = n_positive - positive + at  # positive ones of this score or higher
    answered = right + n_negative
    answered[:, 1:] -= negative[:, :-1]
    # Where nothing is answered so, nothing is there to weigh it either: the 1 is never seen.
    average_precision = np.einsum("rs,rs->r", at, right / np.maximum(answered, 1)) / n_positive[:, 0]
    both = (n_positive > 0) & (n_negative > 0)
    return {"roc_auc": roc_auc, "average_precision": np.where(both[:, 0], average_precision, np.nan)}
