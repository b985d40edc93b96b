"""Intervals hold the truth as often as they say, and say nothing where the reviews do not tell."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score

from polarity_cli.scoring import bootstrap
from polarity_cli.scoring.intervals import compute_intervals
from polarity_cli.scoring.metrics import METRICS, compute_metrics

Reviews = tuple[NDArray[np.int64], NDArray[np.float64]]
SIMULATED = 300


def draw_reviews(generator: np.random.Generator, n: int, *, share: float, apart: float = 2.0) -> Reviews:
    """Return reviews whose scores are those of two normal distributions, `apart` standard deviations from each other."""
    y_true = (generator.random(n) < share).astype(np.int64)
    return y_true, 1 / (1 + np.exp(-generator.normal(apart * (y_true - 0.5), 1)))


def measure_coverage(draw: Callable[[np.random.Generator], Reviews], truth: dict[str, float]) -> dict[str, float]:
    generator = np.random.default_rng(0)
    held = dict.fromkeys(truth, 0)
    for seed in range(SIMULATED):
        intervals = compute_intervals(*draw(generator), seed=seed)
        for name, value in truth.items():
            interval = intervals[name]
            assert interval is not None
            held[name] += interval[0] <= value <= interval[1]
    return {name: n / SIMULATED for name, n in held.items()}


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 300])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_intervals_hold_the_truth_in_about_95_of_100_samples(monkeypatch: pytest.MonkeyPatch, n: int, share: float) -> None:
    monkeypatch.setattr(bootstrap, "_MOST_RESAMPLES", 499)
    values = compute_metrics(*draw_reviews(np.random.default_rng(1), 1_000_000, share=share))
    names = ("accuracy", "f1", "f1_macro", "roc_auc", "log_loss", "brier", "recall")
    truth = {name: value for name in names if (value := values[name]) is not None}
    coverage = measure_coverage(lambda generator: draw_reviews(generator, n, share=share), truth)
    assert {name: held for name, held in coverage.items() if not 0.92 <= held <= 0.98} == {}


@pytest.mark.slow
def test_intervals_of_a_nearly_perfect_model_hold_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in 200 reviews: most samples of 100 hold none, and their bootstrap tells nothing."""
    monkeypatch.setattr(bootstrap, "_MOST_RESAMPLES", 499)

    def draw(generator: np.random.Generator) -> Reviews:
        y_true = generator.integers(0, 2, 100)
        right = generator.random(100) >= 0.005
        return y_true, np.where(right, y_true, 1 - y_true).astype(np.float64)

    coverage = measure_coverage(draw, {"accuracy": 0.995, "f1": 0.995, "recall": 0.995, "negative_precision": 0.995})
    assert min(coverage.values()) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("stretched", [1.0, 2.0], ids=["calibrated", "overconfident"])
def test_interval_of_the_calibration_error_holds_the_truth(monkeypatch: pytest.MonkeyPatch, stretched: float) -> None:
    monkeypatch.setattr(bootstrap, "_MOST_RESAMPLES", 299)
    monkeypatch.setattr(bootstrap, "_MOST_FOR_BCA", 0)  # this metric does not use it

    def draw(generator: np.random.Generator, n: int = 300) -> Reviews:
        log_odds = generator.normal(0, 2.5, n)
        y_true = (generator.random(n) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)
        return y_true, 1 / (1 + np.exp(-stretched * log_odds))

    measured = compute_metrics(*draw(np.random.default_rng(1), 1_000_000))["calibration_error"]
    assert measured is not None
    coverage = measure_coverage(draw, {"calibration_error": 0.0 if stretched == 1 else measured})
    assert coverage["calibration_error"] >= 0.9


def approximately(low: float, high: float) -> object:
    return pytest.approx((low, high), abs=1e-9)


def test_intervals_are_those_of_scipy() -> None:
    y_true, y_score = draw_reviews(np.random.default_rng(3), 150, share=0.6)
    found = compute_intervals(y_true, y_score)

    for name, metric in (("f1", lambda y, s: f1_score(y, s >= 0.5)), ("roc_auc", roc_auc_score)):
        theirs = stats.bootstrap((y_true, y_score), metric, paired=True, vectorized=False, n_resamples=999, rng=1)
        assert found[name] == pytest.approx(theirs.confidence_interval, abs=0.012)


