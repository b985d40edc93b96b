"""Baselines: what they say where there are words, characters or neither, many rows or one, and one class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polarity_cli.scoring import baselines
from polarity_cli.scoring.baselines import FittedBaseline, describe_baselines, score_baselines
from polarity_cli.scoring.metrics import compute_metrics
from tests.helpers.reviews import make_reviews


def fit_tf_idf(texts: list[str], labels: list[int], test_texts: list[str]) -> FittedBaseline:
    found = score_baselines(texts, np.array(labels), test_texts)
    assert found.left_out == ""
    assert [one.name for one in found.fitted] == ["majority", "tf-idf"]
    return found.fitted[1]


def test_majority_answers_with_the_share_of_positive_training_rows() -> None:
    majority = score_baselines(["good one", "good two", "bad three"], np.array([1, 1, 0]), ["a", "b"]).fitted[0]
    assert majority.y_score.tolist() == [2 / 3, 2 / 3]
    assert (majority.name, majority.description, majority.n_rows) == ("majority", "always positive", 3)
    majority = score_baselines(["good one", "bad two", "bad three"], np.array([1, 0, 0]), ["a"]).fitted[0]
    assert majority.description == "always negative"


def test_tf_idf_learns_words_from_the_training_rows() -> None:
    tf_idf = fit_tf_idf(["good fine", "bad poor"] * 100, [1, 0] * 100, ["good", "poor", "what else"])
    assert tf_idf.y_score[0] > 0.8
    assert tf_idf.y_score[1] < 0.2
    assert tf_idf.y_score[2] == pytest.approx(0.5, abs=0.01)
    assert tf_idf.description == "TF-IDF with logistic regression"


def test_tf_idf_takes_pairs_of_words() -> None:
    texts = ["not good", "good", "not bad", "bad"] * 50
    tf_idf = fit_tf_idf(texts, [0, 1, 1, 0] * 50, texts[:4])
    assert (tf_idf.y_score >= 0.5).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("good", "bad"),
    [("😀👍", "😡👎"), ("+ + +", "- - -"), ("这本书很好、我喜欢", "这本书很差、不喜欢")],
    ids=["emoji", "signs", "chinese"],
)
def test_texts_without_words_are_read_by_characters(good: str, bad: str) -> None:
    texts = [f"{chr(0x4E00 + number)}{text}{chr(0x4E00 + number)}" for number in range(100) for text in (good, bad)]
    tf_idf = fit_tf_idf(texts, [1, 0] * 100, [good, bad])
    assert tf_idf.y_score[0] > 0.5 > tf_idf.y_score[1]
    assert tf_idf.description.startswith("TF-IDF of characters")


def test_stop_words_and_single_letters_do_not_crash() -> None:
    for texts in (["the", "of"], ["a", "b"], ["x", "x"]):
        assert len(fit_tf_idf(texts * 60, [1, 0] * 60, ["the", "a", ""]).y_score) == 3


def test_blank_training_texts_leave_tf_idf_out_with_a_reason() -> None:
    found = score_baselines(["", ""], np.array([0, 1]), ["good"])
    assert [one.name for one in found.fitted] == ["majority"]
    assert "no words or characters" in found.left_out


def test_one_class_in_training_leaves_the_majority_alone() -> None:
    for label in (0, 1):
        found = score_baselines(["good one", "bad two"], np.array([label, label]), ["good"])
        assert [one.name for one in found.fitted] == ["majority"]
        assert found.fitted[0].y_score.tolist() == [float(label)]
        assert "one class" in found.left_out


def test_no_training_rows_give_no_baseline() -> None:
    found = score_baselines([], np.zeros(0, dtype=np.int64), ["good"])
    assert found.fitted == ()
    assert found.left_out


def test_two_training_rows_and_no_test_texts_are_enough() -> None:
    tf_idf = fit_tf_idf(["good", "bad"], [1, 0], [])
    assert tf_idf.y_score.shape == (0,)
    assert describe_baselines([tf_idf], np.zeros(0, dtype=np.int64))[0].metrics["f1"] is None


def test_many_rows_are_sampled_by_class_with_a_seed_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_ROWS", 100)
    texts, labels = ["good fine"] + ["bad poor"] * 999, [1] + [0] * 999
    first, second = (fit_tf_idf(texts, labels, ["good", "bad"]) for _ in range(2))
    assert first.y_score[0] > first.y_score[1]  # the one positive row is in the sample
    assert first.y_score.tolist() == second.y_score.tolist()
    assert first.n_rows == 101
    assert first.description.endswith("on 101 of 1,000 training rows")


def test_test_texts_in_blocks_are_scored_as_together(monkeypatch: pytest.MonkeyPatch) -> None:
    reviews = make_reviews(60)
    texts, labels = [text for _, _, text in reviews], [int(label == "positive") for label, _, _ in reviews]
    whole = fit_tf_idf(texts, labels, texts).y_score
    monkeypatch.setattr(baselines, "_BLOCK", 7)
    assert fit_tf_idf(texts, labels, texts).y_score.tolist() == pytest.approx(whole.tolist(), abs=1e-6)


def test_description_has_the_metrics_of_the_scores() -> None:
    y_true = np.array([1, 0, 0])
    fitted = score_baselines(["good", "bad", "bad"], y_true, ["good", "bad", "good"]).fitted
    described = describe_baselines(fitted, y_true)
    assert [(one.name, one.difference) for one in described] == [("majority", None), ("tf-idf", None)]
    assert described[1].metrics == compute_metrics(y_true, fitted[1].y_score)
    assert described[0].metrics["accuracy"] == pytest.approx(2 / 3)


def test_real_reviews_reach_the_known_figure(amazon_reviews: Path) -> None:
    import pyarrow.parquet as pq

    train, test = (pq.read_table(amazon_reviews / f"{name}.parquet").to_pydict() for name in ("train", "test"))
    y_true = np.array(test["label"])
    found = score_baselines(train["content"], np.array(train["label"]), test["content"])
    metrics = describe_baselines(found.fitted, y_true)[1].metrics
    assert metrics["f1"] == pytest.approx(0.855, abs=0.015)
