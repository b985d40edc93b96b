"""From which probability on to answer, and how many reviews that leaves unanswered. The verbs keep a threshold with the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarity_cli.records import LABEL_NAMES, NEGATIVE, POSITIVE, Threshold
from polarity_cli.scoring.values import Coverage

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]
MIN_ANSWERED = 20
"""A precision of fewer answers says nothing: 20 right of 20 still leave 0.83 possible (exact 95% interval)."""
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class _Cuts:
    """Every place where the reviews can be cut in two, the one that answers least first."""

    positive: Scores
    """`(K,)`, the threshold: from it on a review is positive, below it negative."""
    n: NDArray[np.int64]
    """`(K,)`, reviews that are answered with the class."""
    n_right: NDArray[np.int64]
    """`(K,)`, how many of them are of the class."""
    n_of: int
    """All reviews of the class."""

    @property
    def precision(self) -> Scores:
        return np.asarray(self.n_right / self.n, dtype=np.float64)


def find_threshold(
    y_true: Labels, y_score: Scores, *, target_precision: float, of: str = "positive", found_on: str = "validation"
) -> Threshold | None:
    """Return the threshold that answers most of a class's reviews with a precision of at least so much; None where none does.

    The precision is that of these reviews. Found on 500 real reviews (200 draws, TF-IDF log-odds out of fold), a target of 0.9
    gave 0.90 on others in the mean and 0.86 in the worst draws of 20; 0.95 gave 0.95 and 0.92; 0.99 gave 0.98 and 0.96.

    Args:
        y_true: `(N,)`, 0 negative, 1 positive.
        y_score: `(N,)`, probability of positive, 0 to 1.
        target_precision: 0 to 1, that of the answers `of`.
        of: `positive` or `negative`.
        found_on: which reviews these are, for the record.

    Returns:
        The one with the highest recall. At least `MIN_ANSWERED` reviews are answered with the class; equal scores are answered
        alike, and it lies halfway between two scores, so that rounding does not move a review across it.
    """
    cuts = _list_cuts(y_true, y_score, of)
    reached = np.flatnonzero((cuts.precision >= target_precision) & (cuts.n_right > 0))
    if not len(reached):
        return None
    best = reached[cuts.n_right[reached].argmax()]  # of equal recalls the first, which answers fewest
    return Threshold(
        positive=float(cuts.positive[best]),
        of=of,
        target_precision=target_precision,
        precision=float(cuts.precision[best]),
        recall=float(cuts.n_right[best] / cuts.n_of),
        n=len(y_true),
        found_on=found_on,
    )


def describe_best(y_true: Labels, y_score: Scores, of: str) -> tuple[float, float] | None:
    """Return the highest precision that a threshold reaches and that threshold, for a message; None with too few reviews.

    Args are those of `find_threshold`, which finds a threshold for exactly the targets up to this precision.
    """
    cuts = _list_cuts(y_true, y_score, of)
    if not len(cuts.n):
        return None
    highest = np.flatnonzero(cuts.precision == cuts.precision.max())[-1]  # of equal precisions the one that answers most
    return float(cuts.precision[highest]), float(cuts.positive[highest])


def _list_cuts(y_true: Labels, y_score: Scores, of: str) -> _Cuts:
    """Return the cuts that answer at least `MIN_ANSWERED` reviews with a class."""
    wanted = LABEL_NAMES.index(of)
    # A model computes in float32: scores that differ by less are equal.
    scores, place = np.unique(y_score.astype(np.float32).astype(np.float64), return_inverse=True)  # (K,), (N,)
    n, n_right = np.bincount(place, minlength=len(scores)), np.bincount(place[y_true == wanted], minlength=len(scores))
    between = (scores[:-1] + scores[1:]) / 2
    if wanted == POSITIVE:
        # The highest scores first: each cut answers a score and all above it, and lies halfway to the next below, or to 0.
        thresholds = np.concatenate([scores[:1] / 2, between])[::-1]
        n, n_right = n[::-1], n_right[::-1]
    else:
        thresholds = np.concatenate([between, (scores[-1:] + 1) / 2])
    cuts = _Cuts(thresholds, n.cumsum(), n_right.cumsum(), int((y_true == wanted).sum()))
    possible = cuts.n >= MIN_ANSWERED
    if wanted == NEGATIVE:
        possible &= thresholds > scores  # a score of 1 is below no threshold
    return _Cuts(thresholds[possible], cuts.n[possible], cuts.n_right[possible], cuts.n_of)


def compute_coverage(
    y_true: Labels, y_score: Scores, *, threshold: float = 0.5, levels: Sequence[float] = LEVELS
) -> list[Coverage]:
    """Return what is answered, and how well, at each confidence that an answer may need.

    Args:
        y_true: `(N,)`, 0 negative, 1 positive.
        y_score: `(N,)`, probability of positive, 0 to 1.
        threshold: from it on the answer is positive.
        levels: the least confidences, 0 to 1; confidence is the probability of the answer. With a threshold other than 0.5 an
            answer may have less than 0.5.
    """
    y_pred = np.where(y_score >= threshold, POSITIVE, NEGATIVE)
    confidence = np.where(y_pred == POSITIVE, y_score, 1 - y_score)
    return [_cover(y_true, y_pred, confidence >= level, level=level) for level in levels]


def _cover(y_true: Labels, y_pred: Labels, answered: NDArray[np.bool_], *, level: float) -> Coverage:
    is_right = y_true == y_pred
    n = int(answered.sum())
    return Coverage(
        min_confidence=level,
        n=n,
        share=n / len(y_true) if len(y_true) else 0.0,
        accuracy=_share(is_right[answered]),
        positive_precision=_share(is_right[answered & (y_pred == POSITIVE)]),
        negative_precision=_share(is_right[answered & (y_pred == NEGATIVE)]),
    )


def _share(is_right: NDArray[np.bool_]) -> float | None:
    return float(is_right.mean()) if len(is_right) else None
