"""Hidden states become uint8 and weights int8 so that products neither saturate nor lose more than a few steps."""

from __future__ import annotations

import numpy as np
import pytest

from polarity_cli.export.calibrate import InputRange
from polarity_cli.export.scales import LEVELS, Floats, SharedScale, TokenScales, choose_scales, quantize_weights

N, K, OUT = 600, 64, 48


def find_range(rows: Floats) -> InputRange:
    return InputRange(rows.min(0), rows.max(0), rows, n_tokens=20)


def make_rows(spread: float = 0.0, large: float = 1.0, seed: int = 0) -> Floats:
    """Return hidden states whose tokens differ by a factor of up to `exp(spread)`, with two channels `large` times larger."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(N, K)) * np.exp(generator.uniform(0, spread, (N, 1)))
    rows[:, [5, 40]] *= large
    return rows.astype(np.float32)


def make_matrix() -> Floats:
    return np.random.default_rng(1).normal(size=(K, OUT)).astype(np.float32)


def multiply(rows: Floats, matrix: Floats, ranges: SharedScale | TokenScales) -> tuple[Floats, int]:
    """Return a product as the integers make it, and the largest sum of two neighbours."""
    factors = ranges.factors if isinstance(ranges, SharedScale) else ranges.mask
    weights, steps = quantize_weights(matrix * factors[:, None], ranges.most)
    if isinstance(ranges, SharedScale):
        small, scale = rows / ranges.factors, np.full((len(rows), 1), ranges.scale)
        rest: Floats = np.zeros(1, np.float32)
    else:
        small = rows * ranges.mask
        low = small.min(1, keepdims=True) if ranges.least is None else ranges.least
        scale = np.maximum(small.max(1, keepdims=True) / (LEVELS - ranges.zero), -low / ranges.zero)
        rest = rows[:, ranges.apart] @ matrix[ranges.apart]
    values = np.clip(np.round(small / scale) + ranges.zero, 0, LEVELS).astype(int)
    sums = values[:, :, None] * weights.astype(int)
    found = ((values - ranges.zero) @ weights.astype(int)) * scale * steps + rest
    return found.astype(np.float32), int(np.abs(sums[:, ::2] + sums[:, 1::2]).max())


@pytest.mark.parametrize("spread", [0.0, 3.0])
@pytest.mark.parametrize("large", [1.0, 30.0])
def test_products_come_out_and_never_saturate(spread: float, large: float) -> None:
    rows, matrix = make_rows(spread, large), make_matrix()
    ranges = choose_scales(find_range(rows), matrix)
    unseen = make_rows(spread, large, seed=2)
    expected = unseen @ matrix
    found, largest_sum = multiply(unseen, matrix, ranges)
    assert np.sqrt(((found - expected) ** 2).mean()) < 0.05 * expected.std()
    assert largest_sum <= 32_767


def test_tokens_that_are_alike_share_a_range() -> None:
    assert isinstance(choose_scales(find_range(make_rows()), make_matrix()), SharedScale)


def test_tokens_that_differ_have_their_own() -> None:
    rows = np.maximum(make_rows(spread=4.0, large=10.0), -0.1)  # as what GELU gives: little below 0
    ranges = choose_scales(find_range(rows), make_matrix())
    assert isinstance(ranges, TokenScales)
    assert ranges.apart.tolist() == [5, 40]
    assert ranges.least == pytest.approx(-0.1, abs=1e-6)  # the same for all, so no token's is looked for
    assert ranges.zero < 40
    assert choose_scales(find_range(make_rows(spread=4.0)), make_matrix()).least is None  # type: ignore[union-attr]


def test_first_token_of_each_review_does_not_stand_for_all() -> None:
    rows = make_rows()
    rows[::20] *= 0.01  # what was kept of each review begins with its first token
    assert isinstance(choose_scales(find_range(np.tile(rows, (20, 1))), make_matrix()), SharedScale)
