"""What the checks say: where each speaks, that it is silent just beside, and that no two say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from polarity_cli.scoring.assessment import Assessment, Scored, assess
from polarity_cli.scoring.checks import find_checks
from polarity_cli.scoring.circumstances import Circumstances
from polarity_cli.scoring.metrics import compute_metrics
from polarity_cli.scoring.values import Baseline, Check, Interval

NOTHING = 0.693


def make_scored(y_true: Sequence[int], y_score: Sequence[float], **more: Any) -> Scored:
    n = len(y_true)
    values: dict[str, Any] = {"lengths": np.full(n, 10), "max_length": 64, "threshold": 0.5, **more}
    labels, scores = np.asarray(y_true, dtype=np.int64), np.asarray(y_score, dtype=np.float64)
    return Scored(y_true=labels, y_score=scores, texts=[f"text {number}" for number in range(n)], **values)


def make_assessment(scored: Scored, intervals: dict[str, Interval | None] | None = None, **more: Any) -> Assessment:
    """Return what was found of scores, with narrow intervals where none are given."""
    metrics = compute_metrics(scored.y_true, scored.y_score, threshold=scored.threshold)
    values: dict[str, Any] = {"bins": (), "coverage": (), "slices": (), "baselines": (), "n_near": None, "n_compared": 0, **more}
    return Assessment(metrics=metrics, intervals={"f1": (0.90, 0.92), "roc_auc": (0.9, 0.95), **(intervals or {})}, **values)


def find(scored: Scored, assessment: Assessment | None = None, **about: Any) -> dict[str, Check]:
    """Return the checks that speak, by name."""
    checks = find_checks(scored, assessment or make_assessment(scored), Circumstances(**{"split": "test", **about}))
    found = {check.name: check for check in checks}
    assert len(found) == len(checks) or "blank-column" in found
    assert [check.is_warning for check in checks] == sorted((check.is_warning for check in checks), reverse=True)
    for check in checks:
        assert check.message.endswith((".", "?"))
        assert not check.advice or check.advice.endswith((".", "?"))
    return found


GOOD = make_scored([0, 1] * 100, [0.02, 0.98] * 100)
"""Scores that nothing is wrong with."""


def test_good_scores_are_not_spoken_of() -> None:
    assert find(GOOD, n_trained=5000) == {}


def make_baseline(name: str, f1: float, difference: Interval | None) -> Baseline:
    description = {"majority": "always positive", "tf-idf": "TF-IDF with logistic regression"}[name]
    return Baseline(name, description, {"f1_macro": f1, "accuracy": f1}, difference)


def test_scores_that_are_turned_round_are_worse_than_guessing_and_nothing_else() -> None:
    y_true = [0, 1] * 30
    turned = make_scored(y_true, [0.9, 0.1] * 30)
    baselines = (make_baseline("majority", 1 / 3, (-0.4, -0.2)),)
    found = find(turned, make_assessment(turned, {"roc_auc": None}, baselines=baselines))
    assert list(found) == ["below-chance"]
    assert "worse than guessing: ROC AUC 0.000. Are the labels turned round?" in found["below-chance"].message
    assert "--positive-class" in found["below-chance"].advice
    nearly = make_scored(y_true, [0.9, 0.1] * 29 + [0.1, 0.9])
    interval: dict[str, Interval | None] = {"roc_auc": (0.01, 0.12)}
    assert "(0.010 to 0.120)" in find(nearly, make_assessment(nearly, interval))["below-chance"].message
    assert "below-chance" not in find(nearly, make_assessment(nearly, {"roc_auc": (0.2, 0.5)}))


@pytest.mark.parametrize(("n", "speaks"), [(2, False), (4, False), (6, False), (8, True)])
def test_few_reviews_in_the_worst_order_may_be_chance(n: int, speaks: bool) -> None:
    """There are 6 orders of four reviews, 20 of six and 70 of eight, two and two, three and three, four and four."""
    scored = make_scored([0, 1] * (n // 2), [0.6, 0.4] * (n // 2))
    assert ("below-chance" in find(scored, make_assessment(scored, {"roc_auc": None}))) is speaks


def test_many_reviews_in_the_worst_order_are_told_at_once() -> None:
    scored = make_scored([0, 1] * 200_000, [0.6, 0.4] * 200_000)
    assert "below-chance" in find(scored, make_assessment(scored, {"roc_auc": None}))


def test_one_answer_is_told_once() -> None:
    scored = make_scored([0, 1] * 50, [0.49, 0.49] * 50)
    found = find(scored, make_assessment(scored, baselines=(make_baseline("majority", 1 / 3, (0.0, 0.0)),)))
    assert list(found) == ["one-answer"]
    assert found["one-answer"].message.startswith("It answers negative to every review")
    assert "positive to every" in find(make_scored([0, 1] * 50, [0.5, 0.5] * 50))["one-answer"].message
    assert "one-answer" not in find(make_scored([0, 1] * 50, [0.4, 0.6] * 50))
    assert "one-answer" not in find(make_scored([0, 1] * 50, [0.4, 0.6] * 50, threshold=0.55))
    assert "one-answer" in find(make_scored([0, 1] * 50, [0.4, 0.6] * 50, threshold=0.61))


@pytest.mark.parametrize(("n_wrong", "speaks"), [(150, False), (152, True)])
def test_log_loss_above_that_of_knowing_nothing_is_told(n_wrong: int, speaks: bool) -> None:
    """Each is answered with 0.99: the loss is 4.605 for each that is wrong and 0.010 for the others, together 0.699 and 0.709."""
    sure = make_scored([0, 1] * 500, [0.99, 0.01] * (n_wrong // 2) + [0.01, 0.99] * (500 - n_wrong // 2))
    loss = compute_metrics(sure.y_true, sure.y_score)["log_loss"] or 0.0
    assert (loss > NOTHING + 0.01) is speaks, loss
    assert ("log-loss" in find(sure)) is speaks
    if speaks:
        assert f"log loss is {loss:.3f}" in find(sure)["log-loss"].message
        assert "miscalibrated" not in find(sure)  # which is less
    assert "log-loss" not in find(sure, is_weighted=True)


@pytest.mark.parametrize(
    ("own_f1", "difference", "expected"),
    [
        (0.9, (-0.15, -0.01), "worse-than-baseline"),
        (0.9, (-0.1, 0.02), "level-with-baseline"),
        (0.9, None, "worse-than-baseline"),
        (1.1, (-0.01, 0.01), "level-with-baseline"),
        (1.1, (0.01, 0.2), None),
        (1.1, None, None),
    ],
)
def test_a_simple_model_beside_it_is_told(own_f1: float, difference: Interval | None, expected: str | None) -> None:
    """The scores have a macro F1 of 1, divided by `own_f1` the baseline's."""
    baseline = make_baseline("tf-idf", 1 / own_f1, difference)
    found = find(GOOD, make_assessment(GOOD, baselines=(baseline,)))
    assert list(found) == ([expected] if expected else [])
    if expected:
        assert "TF-IDF with logistic regression" in found[expected].message
        assert f"macro F1 1.000 beside {1 / own_f1:.3f}" in found[expected].message
        assert found[expected].is_warning is (expected == "worse-than-baseline")


