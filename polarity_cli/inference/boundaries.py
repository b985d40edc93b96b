"""How far an answer is from being another one: what a GPU computed coarsely and nearly decided otherwise is answered again.

Used by `encoder/gpu_engine`. The answers themselves are decided by `inference/labeller` and by `verbs/evaluation/answers`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarity_cli.records import POSITIVE


@dataclass(frozen=True, kw_only=True)
class Boundaries:
    """Where the answer changes, in logits."""

    positive: int = POSITIVE
    """The index of the class that means positive."""
    threshold: float | None = None
    """From this probability of positive on the answer is positive; None where the likelier class answers."""
    sigmoid: bool = False
    """Whether the head scores each class by itself."""
    min_confidence: float = 0.0
    """Below this score of the label that would be given the answer is `uncertain`."""

    def measure(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far the logits `(N, 2)` of each review are from another answer: `(N,) float64`, in nats, at least 0.

        Both logits may move: of a softmax the difference of the two counts, of a sigmoid each by itself.
        """
        positive, negative = logits[:, self.positive], logits[:, 1 - self.positive]
        odds = positive - negative
        decided_by = positive if self.sigmoid and self.threshold is not None else odds
        distances = [np.abs(decided_by - _invert(0.5 if self.threshold is None else self.threshold))]
        if 0 < self.min_confidence < 1:
            least = _invert(self.min_confidence)
            scored = (positive, negative) if self.sigmoid else (odds, -odds)
            distances += [np.abs(values - least) for values in scored]
        nearest: NDArray[np.float64] = np.min(distances, axis=0)
        return nearest

    def compare(self, one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far two answers `(N, 2)` for the same reviews are apart by what decides: `(N,) float64`, in nats."""
        moved = np.abs(one - other)
        odds = np.abs((one[:, 0] - one[:, 1]) - (other[:, 0] - other[:, 1]))
        apart: NDArray[np.float64] = np.maximum(odds, moved.max(axis=1)) if self.sigmoid else odds
        return apart


def _invert(probability: float) -> float:
    """Return the log-odds of a probability above 0 and below 1, in nats."""
    return math.log(probability) - math.log1p(-probability)
