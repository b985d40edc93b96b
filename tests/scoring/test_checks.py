"""Checks: each speaks where it should, with what to do, and is silent just beside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from polarity_cli.scoring.assessment import Assessment, Scored, TrainingRows, assess
from polarity_cli.scoring.checks import find_checks
from polarity_cli.scoring.circumstances import Circumstances
from polarity_cli.scoring.values import Check

ABOUT = Circumstances(split="test")


def make_scored(n: int = 4000, *, right: float = 0.95, positive: float = 0.5, seed: int = 0, **more: Any) -> Scored:
    """Return reviews of which a share is answered rightly, with a score that says how sure one may be."""
    random = np.random.default_rng(seed)
    y_true = (random.random(n) < positive).astype(np.int64)
    is_right = random.random(n) < right
    y_score = np.where(y_true == is_right, right, 1 - right) + random.uniform(-0.01, 0.01, n)
    given = {"threshold": 0.5, "texts": [f"text {i}" for i in range(n)], "lengths": np.full(n, 20), "max_length": 128, **more}
    return Scored(y_true=y_true, y_score=y_score, **given)


def name_checks(scored: Scored, *, training: TrainingRows | None = None, **about: Any) -> dict[str, Check]:
    found = find_checks(scored, assess(scored, training), replace(ABOUT, **about))
    assert len({check.name for check in found}) == len(found) or training is not None
    return {check.name: check for check in found}


def test_good_model_on_many_reviews_has_nothing_to_say() -> None:
    assert not name_checks(make_scored())


def test_few_reviews_cannot_tell_two_digits() -> None:
    check = name_checks(make_scored(200))["small-test-set"]
    assert check.message.startswith("200 reviews tell F1 0.9")
    assert "--folds 5" in check.advice
    assert not check.is_warning
    assert "--folds" not in name_checks(make_scored(200), split="out of fold")["small-test-set"].advice


def test_labels_turned_round_are_asked_about() -> None:
    scored = make_scored()
    check = name_checks(replace(scored, y_score=1 - scored.y_score))["below-chance"]
    assert check.is_warning
    assert "turned round?" in check.message


def test_one_answer_to_everything_is_said_once() -> None:
    scored = make_scored()
    rows = TrainingRows(texts=scored.texts, labels=scored.y_true)
    found = name_checks(replace(scored, y_score=np.full(4000, 0.6)), training=rows)
    assert "It answers positive to every review" in found["one-answer"].message
    assert not any("always" in check.message for check in found.values())


def test_scores_that_diverged_are_worth_nothing() -> None:
    scored = make_scored(right=0.6)
    sure = replace(scored, y_score=np.where(scored.y_score > 0.5, 1 - 1e-9, 1e-9))
    assert name_checks(sure)["log-loss"].is_warning
    assert "log-loss" not in name_checks(sure, is_weighted=True)


@pytest.mark.parametrize(("positive", "rare"), [(0.93, "negative"), (0.07, "positive")])
def test_rare_class_is_named(positive: float, rare: str) -> None:
    check = name_checks(make_scored(positive=positive))["unbalanced"]
    assert f"look at macro F1 and at the {rare} class" in check.message
    assert "--class-weights balanced" in check.advice
    assert not name_checks(make_scored(positive=positive), is_weighted=True)["unbalanced"].advice
    assert "unbalanced" not in name_checks(make_scored(positive=0.75))


def test_one_class_alone_is_said() -> None:
    assert "nothing can be said of the other class" in name_checks(make_scored(positive=0.0))["one-class"].message


def test_model_worse_than_words_alone_is_a_warning() -> None:
    random = np.random.default_rng(1)
    y_true = random.integers(0, 2, 600)
    texts = [f"{('awful', 'great')[label]} thing number {index}" for index, label in enumerate(y_true)]
    scored = make_scored(600, right=0.7, texts=texts)
    scored = replace(scored, y_true=y_true, y_score=np.where(random.random(600) < 0.7, y_true, 1 - y_true) * 0.4 + 0.3)
    rows = TrainingRows(texts=texts[:300] * 2, labels=np.concatenate([y_true[:300]] * 2))
    found = name_checks(scored, training=rows)
    assert found["worse-than-baseline"].is_warning
    assert "TF-IDF" in found["worse-than-baseline"].message


def test_copies_of_training_reviews_are_counted() -> None:
    assert (
        "12 of the 4,000 reviews stood in the training split" in name_checks(make_scored(), n_seen=12)["seen-in-training"].message
    )
    scored = make_scored(60, texts=[f"this is the very same long review about thing {i} again" for i in range(60)])
    rows = TrainingRows(texts=[f"{text} indeed" for text in scored.texts], labels=scored.y_true)
    assert "60 of 60 reviews share" in name_checks(scored, training=rows)["near-copies"].message


@pytest.mark.parametrize(("truncation", "lost"), [("head", "end"), ("tail", "beginning"), ("head-tail", "middle")])
def test_cut_texts_are_counted(truncation: str, lost: str) -> None:
    lengths = np.where(np.arange(4000) % 10 == 0, 128, 20)
    check = name_checks(make_scored(lengths=lengths), truncation=truncation)["cut"]
    assert check.message == f"400 of 4,000 reviews (10%) are cut at 128 tokens and lose their {lost}."
    assert "cut" not in name_checks(make_scored(lengths=np.where(np.arange(4000) % 40 == 0, 128, 20)))


@pytest.mark.parametrize(
    ("about", "name", "phrase"),
    [
        ({"blank_columns": {"title": 0.8}}, "blank-column", "The column title is blank in 80% of the rows."),
        ({"n_read": 100, "n_neither": 40}, "left-out", "The labels leave out 40 of 100 rows"),
        ({"chose_epoch": True, "split": "validation"}, "chosen-by", "The validation split chose the weights"),
        ({"n_trained": 8}, "few-trained", "It was trained on 8 reviews."),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else None,
)
def test_circumstances_are_said(about: dict[str, Any], name: str, phrase: str) -> None:
    assert phrase in name_checks(make_scored(), **about)[name].message


@pytest.mark.parametrize(
    "about",
    [{"blank_columns": {"title": 0.4}}, {"n_read": 100, "n_neither": 15}, {"n_trained": 5000}],
    ids=lambda about: next(iter(about)),
)
def test_usual_circumstances_are_not(about: dict[str, Any]) -> None:
    assert not name_checks(make_scored(), **about)


def test_scores_surer_than_right_are_said() -> None:
    scored = make_scored(right=0.8)
    sure = replace(scored, y_score=np.where(scored.y_score > 0.5, 0.97, 0.03))
    assert "surer than they are right (97% sure, " in name_checks(sure)["miscalibrated"].message


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_review_gives_a_clear_answer(n: int) -> None:
    scored = make_scored(n, seed=3)
    assessment = assess(scored, None)
    assert isinstance(assessment, Assessment)
    for check in find_checks(scored, assessment, ABOUT):
        assert "nan" not in check.message
