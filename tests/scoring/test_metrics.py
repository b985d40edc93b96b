"""Metrics, against cases counted by hand and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from polarity_cli.scoring.metrics import compute_metrics


def test_metrics_of_a_case_counted_by_hand() -> None:
    y_true = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    y_score = np.array([0.9, 0.8, 0.5, 0.2, 0.7, 0.4, 0.1, 0.0])
    values = compute_metrics(y_true, y_score)
    assert (values["positive_as_positive"], values["positive_as_negative"]) == (3, 1)
    assert (values["negative_as_positive"], values["negative_as_negative"]) == (1, 3)
    assert values["precision"] == values["recall"] == values["f1"] == values["accuracy"] == values["f1_macro"] == 0.75
    assert values["roc_auc"] == 13 / 16
    assert values["n"] == 8


def test_metrics_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    y_true = generator.integers(0, 2, 500)
    y_score = np.clip(0.6 * y_true + 0.5 * generator.random(500), 0, 1)
    y_pred = (y_score >= 0.5).astype(int)
    values = compute_metrics(y_true, y_score)
    assert values["f1"] == pytest.approx(sk.f1_score(y_true, y_pred))
    assert values["f1_macro"] == pytest.approx(sk.f1_score(y_true, y_pred, average="macro"))
    assert values["accuracy"] == pytest.approx(sk.accuracy_score(y_true, y_pred))
    assert values["precision"] == pytest.approx(sk.precision_score(y_true, y_pred))
    assert values["recall"] == pytest.approx(sk.recall_score(y_true, y_pred))
    assert values["roc_auc"] == pytest.approx(sk.roc_auc_score(y_true, y_score))
    assert values["log_loss"] == round(sk.log_loss(y_true, y_score), 6)


@pytest.mark.parametrize(("truth", "f1"), [(1, 1.0), (0, 0.0)])
def test_one_class_has_every_metric_but_the_auc(truth: int, f1: float) -> None:
    values = compute_metrics(np.full(4, truth), np.full(4, float(truth)))
    assert values["roc_auc"] is None
    assert values["f1"] == f1
    assert values["accuracy"] == 1.0
    assert values["log_loss"] == pytest.approx(0.0)


def test_no_reviews_have_no_metrics() -> None:
    values = compute_metrics(np.array([], dtype=np.int64), np.array([]))
    assert values["n"] == 0
    assert {values[name] for name in ("f1", "accuracy", "roc_auc", "log_loss", "precision", "recall", "f1_macro")} == {None}
