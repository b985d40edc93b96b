"""Metrics of a binary classifier, by scikit-learn.

To add a metric, write one function of `(y_true, y_pred, y_score)` and add one line to `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from polarity_cli.records import NEGATIVE, POSITIVE

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]
THRESHOLD = 0.5
_DIGITS = 6
"""Decimals of a log loss: with other numbers of threads or processes, float32 scores change those behind the ninth."""


def compute_metrics(y_true: Labels, y_score: Scores) -> dict[str, float | None]:
    """Return every metric of `METRICS` and the counts of the confusion matrix.

    Args:
        y_true: `(N,)`, 0 negative, 1 positive.
        y_score: `(N,)`, probability of positive, 0 to 1; from 0.5 on the prediction is positive.

    Returns:
        Fractions 0 to 1 and counts; None where a metric is not defined, as the AUC of one class.
    """
    y_pred = (y_score >= THRESHOLD).astype(np.int64)
    values: dict[str, float | None] = {"n": len(y_true)}
    values.update({name: metric(y_true, y_pred, y_score) for name, metric in METRICS.items()})
    for truth, truth_name in ((POSITIVE, "positive"), (NEGATIVE, "negative")):
        for predicted, name in ((POSITIVE, "positive"), (NEGATIVE, "negative")):
            values[f"{truth_name}_as_{name}"] = int(((y_true == truth) & (y_pred == predicted)).sum())
    return values


def _f1(y_true: Labels, y_pred: Labels, y_score: Scores) -> float | None:
    """F1 of the positive class, the article's figure."""
    from sklearn.metrics import f1_score

    return float(f1_score(y_true, y_pred, zero_division=0.0)) if len(y_true) else None


def _f1_macro(y_true: Labels, y_pred: Labels, y_score: Scores) -> float | None:
    from sklearn.metrics import f1_score

    if not len(y_true):
        return None
    return float(f1_score(y_true, y_pred, average="macro", labels=[NEGATIVE, POSITIVE], zero_division=0.0))


def _accuracy(y_true: Labels, y_pred: Labels, y_score: Scores) -> float | None:
    return float((y_true == y_pred).mean()) if len(y_true) else None


def _precision(y_true: Labels, y_pred: Labels, y_score: Scores) -> float | None:
    from sklearn.metrics import precision_score

    return float(precision_score(y_true, y_pred, zero_division=0.0)) if len(y_true) else None


def _recall(y_true: Labels, y_pred: Labels, y_score: Scores) -> float | None:
    from sklearn.metrics import recall_score

    return float(recall_score(y_true, y_pred, zero_division=0.0)) if len(y_true) else None


def _roc_auc(y_true: Labels, y_pred: Labels, y_score: Scores) -> float | None:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y_true, y_score)) if len(np.unique(y_true)) == 2 else None


def _log_loss(y_true: Labels, y_pred: Labels, y_score: Scores) -> float | None:
    from sklearn.metrics import log_loss

    if not len(y_true):
        return None
    return round(float(log_loss(y_true, y_score, labels=[NEGATIVE, POSITIVE])), _DIGITS)


METRICS: dict[str, Callable[[Labels, Labels, Scores], float | None]] = {
    "f1": _f1,
    "f1_macro": _f1_macro,
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
}
