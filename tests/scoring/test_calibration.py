"""The temperature: what it does to scores that are too sure or not sure enough, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit

from polarity_cli.scoring.calibration import MIN_MISTAKES, MIN_REVIEWS, Labels, LogOdds, Temperature, fit_temperature


def draw(n: int, *, seed: int = 0) -> tuple[Labels, LogOdds]:
    """Return labels, and log-odds that are exactly as sure as they ought to be."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 2, n)
    return (rng.random(n) < expit(log_odds)).astype(np.int64), log_odds


def fit(y_true: Labels, log_odds: LogOdds) -> Temperature:
    found = fit_temperature(y_true, log_odds)
    assert isinstance(found, Temperature), found
    return found


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.5])
def test_model_that_is_surer_by_a_factor_gets_that_temperature(factor: float) -> None:
    y_true, log_odds = draw(20_000)
    assert fit(y_true, log_odds * factor).temperature == pytest.approx(factor, rel=0.04)


def test_temperature_is_the_one_with_the_least_log_loss() -> None:
    y_true, log_odds = draw(500)
    log_odds = log_odds * 3
    signs = 2 * y_true - 1
    expected = minimize_scalar(lambda t: np.logaddexp(0, -signs * log_odds / t).mean(), bounds=(0.1, 30), method="bounded")
    found = fit(y_true, log_odds)
    assert found.temperature == pytest.approx(expected.x, rel=1e-4)
    assert found.log_loss_after == pytest.approx(expected.fun)
    assert found.log_loss_before == pytest.approx(np.logaddexp(0, -signs * log_odds).mean())
    assert found.n == 500


def test_temperature_makes_an_overconfident_model_right_about_itself() -> None:
    y_true, log_odds = draw(5_000)
    found = fit(y_true, log_odds * 4)
    assert found.log_loss_after < found.log_loss_before
    assert found.calibration_error_before > 0.1
    assert found.calibration_error_after < 0.03


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_temperature_follows_log_odds_of_any_size(size: float) -> None:
    y_true, log_odds = draw(400)
    assert fit(y_true, log_odds * size).temperature == pytest.approx(fit(y_true, log_odds).temperature * size, rel=1e-5)


def test_same_reviews_give_the_same_temperature() -> None:
    assert fit(*draw(400)) == fit(*draw(400))


def test_reviews_sorted_by_label_or_score_give_the_same_temperature() -> None:
    y_true, log_odds = draw(400)
    for order in (np.argsort(y_true, kind="stable"), np.argsort(log_odds)):
        found, expected = fit(y_true[order], log_odds[order]), fit(y_true, log_odds)
        assert found.temperature == pytest.approx(expected.temperature, rel=1e-6)
        assert found.calibration_error_before == pytest.approx(expected.calibration_error_before)


def test_equal_scores_are_one_bin_of_the_calibration_error() -> None:
    y_true = np.array([1, 1, 1, 0] * 100)
    found = fit(y_true, np.full(400, np.log(9)))
    assert found.calibration_error_before == pytest.approx(0.9 - 0.75)
    assert found.calibration_error_after == pytest.approx(0, abs=1e-6)
    assert found.temperature == pytest.approx(np.log(9) / np.log(3), rel=1e-5)


def test_calibration_error_by_hand_of_two_bins() -> None:
    y_true = np.array(([0] * 90 + [1] * 10) + ([1] * 80 + [0] * 20))
    log_odds = np.array([-np.log(4)] * 100 + [np.log(4)] * 100)  # 0.2 and 0.8, where 0.1 and 0.8 are positive
    assert fit(y_true, log_odds).calibration_error_before == pytest.approx((0.1 + 0.0) / 2)


@pytest.mark.parametrize("n", [0, 1, 2, MIN_REVIEWS - 1])
def test_too_few_reviews_give_a_reason(n: int) -> None:
    y_true, log_odds = draw(n)
    found = fit_temperature(y_true, log_odds * 3)
    assert isinstance(found, str)
    assert found.startswith(f"{n} review{'' if n == 1 else 's'}, ")


def test_one_class_gives_a_reason() -> None:
    _, log_odds = draw(400)
    assert fit_temperature(np.ones(400, dtype=np.int64), log_odds) == "all 400 reviews are of one class"


def make_mistakes(n: int) -> tuple[Labels, LogOdds]:
    y_true = np.array([0, 1] * 200)
    log_odds = np.where(y_true == 1, 3.0, -3.0)
    log_odds[:n] *= -1
    return y_true, log_odds


def test_mistakes_too_few_to_tell_give_a_reason() -> None:
    for n, made in ((0, "no mistake"), (1, "1 mistake"), (MIN_MISTAKES - 1, f"{MIN_MISTAKES - 1} mistakes")):
        found = fit_temperature(*make_mistakes(n))
        assert isinstance(found, str)
        assert found.startswith(f"{made} in 400 reviews")
    assert fit(*make_mistakes(MIN_MISTAKES)).n == 400


def test_scores_turned_round_or_all_zero_give_a_reason() -> None:
    y_true, log_odds = draw(400)
    for worthless in (-log_odds, log_odds * 0):
        assert fit_temperature(y_true, worthless) == "the scores are no better than chance, or turned round"
