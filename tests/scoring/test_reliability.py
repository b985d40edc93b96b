"""Bins of like scores: as many reviews each, never one score in two, and few enough to say something."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from polarity_cli.scoring.reliability import make_bins


def test_bin_holds_its_bounds_mean_and_share() -> None:
    (found,) = make_bins(np.array([0, 1, 1, 0]), np.array([0.4, 0.8, 0.6, 0.2]))
    assert (found.low, found.high, found.n) == (0.2, 0.8, 4)
    assert found.mean_score == pytest.approx(0.5)
    assert found.share_positive == 0.5


@pytest.mark.parametrize(("n", "n_bins"), [(0, 0), (1, 1), (39, 1), (40, 2), (290, 14), (300, 15), (40_000, 15)])
def test_bins_are_up_to_fifteen_of_twenty_reviews_or_more(n: int, n_bins: int) -> None:
    generator = np.random.default_rng(0)
    bins = make_bins(generator.integers(0, 2, n), generator.random(n))
    assert len(bins) == n_bins
    assert sum(part.n for part in bins) == n
    assert not bins or max(part.n for part in bins) - min(part.n for part in bins) <= max(1, n_bins)
    assert n < 20 or min(part.n for part in bins) >= 20


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.04, 0.9, 0.06), (0.9, 0.02, 0.08), (1.0,)])
def test_reviews_of_one_score_are_in_one_bin(shares: tuple[float, ...]) -> None:
    counts = (np.array(shares) * 500).round().astype(int)
    y_score = np.repeat(np.linspace(0, 1, len(counts)), counts)
    bins = make_bins((np.arange(500) % 2).astype(np.int64), y_score)
    assert sum(part.n for part in bins) == 500
    assert all(before.high < after.low for before, after in pairwise(bins))
    assert min(part.n for part in bins) >= 20


def test_order_of_the_reviews_does_not_matter() -> None:
    generator = np.random.default_rng(1)
    y_true, y_score = generator.integers(0, 2, 200), generator.random(200).round(1)
    shuffled = generator.permutation(200)
    for one, other in zip(make_bins(y_true, y_score), make_bins(y_true[shuffled], y_score[shuffled]), strict=True):
        assert (one.low, one.high, one.n) == (other.low, other.high, other.n)
        assert (one.mean_score, one.share_positive) == pytest.approx((other.mean_score, other.share_positive))
