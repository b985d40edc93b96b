"""Folds: every review in one, copies together, both labels in each, and the same wherever a review stands."""

from __future__ import annotations

import numpy as np
import pytest

from polarity_cli.data.folds import divide_into_folds
from polarity_cli.errors import DataError

TEXTS = [f"review number {number}" for number in range(200)]
LABELS = np.array([number % 4 == 0 for number in range(200)], dtype=np.int64)


def test_folds_are_of_one_size_and_hold_each_label_alike() -> None:
    folds = divide_into_folds(TEXTS, LABELS, n_folds=5, seed=1)
    assert np.bincount(folds).tolist() == [40] * 5
    assert [int(LABELS[folds == fold].sum()) for fold in range(5)] == [10] * 5


def test_copies_of_a_review_share_a_fold_whatever_their_case() -> None:
    texts = [*TEXTS, *(text.upper() + "!" for text in TEXTS)]
    folds = divide_into_folds(texts, np.concatenate([LABELS, LABELS]), n_folds=4, seed=1)
    assert np.array_equal(folds[:200], folds[200:])
    assert np.bincount(folds).tolist() == [100] * 4


def test_fold_of_a_review_does_not_depend_on_its_place() -> None:
    order = np.random.default_rng(0).permutation(200)
    folds = divide_into_folds(TEXTS, LABELS, n_folds=5, seed=1)
    moved = divide_into_folds([TEXTS[index] for index in order], LABELS[order], n_folds=5, seed=1)
    assert np.array_equal(moved, folds[order])
    assert not np.array_equal(folds, divide_into_folds(TEXTS, LABELS, n_folds=5, seed=2))


def test_label_with_fewer_reviews_than_folds_is_refused() -> None:
    with pytest.raises(DataError, match="3 different positive reviews cannot be divided into 5 folds") as raised:
        divide_into_folds(TEXTS[:10], np.array([1, 1, 1, *[0] * 7]), n_folds=5, seed=1)
    assert raised.value.hint == "Add reviews, or give --folds 3."
