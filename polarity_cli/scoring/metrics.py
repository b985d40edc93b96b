"""Metrics of a binary classifier, by scikit-learn.

To add a metric, write one function of `Answers` and add one line to `METRICS`, and one to `scoring/resampled_metrics` for its
interval. Next on the road: `scoring/intervals`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarity_cli.records import NEGATIVE, POSITIVE
from polarity_cli.scoring.reliability import compute_calibration_error
from polarity_cli.scoring.values import Metrics

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]
THRESHOLD = 0.5
_CLASSES = [NEGATIVE, POSITIVE]
_DIGITS = 6
"""Decimals of a log loss: with other numbers of threads or processes, float32 scores change those behind the ninth."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One or more reviews, their answers, and what most metrics are made from: a value for each class, negative first."""

    y_true: Labels
    y_pred: Labels
    y_score: Scores
    precision: Scores
    """`(2,)`: 0 where nothing is answered so, as scikit-learn has it by default; so are the two below."""
    recall: Scores
    f1: Scores
    n: Labels
    """`(2,)` reviews."""


def compute_metrics(y_true: Labels, y_score: Scores, *, threshold: float = THRESHOLD) -> Metrics:
    """Return every metric of `METRICS`, the number of reviews of each class, and the counts of the confusion matrix.

    Args:
        y_true: `(N,)`, 0 negative, 1 positive.
        y_score: `(N,)`, probability of positive, 0 to 1.
        threshold: From which score on the answer is positive.

    Returns:
        Fractions 0 to 1 (`matthews` -1 to 1, `log_loss` nats) and counts. `precision`, `recall` and `f1` are those of positive.
        None where a metric is not defined: all of no reviews, the AUC and the average precision of one class. Precision,
        recall and F1 of what does not occur are 0, and so is `matthews` where there is one class or one answer, which are
        scikit-learn's conventions.
    """
    y_pred = (y_score >= threshold).astype(np.int64)
    values: Metrics = {"n": len(y_true)}
    values.update(_compute_all(y_true, y_pred, y_score) if len(y_true) else dict.fromkeys(METRICS))
    for truth, truth_name in ((POSITIVE, "positive"), (NEGATIVE, "negative")):
        values[f"{truth_name}_n"] = int((y_true == truth).sum())
        for predicted, name in ((POSITIVE, "positive"), (NEGATIVE, "negative")):
            values[f"{truth_name}_as_{name}"] = int(((y_true == truth) & (y_pred == predicted)).sum())
    return values


def _compute_all(y_true: Labels, y_pred: Labels, y_score: Scores) -> Metrics:
    from sklearn.metrics import precision_recall_fscore_support

    # Once for all that is made from it: a call takes milliseconds, whatever the number of reviews.
    table = precision_recall_fscore_support(y_true, y_pred, labels=_CLASSES, zero_division=0.0)
    answers = Answers(y_true, y_pred, y_score, *table)
    return {name: metric(answers) for name, metric in METRICS.items()}


def _accuracy(answers: Answers) -> float:
    return float((answers.y_true == answers.y_pred).mean())


def _weight(values: Scores, answers: Answers) -> float:
    """Return the mean of the two classes, each with the weight of its reviews."""
    return float(np.average(values, weights=answers.n))


def _matthews(answers: Answers) -> float:
    """Matthews correlation coefficient (Matthews 1975), -1 to 1."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(answers.y_true, answers.y_pred)) if answers.n.all() else 0.0


def _roc_auc(answers: Answers) -> float | None:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(answers.y_true, answers.y_score)) if answers.n.all() else None


def _average_precision(answers: Answers) -> float | None:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(answers.y_true, answers.y_score)) if answers.n.all() else None


def _log_loss(answers: Answers) -> float:
    from sklearn.metrics import log_loss

    return round(float(log_loss(answers.y_true, answers.y_score, labels=_CLASSES)), _DIGITS)


def _brier(answers: Answers) -> float:
    """Mean squared difference of the score from what is true (Brier 1950)."""
    return float(np.square(answers.y_score - answers.y_true).mean())


def _calibration_error(answers: Answers) -> float:
    return compute_calibration_error(answers.y_true, answers.y_score)


METRICS: dict[str, Callable[[Answers], float | None]] = {
    "f1": lambda answers: float(answers.f1[POSITIVE]),
    "f1_macro": lambda answers: float(answers.f1.mean()),
    "f1_weighted": lambda answers: _weight(answers.f1, answers),
    "accuracy": _accuracy,
    "precision": lambda answers: float(answers.precision[POSITIVE]),
    "recall": lambda answers: float(answers.recall[POSITIVE]),
    "negative_precision": lambda answers: float(answers.precision[NEGATIVE]),
    "negative_recall": lambda answers: float(answers.recall[NEGATIVE]),
    "negative_f1": lambda answers: float(answers.f1[NEGATIVE]),
    "precision_macro": lambda answers: float(answers.precision.mean()),
    "recall_macro": lambda answers: float(answers.recall.mean()),
    "precision_weighted": lambda answers: _weight(answers.precision, answers),
    "recall_weighted": lambda answers: _weight(answers.recall, answers),
    "matthews": _matthews,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "log_loss": _log_loss,
    "brier": _brier,
    "calibration_error": _calibration_error,
}
"""Each is a metric of one or more reviews; all that is no count."""
