"""From logits to the score of each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from polarity_cli.errors import PolarityError


def check_finite(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logits as they are.

    Raises:
        PolarityError: one is not a finite number.
    """
    if not np.isfinite(logits).all():
        raise PolarityError(
            "The model's answers are not finite: its weights are broken, or training diverged.",
            hint="In training, give a lower --learning-rate.",
        )
    return logits


def compute_scores(logits: NDArray[np.float64], *, sigmoid: bool = False) -> NDArray[np.float64]:
    """Return the score of each class, `(N, 2)`, from logits `(N, 2)`: probabilities that add up to 1, or each class by itself."""
    if sigmoid:
        alone: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
        return alone
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return scores