def test_same_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    reviews = draw_reviews(np.random.default_rng(4), 80, share=0.6)
    assert compute_intervals(*reviews, seed=1) == compute_intervals(*reviews, seed=1)
    assert compute_intervals(*reviews, seed=1) != compute_intervals(*reviews, seed=2)


@pytest.mark.parametrize("n", [200, 3_200], ids=["bca", "percentile"])
def test_every_metric_has_an_interval_around_it(n: int) -> None:
    reviews = draw_reviews(np.random.default_rng(5), n, share=0.6)
    metrics, intervals = compute_metrics(*reviews, threshold=0.4), compute_intervals(*reviews, threshold=0.4)
    assert intervals.keys() == METRICS.keys()
    for name, interval in intervals.items():
        value = metrics[name]
        assert interval is not None
        assert value is not None
        assert interval[0] < value < interval[1], name


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_reviews_tell_nothing(n: int) -> None:
    assert compute_intervals(np.ones(n, np.int64), np.full(n, 0.5)) == dict.fromkeys(METRICS)


def test_model_without_a_mistake_has_exact_intervals_of_shares() -> None:
    y_true = np.array([1] * 60 + [0] * 40)
    found = compute_intervals(y_true, y_true.astype(np.float64))
    lowest = {n: 0.025 ** (1 / n) for n in (100, 60, 40)}  # the exact bound of n of n
    assert found["accuracy"] == found["recall_weighted"] == approximately(lowest[100], 1)
    assert found["precision"] == found["recall"] == approximately(lowest[60], 1)
    assert found["negative_precision"] == found["negative_recall"] == approximately(lowest[40], 1)
    assert found["f1"] == approximately(2 * lowest[60] / (1 + lowest[60]), 1)
    assert found["negative_f1"] == approximately(2 * lowest[40] / (1 + lowest[40]), 1)
    for name in ("f1_macro", "roc_auc", "log_loss", "brier", "matthews", "calibration_error"):
        assert found[name] is None, name


def test_scores_turned_round_have_exact_intervals_from_0() -> None:
    y_true = np.array([1] * 60 + [0] * 40)
    found = compute_intervals(y_true, 1.0 - y_true)
    highest = 1 - 0.025 ** (1 / 100)
    assert found["accuracy"] == approximately(0, highest)
    assert found["f1"] == approximately(0, 2 * highest / (1 + highest))


def test_one_class_has_no_interval_of_the_auc_and_one_of_the_accuracy() -> None:
    found = compute_intervals(np.ones(50, np.int64), np.linspace(0.3, 0.9, 50))
    assert found["roc_auc"] is found["average_precision"] is found["negative_recall"] is None
    assert found["accuracy"] is not None
    assert found["accuracy"][0] < 34 / 50 < found["accuracy"][1]


def test_two_reviews_of_a_class_do_not_tell_its_auc() -> None:
    y_true = np.array([1, 1, *[0] * 98])
    found = compute_intervals(y_true, np.linspace(0, 1, 100))
    assert found["roc_auc"] is None
    assert found["recall"] == approximately(0, 1 - 0.025**0.5)  # 0 of 2


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("y_true", [[0, 1], [1, 1], [0, 0], [0, 1, 1]])
def test_no_interval_is_nan_or_out_of_range(y_true: list[int], score: float) -> None:
    for name, interval in compute_intervals(np.array(y_true), np.full(len(y_true), score)).items():
        lowest, highest = -1 if name == "matthews" else 0, 37 if name == "log_loss" else 1
        assert interval is None or lowest <= interval[0] <= interval[1] <= highest, name


@pytest.mark.slow
def test_400_000_reviews_take_seconds() -> None:
    reviews = draw_reviews(np.random.default_rng(6), 400_000, share=0.6)
    start = time.perf_counter()
    found = compute_intervals(*reviews)
    assert time.perf_counter() - start < 20
    assert found["accuracy"] is not None
    assert 0.002 < found["accuracy"][1] - found["accuracy"][0] < 0.0032
