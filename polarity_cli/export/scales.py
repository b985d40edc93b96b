"""How a hidden state becomes uint8 before its products, and their weights int8. Next: `export/quantize`.

A few channels are far larger than the others, and a range that holds them leaves the rest few steps. There are two ways out:

- `SharedScale`: channels are divided by factors that their weights are multiplied by, which makes them alike (SmoothQuant, Xiao
  et al. 2022, arXiv 2211.10438), and all tokens of all reviews share one range, found beforehand. It costs one pass.
- `TokenScales`: the large channels are multiplied in full precision (LLM.int8(), Dettmers et al. 2022, arXiv 2208.07339; here a
  fixed few), and each token has a range of its own, found while the graph runs. It costs several passes.

Both are tried on real tokens, and the first is taken where its products come out nearly as well. After a LayerNorm they do, and
for an attention's context; what GELU gives differs too much from token to token.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarity_cli.export.calibrate import InputRange

LEVELS = 255
_WORTH = 2.5
"""Times the error of ranges of their own that a shared range may make."""
_STRENGTHS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""How much of the difference between channels is moved into their weights."""
_ROOM = 1.1
"""How much more than what was met may come without two neighbours saturating; ranges themselves end at what was met."""
_N_APART = 4
"""Channels of an input that are multiplied in full precision."""
_LARGE = 4.0
"""Times the median channel that a channel must be to be multiplied apart."""
_N_TRIED = 400
"""Tokens on which both ways are tried."""
_MOST_SUM = 32_500
"""What two neighbours of a product may add up to: AVX2's `vpmaddubsw` holds 32,767, and saturates beyond that without a word.
Rounded weights may add 255.
"""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SharedScale:
    """One range for all tokens, over channels that are made alike."""

    zero: int
    """The uint8 value that stands for 0."""
    scale: float
    """What one step stands for, after the channels were divided."""
    factors: Floats
    """`(K,)`: what each channel is divided by."""
    most: Floats
    """`(K,)`: the greatest uint8 value of each channel."""


@dataclass(frozen=True)
class TokenScales:
    """A range for each token, without a few channels."""

    zero: int
    apart: NDArray[np.int64]
    """`(A,)`: the channels multiplied in full precision."""
    least: float | None
    """What no token's values fall below, where that is much the same for all; None where it is looked for in each."""
    most: Floats

    @property
    def mask(self) -> Floats:
        """Return 0 for each channel apart, and 1 for the others, `(K,)`."""
        mask = np.ones(len(self.most), np.float32)
        mask[self.apart] = 0
        return mask


def choose_scales(inputs: InputRange, matrix: Floats) -> SharedScale | TokenScales:
    """Return how the input of a product with `matrix` `(K, N)` becomes uint8."""
    rows = np.random.default_rng(0).permutation(inputs.rows)[:_N_TRIED]  # every n-th may be the first of every review
    expected = rows @ matrix
    own = _find_own(inputs)
    shared = [_find_shared(inputs, strength) for strength in _STRENGTHS]
    errors = [_square(_multiply_shared(rows, matrix, candidate) - expected) for candidate in shared]
    if min(errors) <= _WORTH * _square(_multiply_own(rows, matrix, own) - expected):
        return shared[int(np.argmin(errors))]
    return own


def quantize_weights(matrix: Floats, most: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return int8 weights `(K, N)` and what one step of each column stands for, `(N,)`, for an input of at most `most` `(K,)`.

    No two neighbours' products add up to more than 16 bits hold.
    """
    even = len(matrix) // 2 * 2
    sums = (matrix * most[:, None])[:even]
    pairs = np.abs(sums[::2] + sums[1::2]).max(0, initial=0) / _MOST_SUM
    steps = np.maximum(np.maximum(np.abs(matrix).max(0) / 127, pairs), 1e-9).astype(np.float32)
    return np.round(matrix / steps).astype(np.int8), steps


def _find_shared(inputs: InputRange, strength: float) -> SharedScale:
    largest = np.maximum(inputs.largest, 1e-6)
    factors = (largest / np.median(largest)) ** strength
    low, high = np.minimum(inputs.low / factors, -1e-6), np.maximum(inputs.high / factors, 1e-6)  # (K,)
    zero = _place_zero(-low.min(), high.max())
    scale = max(high.max() / (LEVELS - zero), -low.min() / zero)
    return SharedScale(zero, float(scale), factors.astype(np.float32), _bound(_ROOM * high / scale, zero))


def _find_own(inputs: InputRange) -> TokenScales:
    largest = inputs.largest
    n_apart = min(int((largest > _LARGE * np.median(largest)).sum()), _N_APART)
    apart = np.sort(np.argsort(-largest)[:n_apart])
    rows = np.delete(inputs.rows, apart, axis=1)
    low, high = np.maximum(-rows.min(1), 1e-6), np.maximum(rows.max(1), 1e-6)  # (n,)
    zero = _place_zero(np.median(low), np.median(high))
    least = -float(low.max()) if low.max() <= 2 * np.median(low) else None
    steps = _find_steps(rows, zero, least)  # (n, 1)
    return TokenScales(zero, apart, least, _bound(_ROOM * (inputs.rows / steps).max(0), zero))


def _find_steps(rows: Floats, zero: int, least: float | None) -> Floats:
    """Return what one step of each token stands for, `(n, 1)`, as the graph finds it, for tokens without the channels apart."""
    low = rows.min(1, keepdims=True) if least is None else least
    steps: Floats = np.maximum(np.maximum(rows.max(1, keepdims=True) / (LEVELS - zero), -low / zero), 1e-9)
    return steps


def _place_zero(low: float, high: float) -> int:
    return int(np.clip(round(LEVELS * low / (low + high)), 8, LEVELS - 8))


def _bound(most: Floats, zero: int) -> Floats:
    bound: Floats = np.clip(np.ceil(most) + zero, 0, LEVELS).astype(np.float32)
    return bound


def _multiply_shared(rows: Floats, matrix: Floats, shared: SharedScale) -> Floats:
    values = np.clip(np.round(rows / shared.factors / shared.scale), -shared.zero, LEVELS - shared.zero)
    weights, steps = quantize_weights(matrix * shared.factors[:, None], shared.most)
    product: Floats = (values @ weights.astype(np.float32)) * (steps * shared.scale)
    return product


def _multiply_own(rows: Floats, matrix: Floats, own: TokenScales) -> Floats:
    small = rows * own.mask
    steps = _find_steps(small, own.zero, own.least)
    values = np.clip(np.round(small / steps), -own.zero, LEVELS - own.zero)
    weights, columns = quantize_weights(matrix * own.mask[:, None], own.most)
    product: Floats = (values @ weights.astype(np.float32)) * steps * columns + rows[:, own.apart] @ matrix[own.apart]
    return product


def _square(differences: Floats) -> float:
    return float((differences**2).mean())
