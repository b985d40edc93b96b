"""Splits: seeded, stratified, and no review's copies on two sides."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polarity_cli.data.splits import review_key, split_reviews
from polarity_cli.errors import DataError
from polarity_cli.records import Review

FRACTIONS = {"test": 0.2, "validation": 0.1}


def make(n_rows: int, share_positive: float = 0.5) -> list[Review]:
    return [Review(f"review number {i}", int(i < share_positive * n_rows), f"r:{i}") for i in range(n_rows)]


def split(reviews: list[Review], seed: int = 42) -> dict[str, list[Review]]:
    return split_reviews(reviews, fractions=FRACTIONS, seed=seed, rest="train")


@pytest.mark.parametrize("share", [0.5, 0.3, 0.9])
def test_each_split_has_its_share_of_each_label(share: float) -> None:
    splits = split(make(1000, share))
    for name, fraction in {"train": 0.7, **FRACTIONS}.items():
        positive = sum(review.label for review in splits[name])
        assert positive == round(fraction * 1000 * share)
        assert len(splits[name]) - positive == round(fraction * 1000 * (1 - share))


def test_same_seed_gives_the_same_splits_and_another_seed_others() -> None:
    reviews = make(300)
    assert split(reviews) == split(reviews)
    assert split(reviews)["test"] != split(reviews, seed=43)["test"]


def test_split_does_not_depend_on_the_order_of_the_file() -> None:
    reviews = make(300)
    shuffled = random.Random(1).sample(reviews, len(reviews))
    assert set(split(reviews)["test"]) == set(split(shuffled)["test"])


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.booleans()), min_size=40, max_size=200), st.integers(0, 5))
def test_every_review_is_in_one_split_and_its_copies_with_it(rows: list[tuple[int, bool, bool]], seed: int) -> None:
    reviews = [
        Review(f"Review {'Number' if shout else 'number'} {i}!{'!' * shout}", int(label), f"r:{place}")
        for place, (i, label, shout) in enumerate(rows)
    ]
    reviews += [Review(f"filler {i}", i % 2, f"f:{i}") for i in range(12)]
    splits = split(reviews, seed)
    assert sorted(r.where for members in splits.values() for r in members) == sorted(r.where for r in reviews)
    homes: dict[bytes, str] = {}
    for name, members in splits.items():
        for review in members:
            assert homes.setdefault(review_key(review.text), name) == name


def test_no_split_is_left_empty_of_a_label() -> None:
    splits = split(make(8))
    assert all({review.label for review in members} == {0, 1} for members in splits.values())


def test_too_few_reviews_are_refused() -> None:
    with pytest.raises(DataError, match="2 different negative reviews cannot be split into train, test, validation"):
        split(make(4))


def test_split_without_share_stays_empty() -> None:
    splits = split_reviews(make(10), fractions={"test": 0.0, "validation": 0.0}, seed=1, rest="train")
    assert [len(splits[name]) for name in ("train", "test", "validation")] == [10, 0, 0]


def test_copies_are_known_by_letters_and_digits() -> None:
    assert review_key("Great: a BOOK!") == review_key("great a book")
    assert review_key("great") != review_key("grate")
    assert review_key("!!!") != review_key("???")