def test_no_better_than_one_answer_is_a_warning() -> None:
    baseline = make_baseline("majority", 0.99, (-0.02, 0.03))
    found = find(GOOD, make_assessment(GOOD, baselines=(baseline,)))
    assert found["level-with-baseline"].is_warning
    assert "`always positive`" in found["level-with-baseline"].message
    assert "between -0.020 and +0.030" in found["level-with-baseline"].message


def test_wide_interval_says_how_many_reviews_are_needed() -> None:
    found = find(GOOD, make_assessment(GOOD, {"f1": (0.84, 0.92)}))
    assert "200 reviews tell F1 1.000 from 0.84 to 0.92 only; two digits need about 800." in found["small-test-set"].message
    assert "--folds 5" in found["small-test-set"].advice
    assert not found["small-test-set"].is_warning
    assert "small-test-set" not in find(GOOD, make_assessment(GOOD, {"f1": (0.90, 0.9399)}))
    beside = find(GOOD, make_assessment(GOOD, {"f1": (0.84, 0.92)}), split="out of fold", n_trained=50)
    assert "--folds" not in beside["small-test-set"].advice + beside["few-trained"].advice


def test_few_training_reviews_are_told() -> None:
    assert "trained on 199 reviews" in find(GOOD, n_trained=199)["few-trained"].message
    assert "few-trained" not in find(GOOD, n_trained=200)
    assert "few-trained" not in find(GOOD, n_trained=None)


def test_a_rare_class_is_told_and_none_of_it_too() -> None:
    rare = make_scored([0] * 81 + [1] * 19, [0.02] * 81 + [0.98] * 18 + [0.02])
    message = find(rare)["unbalanced"].message
    assert "81% of the reviews are negative" in message
    assert "95% of the positive ones are found" in message
    assert "--class-weights balanced" in find(rare)["unbalanced"].advice
    assert find(rare, is_weighted=True)["unbalanced"].advice == ""
    assert "unbalanced" not in find(make_scored([0] * 80 + [1] * 20, [0.02] * 80 + [0.98] * 20))
    assert "positive: look at" in find(make_scored([1] * 9 + [0], [0.98] * 9 + [0.02]))["unbalanced"].message


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("n", [1, 5, 300])
def test_one_class_is_told_and_nothing_that_follows_from_it(label: int, n: int) -> None:
    scored = make_scored([label] * n, [0.02 + 0.96 * label] * n)
    assessment = assess(scored, None)
    baselines = (make_baseline("majority", 0.5, None), make_baseline("tf-idf", 0.5, (0.0, 0.0)))
    assessment = make_assessment(scored, dict(assessment.intervals), baselines=baselines)
    found = find(scored, assessment)
    name = ("negative", "positive")[label]
    assert found.pop("one-class").message == (
        f"{'The one review is' if n == 1 else f'All {n} reviews are'} {name}: nothing can be said of the other class."
    )
    assert set(found) <= {"small-test-set"}
    if n < 30:
        assert f"{n} review" in found["small-test-set"].message


