"""Thresholds: the precision they reach on the reviews they were found on, ties, ends, and what is left unanswered."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, precision_score, recall_score

from polarity_cli.scoring.thresholds import MIN_ANSWERED, Labels, Scores, compute_coverage, describe_best, find_threshold
from polarity_cli.scoring.values import Coverage


def draw(n: int, *, seed: int = 0) -> tuple[Labels, Scores]:
    rng = np.random.default_rng(seed)
    y_score = rng.random(n)
    return (rng.random(n) < y_score).astype(np.int64), y_score


@pytest.mark.parametrize("target", [0.6, 0.75, 0.9])
def test_threshold_has_the_highest_recall_of_those_that_reach_the_target(target: float) -> None:
    y_true, y_score = draw(500)
    found = find_threshold(y_true, y_score, target_precision=target)
    assert found is not None
    precision, recall, _ = precision_recall_curve(y_true, y_score)
    assert found.recall == pytest.approx(recall[precision >= target].max())
    y_pred = y_score >= found.positive
    assert found.precision == pytest.approx(precision_score(y_true, y_pred))
    assert found.recall == pytest.approx(recall_score(y_true, y_pred))
    assert found.precision >= target
    assert (found.n, found.of, found.target_precision, found.found_on) == (500, "positive", target, "validation")


def test_negative_threshold_mirrors_the_positive_one() -> None:
    y_true, y_score = draw(500)
    positive = find_threshold(y_true, y_score, target_precision=0.85)
    negative = find_threshold(1 - y_true, 1 - y_score, target_precision=0.85, of="negative", found_on="out of fold")
    assert positive is not None
    assert negative is not None
    assert negative.positive == pytest.approx(1 - positive.positive, abs=1e-6)
    assert (negative.precision, negative.recall) == (positive.precision, positive.recall)
    assert (negative.of, negative.found_on) == ("negative", "out of fold")
    answered = 1 - y_score < negative.positive
    assert negative.precision == pytest.approx(y_true[answered].mean())


def test_threshold_by_hand_lies_halfway_between_two_scores() -> None:
    y_true = np.array([1] * 27 + [0] * 3 + [0] * 10)
    y_score = np.array([0.75] * 30 + [0.25] * 10)
    found = find_threshold(y_true, y_score, target_precision=0.9)
    assert found is not None
    assert (found.positive, found.precision, found.recall) == (0.5, 0.9, 1.0)
    assert find_threshold(y_true, y_score, target_precision=0.91) is None
    assert describe_best(y_true, y_score, "positive") == (0.9, 0.5)


def test_equal_scores_are_answered_alike() -> None:
    y_true = np.array([1] * 30 + [1] * 20 + [0] * 20)  # in a tie a cut after the positive ones would be a lie
    y_score = np.array([0.9] * 30 + [0.6] * 40)
    found = find_threshold(y_true, y_score, target_precision=0.95)
    assert found is not None
    assert found.positive == pytest.approx(0.75)
    assert found.recall == pytest.approx(0.6)


def test_scores_that_float32_cannot_tell_apart_are_equal() -> None:
    y_true = np.array([1] * 30 + [0] * 30)
    y_score = np.array([0.8 + 1e-9] * 30 + [0.8] * 30)
    assert find_threshold(y_true, y_score, target_precision=0.9) is None


def test_threshold_divides_neighbouring_float32_scores() -> None:
    top = np.float32(1)
    below = np.nextafter(top, np.float32(0))
    y_true, y_score = np.array([1] * 30 + [0] * 30), np.array([top] * 30 + [below] * 30).astype(np.float64)
    found = find_threshold(y_true, y_score, target_precision=1.0)
    assert found is not None
    assert ((y_score >= found.positive) == (y_true == 1)).all()


@pytest.mark.parametrize("of", ["positive", "negative"])
def test_few_answers_are_not_enough_however_right(of: str) -> None:
    for n, is_found in ((MIN_ANSWERED - 1, False), (MIN_ANSWERED, True)):
        y_true = np.array([1] * n + [0] * n)
        y_score = np.where(y_true == 1, 0.9, 0.1)
        found = find_threshold(y_true, y_score, target_precision=1.0, of=of)
        assert (found is not None) == is_found


@pytest.mark.parametrize("of", ["positive", "negative"])
def test_ends_are_cuts_too(of: str) -> None:
    y_true = np.array([0, 1] * 30)
    for value in (0.0, 0.5, 1.0):
        found = find_threshold(y_true, np.full(60, value), target_precision=0.5, of=of)
        if of == "negative" and value == 1.0:
            assert found is None  # no threshold up to 1 is above it
            continue
        assert found is not None
        assert (found.precision, found.recall) == (0.5, 1.0)
        assert 0 <= found.positive <= 1
        assert (value >= found.positive) == (of == "positive")


@pytest.mark.parametrize("of", ["positive", "negative"])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_no_threshold_for_hardly_any_reviews(of: str, n: int) -> None:
    y_true, y_score = draw(n)
    assert find_threshold(y_true, y_score, target_precision=0.5, of=of) is None
    assert describe_best(y_true, y_score, of) is None


def test_class_that_is_not_there_has_no_threshold() -> None:
    _, y_score = draw(100)
    assert find_threshold(np.zeros(100, dtype=np.int64), y_score, target_precision=0.0) is None
    assert find_threshold(np.ones(100, dtype=np.int64), y_score, target_precision=0.5, of="negative") is None


def test_perfect_scores_and_scores_turned_round() -> None:
    y_true = np.array([0, 1] * 50)
    found = find_threshold(y_true, y_true * 1.0, target_precision=0.99)
    assert found is not None
    assert (found.positive, found.precision, found.recall) == (0.5, 1.0, 1.0)
    assert find_threshold(y_true, 1.0 - y_true, target_precision=0.6) is None


@pytest.mark.parametrize("of", ["positive", "negative"])
def test_best_is_the_highest_target_that_can_be_reached(of: str) -> None:
    y_true, y_score = draw(300, seed=3)
    best = describe_best(y_true, y_score, of)
    assert best is not None
    found = find_threshold(y_true, y_score, target_precision=best[0], of=of)
    assert found is not None
    assert (found.precision, found.positive) == best
    assert find_threshold(y_true, y_score, target_precision=best[0] + 1e-9, of=of) is None


def test_coverage_by_hand() -> None:
    y_true, y_score = np.array([1, 1, 0, 0, 0]), np.array([1.0, 0.4, 0.95, 0.1, 0.5])
    assert compute_coverage(y_true, y_score, levels=(0.5, 0.9, 0.99)) == [
        Coverage(0.5, 5, 1.0, 0.4, 1 / 3, 0.5),
        Coverage(0.9, 3, 0.6, 2 / 3, 0.5, 1.0),
        Coverage(0.99, 1, 0.2, 1.0, 1.0, None),
    ]


def test_coverage_at_another_threshold_takes_the_probability_of_the_answer() -> None:
    y_true, y_score = np.array([1, 0]), np.array([0.7, 0.2])
    low, high = compute_coverage(y_true, y_score, threshold=0.8, levels=(0.25, 0.5))
    assert (low.n, low.accuracy) == (2, 0.5)  # 0.7 is below the threshold: negative, with a probability of 0.3
    assert (high.n, high.accuracy, high.positive_precision) == (1, 1.0, None)


def test_coverage_of_no_reviews_and_of_a_level_that_none_reaches() -> None:
    for empty in compute_coverage(np.zeros(0, dtype=np.int64), np.zeros(0)):
        assert empty == Coverage(empty.min_confidence, 0, 0.0, None, None, None)
    (none,) = compute_coverage(np.array([1]), np.array([0.6]), levels=(0.99,))
    assert (none.n, none.share, none.accuracy) == (0, 0.0, None)
