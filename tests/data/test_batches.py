"""Batches: every review once, filled to the budget, little padding."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polarity_cli.data.batches import MOST, pad, plan_batches, plan_epoch, plan_equal_batches

LENGTHS = st.lists(st.integers(2, 512), min_size=1, max_size=300).map(lambda values: np.array(values, dtype=np.int64))


@given(LENGTHS, st.integers(1, 4000))
def test_plan_covers_every_review_once_within_the_budget(lengths: np.ndarray, budget: int) -> None:
    batches = plan_batches(lengths, budget=budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(len(batch) == 1 or lengths[batch].max() * len(batch) <= budget for batch in batches)


@given(LENGTHS, st.integers(1, 4000))
def test_equal_plan_covers_every_review_once_and_pads_none(lengths: np.ndarray, budget: int) -> None:
    batches = plan_equal_batches(lengths, budget=budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(len(set(lengths[batch])) == 1 for batch in batches)
    assert all(len(batch) == 1 or lengths[batch].sum() <= budget for batch in batches)
    assert plan_equal_batches(lengths[:0], budget=budget) == []


@given(LENGTHS, st.integers(1, 64), st.integers(0, 3))
def test_epoch_covers_every_review_once(lengths: np.ndarray, batch_size: int, epoch: int) -> None:
    batches = plan_epoch(lengths, batch_size=batch_size, seed=1, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert max(map(len, batches)) <= MOST * batch_size


def make_lengths() -> np.ndarray:
    return np.random.default_rng(0).lognormal(4.7, 0.8, 5000).clip(8, 512).astype(np.int64)


def test_epoch_has_about_as_many_steps_as_the_batch_size_says() -> None:
    assert len(plan_epoch(make_lengths(), batch_size=16, seed=0, epoch=1)) == pytest.approx(5000 / 16, rel=0.08)


def test_batches_of_like_length_carry_little_padding() -> None:
    lengths = make_lengths()
    batches = plan_epoch(lengths, batch_size=16, seed=0, epoch=1)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded / lengths.sum() < 1.06


@pytest.mark.parametrize(("n_processes", "most"), [(1, 1.0), (2, 1.01), (4, 1.08), (8, 1.26)])
def test_processes_share_batches_evenly(n_processes: int, most: float) -> None:
    lengths = make_lengths()
    batches = plan_epoch(lengths, batch_size=16, seed=0, epoch=1)
    work = [(len(batch), lengths[batch].max()) for batch in batches]
    slowest = sum(math.ceil(n / n_processes) * length for n, length in work)
    assert slowest * n_processes <= most * sum(n * length for n, length in work)


def test_order_changes_with_seed_and_epoch_alone() -> None:
    def plan(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in plan_epoch(make_lengths(), batch_size=16, seed=seed, epoch=epoch)]

    assert plan(0, 1) == plan(0, 1)
    assert plan(0, 1) != plan(0, 2)
    assert plan(0, 1) != plan(1, 1)


def test_padding_goes_to_the_right_and_is_masked() -> None:
    ids, mask = pad([np.array([5, 6, 7], np.int32), np.array([8], np.int32)], pad_id=9)
    assert ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