@pytest.mark.filterwarnings("error")
def test_no_review_has_nothing_to_say() -> None:
    scored = make_scored([], [])
    assert find(scored, assess(scored, None)) == {}


def test_seen_reviews_are_not_told_again_as_near_copies() -> None:
    few = make_assessment(GOOD, n_near=12, n_compared=200)
    found = find(GOOD, few, n_seen=10)
    assert list(found) == ["seen-in-training"]
    assert "10 of 200 reviews stood in the training split" in found["seen-in-training"].message
    found = find(GOOD, few, n_seen=9)
    assert "3 of 200 reviews share 7 in 10 of their word triples" in found["near-copies"].message
    assert list(find(GOOD, few)) == ["near-copies"]
    assert find(GOOD, make_assessment(GOOD, n_near=2, n_compared=200)) == {}
    assert list(find(GOOD, make_assessment(GOOD, n_near=3, n_compared=200), n_seen=200)) == ["seen-in-training"]


@pytest.mark.parametrize(("truncation", "lost"), [("head", "end"), ("tail", "beginning"), ("head-tail", "middle")])
def test_cut_texts_are_told_with_what_they_lose(truncation: str, lost: str) -> None:
    lengths = np.full(200, 10)
    lengths[:11] = 64
    cut = make_scored(GOOD.y_true.tolist(), GOOD.y_score.tolist(), lengths=lengths)
    assert find(cut, truncation=truncation)["cut"].message == (
        f"11 of 200 reviews (6%) are cut at 64 tokens and lose their {lost}."
    )
    lengths = lengths.copy()
    lengths[0] = 63
    assert find(make_scored(GOOD.y_true.tolist(), GOOD.y_score.tolist(), lengths=lengths), truncation=truncation) == {}


def test_blank_columns_and_labels_that_are_left_out_are_told() -> None:
    found = find(GOOD, blank_columns={"title": 0.51, "content": 0.5})
    assert found["blank-column"].message == "The column title is blank in 51% of the rows."
    assert "2,100 of 10,000 rows" in find(GOOD, n_read=10_000, n_neither=2100)["left-out"].message
    assert find(GOOD, n_read=10_000, n_neither=2000) == {}


def test_a_split_that_chose_the_weights_flatters() -> None:
    found = find(GOOD, split="validation", chose_epoch=True)
    assert list(found) == ["chosen-by"]
    assert "The validation split chose the weights" in found["chosen-by"].message


@pytest.mark.parametrize(
    ("sure", "n_wrong", "words"),
    [
        (0.95, 40, "surer than they are right (95% sure, 80% right)"),
        (0.70, 10, "less sure than they could be (70% sure, 95% right)"),
        (0.98, 10, None),
    ],
)
def test_scores_that_are_no_probabilities_are_told(sure: float, n_wrong: int, words: str | None) -> None:
    scored = make_scored(GOOD.y_true.tolist(), [sure, 1 - sure] * (n_wrong // 2) + [1 - sure, sure] * (100 - n_wrong // 2))
    found = find(scored)
    assert ("miscalibrated" in found) is (words is not None)
    if words is not None:
        assert words in found["miscalibrated"].message
        assert "--folds" in found["miscalibrated"].advice
        assert "--folds" not in find(scored, split="out of fold")["miscalibrated"].advice
        assert "miscalibrated" not in find(scored, is_weighted=True)


def test_scores_that_are_off_both_ways_are_not_called_too_sure() -> None:
    """Those of 0.9 and more are right too seldom, those of 0.65 too often; on average they are as sure as they are right."""
    half = 50
    y_true = [1] * 40 + [0] * 10 + [1] * half + [0] * 40 + [1] * 10 + [0] * half
    y_score = [0.98] * half + [0.82] * half + [0.02] * half + [0.18] * half
    scored = make_scored(y_true, y_score)
    assert (compute_metrics(scored.y_true, scored.y_score)["calibration_error"] or 0) > 0.05
    assert "too sure in places, not sure enough in others (90% sure, 90% right)" in find(scored)["miscalibrated"].message


def test_a_calibration_error_of_few_reviews_is_not_told() -> None:
    few = make_scored([0, 1] * 49, ([0.98, 0.02] * 10) + [0.02, 0.98] * 39)
    assert "miscalibrated" not in find(few)
