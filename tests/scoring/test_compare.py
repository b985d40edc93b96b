"""Two checkpoints on the same reviews: counted, tested, and said in a sentence that does not claim what chance explains."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from polarity_cli.scoring import bootstrap
from polarity_cli.scoring.compare import COMPARED, compare, compute_difference_interval

Scores = NDArray[np.float64]
NAMES = ("./new", "./old")


def answer(y_true: NDArray[np.int64], *, wrong: slice) -> Scores:
    """Return scores of 0.9 for what is said to be true, which is so but for some reviews."""
    said = y_true.copy()
    said[wrong] = 1 - said[wrong]
    return np.where(said == 1, 0.9, 0.1)


def draw(generator: np.random.Generator, n: int, *, apart: float) -> tuple[NDArray[np.int64], Scores, Scores]:
    """Return two models' scores, of which the first's classes lie further apart."""
    y_true = generator.integers(0, 2, n)
    noise = generator.normal(0, 1, n)
    scores = [1 / (1 + np.exp(-(by * (y_true - 0.5) + noise + generator.normal(0, 0.7, n)))) for by in (2 + apart, 2)]
    return y_true, scores[0], scores[1]


def test_better_checkpoint_is_named_with_the_reviews_that_tell() -> None:
    y_true = np.arange(274) % 2
    found = compare(y_true, answer(y_true, wrong=slice(0, 12)), answer(y_true, wrong=slice(8, 47)), names=NAMES)
    # 0-7 only the second is right on, 8-11 neither, 12-46 only the first.
    assert (found.both_right, found.only_first_right, found.only_second_right, found.both_wrong) == (227, 35, 8, 4)
    assert found.p_value == pytest.approx(2 * stats.binom.cdf(8, 43, 0.5))
    assert found.is_real
    assert found.verdict == (
        "./new is better than ./old: it is right on 35 of the 43 reviews on which they differ, "
        "more than chance explains (p below 0.001)."
    )
    assert found.differences["accuracy"] == pytest.approx(27 / 274)
    interval = found.intervals["accuracy"]
    assert interval is not None
    assert 0 < interval[0] < 27 / 274 < interval[1]


def test_second_checkpoint_is_named_where_it_is_the_better() -> None:
    y_true = np.arange(100) % 2
    found = compare(y_true, answer(y_true, wrong=slice(0, 9)), answer(y_true, wrong=slice(8, 10)), names=NAMES)
    assert (found.only_first_right, found.only_second_right) == (1, 8)
    assert found.p_value == pytest.approx(2 * (1 + 9) / 2**9)
    assert found.is_real
    assert found.verdict.startswith("./old is better than ./new: it is right on 8 of the 9 reviews on which they differ")
    assert found.verdict.endswith("(p 0.039).")


def test_difference_that_chance_explains_is_no_verdict() -> None:
    y_true = np.arange(274) % 2
    found = compare(y_true, answer(y_true, wrong=slice(0, 5)), answer(y_true, wrong=slice(5, 12)), names=NAMES)
    assert not found.is_real
    assert found.verdict == (
        "Whether ./new or ./old is better cannot be told: they differ on 12 of 274 reviews, 7 to 5 (p 0.77)."
    )
    interval = found.intervals["f1"]
    assert interval is not None
    assert interval[0] < 0 < interval[1]


def test_same_answers_are_said_to_be_the_same() -> None:
    y_true = np.arange(40) % 2
    scores = answer(y_true, wrong=slice(0, 4))
    found = compare(y_true, scores, scores, names=NAMES)
    assert found.verdict == "./new and ./old give the same answers to all 40 reviews."
    assert (found.p_value, found.is_real, found.both_right, found.both_wrong) == (1.0, False, 36, 4)
    assert set(found.differences.values()) == {0.0}
    assert found.intervals == dict.fromkeys(COMPARED)


def test_each_checkpoint_answers_by_its_own_threshold() -> None:
    y_true = np.array([1, 0, 1, 0])
    found = compare(y_true, np.array([0.8, 0.6, 0.8, 0.6]), np.array([0.3, 0.1, 0.3, 0.1]), thresholds=(0.7, 0.2))
    assert found.both_right == 4
    assert found.first["accuracy"] == found.second["accuracy"] == 1.0


def test_turning_the_two_round_turns_the_differences_round() -> None:
    y_true, first, second = draw(np.random.default_rng(0), 200, apart=1)
    one, other = compare(y_true, first, second), compare(y_true, second, first)
    assert one.p_value == other.p_value
    for name in COMPARED:
        difference, here, there = one.differences[name], one.intervals[name], other.intervals[name]
        assert difference is not None
        assert here is not None
        assert there is not None
        assert other.differences[name] == pytest.approx(-difference)
        assert (-here[1], -here[0]) == pytest.approx(there, abs=0.01)  # other draws: reviews are drawn in order of score
        assert here[0] < difference < here[1]


@pytest.mark.parametrize(
    ("n", "verdict"),
    [
        (0, "There are no reviews to compare ./new and ./old on."),
        (1, "Whether ./new or ./old is better cannot be told: they differ on 1 of 1 review, 1 to 0 (p 1.00)."),
        (2, "Whether ./new or ./old is better cannot be told: they differ on 2 of 2 reviews, 2 to 0 (p 0.50)."),
    ],
)
def test_few_reviews_say_little(n: int, verdict: str) -> None:
    found = compare(np.ones(n, np.int64), np.full(n, 0.9), np.full(n, 0.1), names=NAMES)
    assert found.verdict == verdict
    assert not found.is_real
    assert found.differences["roc_auc"] is None
    assert found.intervals == dict.fromkeys(COMPARED)


def test_one_review_answered_alike() -> None:
    found = compare(np.array([1]), np.array([0.9]), np.array([0.8]), names=NAMES)
    assert found.verdict == "./new and ./old give the same answers to the one review."


def test_difference_interval_is_that_of_the_comparison() -> None:
    y_true, first, second = draw(np.random.default_rng(1), 200, apart=1)
    found = compare(y_true, first, second, seed=3)
    for name in ("f1_macro", "brier"):
        assert compute_difference_interval(y_true, first, second, metric=name, seed=3) == found.intervals[name]
    assert compute_difference_interval(y_true, first, second, seed=3) == found.intervals["f1_macro"]
    assert compute_difference_interval(y_true, first, second, metric="recall_macro", seed=3) is not None
    assert compute_difference_interval(y_true[:1], first[:1], second[:1]) is None


@pytest.mark.slow
def test_intervals_of_differences_hold_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_MOST_RESAMPLES", 299)
    generator = np.random.default_rng(2)
    truth = compare(*draw(generator, 200_000, apart=0.5)).differences
    held = dict.fromkeys(COMPARED, 0)
    for seed in range(200):
        intervals = compare(*draw(generator, 150, apart=0.5), seed=seed).intervals
        for name in COMPARED:
            interval, value = intervals[name], truth[name]
            assert interval is not None
            assert value is not None
            held[name] += interval[0] <= value <= interval[1]
    assert {name: n for name, n in held.items() if not 182 <= n <= 199} == {}
