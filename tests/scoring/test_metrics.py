"""Metrics, against cases counted by hand and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from polarity_cli.scoring.metrics import METRICS, compute_metrics
from polarity_cli.scoring.resampled_metrics import compute_resampled_metrics, rank_reviews


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
    assert values["f1_weighted"] == pytest.approx(sk.f1_score(y_true, y_pred, average="weighted"))
    assert values["matthews"] == pytest.approx(sk.matthews_corrcoef(y_true, y_pred))
    assert values["average_precision"] == pytest.approx(sk.average_precision_score(y_true, y_score))
    assert values["brier"] == pytest.approx(sk.brier_score_loss(y_true, y_score))


def test_metrics_hold_the_table_of_scikit_learns_report() -> None:
    generator = np.random.default_rng(1)
    y_true = (generator.random(300) < 0.8).astype(np.int64)
    y_score = np.clip(0.4 * y_true + 0.6 * generator.random(300), 0, 1)
    values = compute_metrics(y_true, y_score, threshold=0.6)
    report = sk.classification_report(y_true, y_score >= 0.6, target_names=["negative", "positive"], output_dict=True)
    assert values["accuracy"] == pytest.approx(report["accuracy"])
    for name, prefix, suffix in (
        ("negative", "negative_", ""),
        ("positive", "", ""),
        ("macro avg", "", "_macro"),
        ("weighted avg", "", "_weighted"),
    ):
        for key, metric in (("precision", "precision"), ("recall", "recall"), ("f1-score", "f1")):
            assert values[f"{prefix}{metric}{suffix}"] == pytest.approx(report[name][key])
    assert (values["negative_n"], values["positive_n"]) == (report["negative"]["support"], report["positive"]["support"])


def test_score_at_the_threshold_is_positive() -> None:
    y_true, y_score = np.array([1, 0, 1, 0]), np.array([0.3, 0.3, 0.2, 0.1])
    values = compute_metrics(y_true, y_score, threshold=0.3)
    assert [values[f"{true}_as_{said}"] for true in ("positive", "negative") for said in ("positive", "negative")] == [1, 1, 1, 1]
    assert compute_metrics(y_true, y_score)["positive_as_positive"] == 0


def test_calibration_error_of_a_case_counted_by_hand() -> None:
    y_true = np.array([1] * 10 + [0] * 10 + [1] * 15 + [0] * 5)
    y_score = np.array([0.2] * 20 + [0.9] * 20)
    # Half of the first 20 are positive where 0.2 is said, and 0.75 of the others where 0.9 is.
    assert compute_metrics(y_true, y_score)["calibration_error"] == pytest.approx((0.3 + 0.15) / 2)


def test_sure_and_wrong_scores_cost_a_finite_loss() -> None:
    values = compute_metrics(np.array([1, 0]), np.array([0.0, 1.0]))
    assert values["log_loss"] == pytest.approx(36.043653)
    assert values["brier"] == 1.0
    assert (values["roc_auc"], values["matthews"], values["f1"]) == (0.0, -1.0, 0.0)


def test_one_answer_to_all_has_no_correlation() -> None:
    values = compute_metrics(np.array([0, 1, 1]), np.full(3, 0.5))
    assert (values["matthews"], values["roc_auc"]) == (0.0, 0.5)
    assert values["average_precision"] == pytest.approx(2 / 3)
    assert values["negative_precision"] == values["negative_f1"] == 0.0


@pytest.mark.parametrize(("truth", "f1"), [(1, 1.0), (0, 0.0)])
def test_one_class_has_every_metric_but_those_of_the_ranking(truth: int, f1: float) -> None:
    values = compute_metrics(np.full(4, truth), np.full(4, float(truth)))
    assert {name for name, value in values.items() if value is None} == {"roc_auc", "average_precision"}
    assert values["f1"] == f1
    assert values["f1_weighted"] == 1.0
    assert values["matthews"] == 0.0
    assert values["brier"] == values["calibration_error"] == 0.0
    assert values["accuracy"] == 1.0
    assert values["log_loss"] == pytest.approx(0.0)


def test_no_reviews_have_no_metrics() -> None:
    values = compute_metrics(np.array([], dtype=np.int64), np.array([]))
    assert values["n"] == 0
    assert {values[name] for name in METRICS} == {None}
    assert {values[name] for name in values.keys() - METRICS.keys()} == {0}


@pytest.mark.parametrize("decimals", [9, 1], ids=["no-ties", "ties"])
def test_metrics_of_a_resample_are_those_of_its_reviews(decimals: int) -> None:
    generator = np.random.default_rng(2)
    y_true = generator.integers(0, 2, 120)
    y_score = np.clip(0.4 * y_true + 0.6 * generator.random(120), 0, 1).round(decimals)
    reviews = rank_reviews(y_true, y_score, threshold=0.45)
    rows = [np.arange(120), *generator.integers(0, 120, (4, 120))]
    counts = np.stack([np.bincount(drawn, minlength=120)[reviews.order] for drawn in rows]).astype(np.float64)
    found = compute_resampled_metrics(reviews, counts)
    assert found.keys() == METRICS.keys()
    for number, drawn in enumerate(rows):
        expected = compute_metrics(y_true[drawn], y_score[drawn], threshold=0.45)
        if number:  # bins stay those of the reviews as they came
            del expected["calibration_error"]
        for name in METRICS.keys() & expected.keys():
            assert found[name][number] == pytest.approx(expected[name], abs=1e-6), name


def test_metrics_of_a_resample_of_one_class_are_not_defined() -> None:
    reviews = rank_reviews(np.array([0, 1]), np.array([0.1, 0.9]), threshold=0.5)
    found = compute_resampled_metrics(reviews, np.array([[0.0, 2.0]]))
    undefined = {name for name, values in found.items() if np.isnan(values[0])}
    assert {"roc_auc", "average_precision", "matthews", "f1_macro", "negative_recall", "negative_f1"} <= undefined
    assert not {"accuracy", "f1", "f1_weighted", "log_loss", "brier", "calibration_error"} & undefined
