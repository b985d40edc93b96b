"""The numbers behind the charts, against cases counted by hand and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, precision_score, recall_score, roc_curve

from polarity_cli.scoring.report.curves import MOST_POINTS, average_losses, count_scores, sweep_thresholds, thin
from tests.scoring.report.example import simulate


def test_scores_on_an_edge_and_at_both_ends_are_counted_once() -> None:
    negative, positive, edges = count_scores(np.array([0, 0, 1, 1, 1]), np.array([0.0, 0.5, 0.5, 1.0, 0.99]))
    assert len(edges) == 21
    assert negative.sum() == 2
    assert positive.sum() == 3
    assert negative[0] == 1
    assert negative[10] == 1
    assert positive[10] == 1
    assert positive[19] == 2


def test_sweep_is_what_scikit_learn_says_at_each_threshold() -> None:
    y_true, y_score = simulate(300)
    y_score[:20] = 0.5  # on a threshold: counts as positive there
    thresholds, precision, recall = sweep_thresholds(y_true, y_score)
    for place in (0, 1, 50, 100, 101, 180):
        y_pred = (y_score >= thresholds[place]).astype(int)
        assert precision[place] == pytest.approx(precision_score(y_true, y_pred))
        assert recall[place] == pytest.approx(recall_score(y_true, y_pred))


def test_sweep_is_nan_where_nothing_is_called_positive() -> None:
    _, precision, recall = sweep_thresholds(np.array([1, 0]), np.array([0.5, 0.5]))
    assert precision[100] == 0.5
    assert np.isnan(precision[101])
    assert recall[101] == 0.0
    assert np.isnan(sweep_thresholds(np.array([0]), np.array([0.5]))[2]).all()


def test_thinned_curve_keeps_its_ends_and_its_area() -> None:
    y_true, y_score = simulate(20_000)
    x, y, _ = roc_curve(y_true, y_score)
    assert len(x) > MOST_POINTS
    thin_x, thin_y = thin(x, y)
    assert len(thin_x) <= MOST_POINTS
    assert (thin_x[0], thin_y[0], thin_x[-1], thin_y[-1]) == (0, 0, 1, 1)
    assert auc(thin_x, thin_y) == pytest.approx(auc(x, y), abs=1e-4)


def test_short_and_flat_curves_can_be_thinned() -> None:
    x = np.array([0.0, 1.0])
    assert thin(x, x)[0] is x
    assert [len(line) for line in thin(np.zeros(1_000), np.zeros(1_000))] == [2, 2]


def test_losses_are_averaged_by_hand() -> None:
    steps, losses, width = average_losses([(n, float(n % 2)) for n in range(400)])
    assert (len(steps), width) == (200, 2)
    assert steps[0] == 0.5
    assert set(losses) == {0.5}
    steps, losses, width = average_losses([(7, 0.25), (8, float("nan"))])
    assert (steps.tolist(), losses.tolist(), width) == ([7.0], [0.25], 1)
    assert len(average_losses([])[0]) == 0
