"""Slices: counted by hand, tested against the others of their group, and few are called worse."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import stats

from polarity_cli.scoring.slices import compute_slices, divide_by_length


def test_slice_is_counted_by_hand() -> None:
    y_true = np.array([1, 1, 0, 0, 1, 0])
    y_score = np.array([0.9, 0.2, 0.8, 0.1, 0.7, 0.3])
    first, second = compute_slices(y_true, y_score, {"title": ["yes", "yes", "yes", "yes", "no", "no"]})
    assert (first.group, first.name, first.n, first.n_positive, first.accuracy, first.f1) == ("title", "yes", 4, 2, 0.5, 0.5)
    assert first.interval == pytest.approx(tuple(stats.binomtest(2, 4).proportion_ci(method="exact")))
    assert (second.name, second.n, second.n_positive, second.accuracy, second.f1) == ("no", 2, 1, 1.0, 1.0)
    assert not first.is_worse  # four reviews


def test_threshold_says_what_is_positive() -> None:
    y_true, y_score = np.array([1, 0]), np.array([0.3, 0.2])
    assert [part.accuracy for part in compute_slices(y_true, y_score, {"a": ["x", "y"]}, threshold=0.3)] == [1.0, 1.0]
    assert [part.accuracy for part in compute_slices(y_true, y_score, {"a": ["x", "y"]})] == [0.0, 1.0]


def make_reviews(wrong: dict[str, tuple[int, int]]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return positive reviews in slices of which so many of so many are answered wrongly."""
    y_score = np.concatenate([np.repeat([0.1, 0.9], [part, n - part]) for part, n in wrong.values()])
    return np.ones(len(y_score), np.int64), y_score, [name for name, (_, n) in wrong.items() for _ in range(n)]


def test_p_values_are_fishers_times_holms() -> None:
    y_true, y_score, names = make_reviews({"a": (5, 100), "b": (18, 60), "c": (6, 40)})
    found = {part.name: part for part in compute_slices(y_true, y_score, {"shop": names})}
    alone = {
        "a": stats.fisher_exact([[95, 5], [76, 24]]).pvalue,
        "b": stats.fisher_exact([[42, 18], [129, 11]]).pvalue,
        "c": stats.fisher_exact([[34, 6], [137, 23]]).pvalue,
    }
    assert sorted(alone, key=alone.__getitem__) == ["b", "a", "c"]
    assert found["b"].p_value == pytest.approx(3 * alone["b"])
    assert found["a"].p_value == pytest.approx(2 * alone["a"])
    assert found["c"].p_value == pytest.approx(alone["c"])
    # The best one differs too, but not for the worse.
    assert {name: part.is_worse for name, part in found.items()} == {"a": False, "b": True, "c": False}
    assert found["a"].p_value < 0.05


def test_more_slices_make_each_less_certain() -> None:
    y_true, y_score, names = make_reviews({"a": (10, 100), "b": (12, 40)})
    assert any(part.is_worse for part in compute_slices(y_true, y_score, {"shop": names}))
    others = {f"noise {number}": [str(place % 5) for place in range(number, 140 + number)] for number in range(12)}
    assert not any(part.is_worse for part in compute_slices(y_true, y_score, {"shop": names, **others}))


def test_slices_of_chance_are_seldom_called_worse() -> None:
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(60):
        y_true, y_score = generator.integers(0, 2, 300), generator.random(300)
        groups = {str(group): [str(name) for name in generator.integers(0, 5, 300)] for group in range(4)}
        found += any(part.is_worse for part in compute_slices(y_true, y_score, groups))
    assert found <= 6  # 3 in 60 would be 5%, and exact tests keep below


def test_group_of_one_slice_is_left_out() -> None:
    y_true, y_score = np.array([1, 0]), np.array([0.9, 0.1])
    assert compute_slices(y_true, y_score, {"language": ["en", "en"]}) == []
    assert [part.group for part in compute_slices(y_true, y_score, {"language": ["en", "en"], "shop": ["a", "b"]})] == [
        "shop"
    ] * 2


def test_no_reviews_and_no_groups_have_no_slices() -> None:
    assert compute_slices(np.array([], np.int64), np.array([]), {"shop": []}) == []
    assert compute_slices(np.array([1]), np.array([0.5]), {"shop": ["a"]}) == []
    assert compute_slices(np.array([1]), np.array([0.5]), {}) == []


def test_blank_names_are_one_slice() -> None:
    found = compute_slices(np.ones(4, np.int64), np.full(4, 0.9), {"shop": ["", "a", " ", "a"]})
    assert {part.name: part.n for part in found} == {"a": 2, "(empty)": 2}


