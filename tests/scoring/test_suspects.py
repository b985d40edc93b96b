"""Suspects: labels turned round on purpose are found, and nothing else happens."""

from __future__ import annotations

import multiprocessing
import warnings
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray

from polarity_cli.scoring.suspects import find_suspects


def draw(n: int, *, n_flipped: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64], set[int]]:
    """Return labels, scores of a good model, and which labels were turned round."""
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 2, n)
    y_score = np.where(y_true == 1, rng.uniform(0.55, 1, n), rng.uniform(0, 0.45, n))
    flipped = rng.choice(n, n_flipped, replace=False)
    y_true[flipped] = 1 - y_true[flipped]
    return y_true, y_score, set(flipped.tolist())


def test_labels_turned_round_are_found_with_the_most_suspicious_first() -> None:
    y_true, y_score, flipped = draw(500, n_flipped=40)
    found = find_suspects(y_true, y_score)
    assert len({index for index, _ in found} & flipped) >= 30
    assert {index for index, _ in found[:20]} <= flipped
    assert [quality for _, quality in found] == sorted(quality for _, quality in found)
    for index, quality in found:
        assert quality == pytest.approx(y_score[index] if y_true[index] else 1 - y_score[index])


def test_labels_that_a_model_agrees_with_are_not_suspicious() -> None:
    y_true, y_score, _ = draw(300)
    assert find_suspects(y_true, y_score) == []


def test_one_wrong_label_among_sure_scores_is_named() -> None:
    y_true = np.array([0] * 50 + [1] * 50)
    y_score = y_true.astype(np.float64)
    y_true[7] = 1
    assert find_suspects(y_true, y_score) == [(7, 0.0)]


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        ([], []),
        ([1], [0.1]),
        ([0, 1], [0.1, 0.9]),
        ([0, 1], [0.5, 0.5]),
        ([1] * 30, [0.1] * 30),
        ([0] * 30, [0.9] * 30),
        ([0, 1] * 30, [0.5] * 60),
    ],
    ids=["empty", "one", "two", "two equal", "all positive", "all negative", "all scores equal"],
)
def test_inputs_that_tell_nothing_have_no_suspects(labels: list[int], scores: list[float]) -> None:
    assert find_suspects(np.array(labels, dtype=np.int64), np.array(scores, dtype=np.float64)) == []


def test_scores_turned_round_do_not_crash() -> None:
    for n in (1, 5, 100):
        found = find_suspects(np.array([0, 1] * n), np.array([1.0, 0.0] * n))
        assert len(found) <= 2 * n


def test_it_is_silent_and_starts_no_process(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise AssertionError("a process was started")

    monkeypatch.setattr(multiprocessing, "Pool", refuse)
    monkeypatch.setattr("os.fork", refuse)
    y_true, y_score, _ = draw(500, n_flipped=40)
    y_few = np.zeros(500, dtype=np.int64)
    y_few[3] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_suspects(y_true, y_score)
        find_suspects(y_few, y_score)
        find_suspects(np.array([0, 1]), np.array([0.9, 0.1]))
    assert capfd.readouterr() == ("", "")


def test_half_of_the_labels_turned_round_in_real_reviews_are_among_the_first(amazon_reviews: Path) -> None:
    import pyarrow.parquet as pq
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    rows = pq.read_table(amazon_reviews / "train.parquet").to_pydict()
    y_true = np.array(rows["label"], dtype=np.int64)
    flipped = np.random.default_rng(0).choice(len(y_true), 200, replace=False)
    y_true[flipped] = 1 - y_true[flipped]
    # The vocabulary is that of all folds: it knows no labels, and this is three times as fast.
    features = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(rows["content"])
    y_score = cross_val_predict(LogisticRegression(), features, y_true, cv=5, method="predict_proba")[:, 1]
    first = [index for index, _ in find_suspects(y_true, y_score)[:400]]
    assert len(set(first) & set(flipped.tolist())) >= 100
