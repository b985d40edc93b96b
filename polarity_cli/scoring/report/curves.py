"""Compute the lines of a page's charts from labels and scores, short enough to draw. Used by `scoring/report/charts`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
MOST_POINTS = 200
"""So many points of a curve are drawn; a screen shows no more."""


def count_scores(y_true: Labels, y_score: Floats, n_bins: int = 20) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return how many negative and how many positive reviews `(n_bins,)` score in each part of 0 to 1, and its edges."""
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    negative, positive = (np.histogram(y_score[y_true == label], edges)[0].astype(np.int64) for label in (0, 1))
    return negative, positive, edges


def sweep_thresholds(y_true: Labels, y_score: Floats) -> tuple[Floats, Floats, Floats]:
    """Return thresholds from 0 to 1 `(201,)`, and the precision and the recall of positive at each.

    A review is positive from the threshold on. Precision is NaN where nothing is, recall where no review is positive.
    """
    thresholds = np.linspace(0.0, 1.0, MOST_POINTS + 1)
    scores, positives = np.sort(y_score), np.sort(y_score[y_true == 1])
    n_predicted = (len(scores) - np.searchsorted(scores, thresholds, side="left")).astype(np.float64)
    n_found = (len(positives) - np.searchsorted(positives, thresholds, side="left")).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return thresholds, n_found / n_predicted, n_found / np.float64(len(positives))


def thin(x: Floats, y: Floats, *, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """Return at most `most` points of a line, evenly along its length: steep parts keep theirs. Both ends stay."""
    if len(x) <= most:
        return x, y
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    kept = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], most - 1), side="left"))
    kept = np.union1d(kept, [len(x) - 1])
    return x[kept], y[kept]


def average_losses(losses: Sequence[tuple[int, float]]) -> tuple[Floats, Floats, int]:
    """Return steps and losses `(<= 200,)`, each the mean of as many steps as the third value says.

    Losses that are not finite are left out.
    """
    points = np.asarray(losses, dtype=np.float64).reshape(-1, 2)
    points = points[np.isfinite(points[:, 1])]
    width = max(1, -(-len(points) // MOST_POINTS))
    means = [points[start : start + width].mean(axis=0) for start in range(0, len(points), width)]
    averaged = np.asarray(means, dtype=np.float64).reshape(-1, 2)
    return averaged[:, 0], averaged[:, 1], width