def test_values_beyond_the_twenty_largest_are_one_slice_and_last() -> None:
    names = [f"shop {number}" for number in range(25) for _ in range(30 - number)]
    found = compute_slices(np.ones(len(names), np.int64), np.full(len(names), 0.9), {"shop": names})
    assert [part.name for part in found] == [*(f"shop {number}" for number in range(20)), "other"]
    assert found[-1].n == sum(30 - number for number in range(20, 25))
    assert sum(part.n for part in found) == len(names)


def test_a_value_called_other_joins_the_others() -> None:
    names = ["other"] * 50 + [f"shop {number}" for number in range(25) for _ in range(2)]
    found = compute_slices(np.ones(len(names), np.int64), np.full(len(names), 0.9), {"shop": names})
    assert [part.name for part in found].count("other") == 1
    assert (found[-1].name, found[-1].n) == ("other", 50 + 2 * 6)


def test_numbered_slices_stand_in_their_order() -> None:
    names = ["10-40 tokens"] * 3 + ["2-9 tokens"] * 2 + ["41-300 tokens"] * 4 + [""]
    found = compute_slices(np.ones(10, np.int64), np.full(10, 0.9), {"length": names})
    assert [part.name for part in found] == ["2-9 tokens", "10-40 tokens", "41-300 tokens", "(empty)"]
    named = compute_slices(np.ones(3, np.int64), np.full(3, 0.9), {"shop": ["10 cents", "bazaar", "bazaar"]})
    assert [part.name for part in named] == ["bazaar", "10 cents"]


def test_slice_without_anything_positive_has_no_f1() -> None:
    right, wrong = compute_slices(np.array([0, 0, 0]), np.array([0.1, 0.2, 0.9]), {"shop": ["a", "a", "b"]})
    assert (right.accuracy, right.f1) == (1.0, None)
    assert (wrong.accuracy, wrong.f1) == (0.0, 0.0)


def test_everything_right_is_nowhere_worse() -> None:
    y_true = np.arange(100) % 2
    found = compute_slices(y_true, y_true.astype(np.float64), {"shop": ["a", "b"] * 50})
    assert [(part.accuracy, part.p_value, part.is_worse) for part in found] == [(1.0, 1.0, False)] * 2


def test_group_with_too_few_names_is_refused() -> None:
    with pytest.raises(ValueError, match="group shop: 1 names"):
        compute_slices(np.array([1, 0]), np.array([0.9, 0.1]), {"shop": ["a"]})


def test_lengths_are_divided_into_quarters() -> None:
    names = divide_by_length(list(range(8, 108)))
    assert list(dict.fromkeys(names)) == ["8-32 tokens", "33-57 tokens", "58-82 tokens", "83-107 tokens"]
    assert [names.count(name) for name in dict.fromkeys(names)] == [25] * 4
    shuffled = np.random.default_rng(0).permutation(100)
    assert divide_by_length(np.arange(8, 108)[shuffled]) == [names[number] for number in shuffled]


@pytest.mark.parametrize(
    ("lengths", "names"),
    [
        ([], []),
        ([1], ["1 token"]),
        ([5, 5, 5], ["5 tokens"] * 3),
        ([3, 9], ["3 tokens", "9 tokens"]),
        ([512] * 9 + [7], ["512 tokens"] * 9 + ["7 tokens"]),
        ([7] * 9 + [512], ["7 tokens"] * 9 + ["512 tokens"]),
        ([9, 9, 9, 9, 1, 2, 3], ["9 tokens"] * 4 + ["1-2 tokens"] * 2 + ["3 tokens"]),
        ([0, 1, 2, 2, 2, 2, 2, 9], ["0-1 tokens"] * 2 + ["2 tokens"] * 5 + ["9 tokens"]),
    ],
)
def test_equal_lengths_make_fewer_slices(lengths: list[int], names: list[str]) -> None:
    assert divide_by_length(lengths) == names


def test_400_000_reviews_take_few_seconds() -> None:
    generator = np.random.default_rng(1)
    y_true = generator.integers(0, 2, 400_000)
    lengths = generator.integers(1, 300, 400_000)
    groups = {"length": divide_by_length(lengths), "product": [str(number) for number in generator.integers(0, 50_000, 400_000)]}
    start = time.perf_counter()
    assert len(compute_slices(y_true, generator.random(400_000), groups)) == 4 + 21
    assert time.perf_counter() - start < 5
