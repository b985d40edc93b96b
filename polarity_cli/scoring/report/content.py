"""What a report's page shows, as one value. The verb `evaluate` fills it.

Next on the road: `scoring/report/page`, which draws it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from polarity_cli.scoring.values import (
    Baseline,
    Bin,
    Blocks,
    Check,
    Comparison,
    Coverage,
    Epoch,
    Intervals,
    Metrics,
    Mistake,
    Slice,
    Suspect,
)


@dataclass(frozen=True, slots=True)
class Differing:
    """A review that two checkpoints answer differently."""

    text: str
    where: str
    expected: str
    first: str
    second: str
    """The label that each predicts."""
    first_score: float
    second_score: float
    """The probability that each gives to its own label, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Two checkpoints on the same reviews, and the reviews on which they differ."""

    first: str
    second: str
    """What each is called; the first is the one that the page is about."""
    comparison: Comparison
    differing: tuple[Differing, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportContent:
    """Everything on a report's page. A part that is empty or None leaves its section out.

    Raises:
        ValueError: the arrays are not both `(N,)`.
    """

    title: str
    subtitle: str = ""
    verdict: str
    """One sentence."""
    made: str
    """The day, as `2026-05-31`."""
    facts: tuple[tuple[str, str], ...] = ()
    """Names and texts: `("encoder", "bert-base-uncased")`."""
    checks: tuple[Check, ...] = ()
    y_true: NDArray[np.int64]
    """`(N,)`, 0 negative, 1 positive."""
    y_score: NDArray[np.float64]
    """`(N,)`, probability of positive, 0 to 1."""
    threshold: float = 0.5
    """From this score on the prediction is positive."""
    metrics: Metrics
    intervals: Intervals = field(default_factory=dict)
    baselines: tuple[Baseline, ...] = ()
    others: tuple[tuple[str, Metrics], ...] = ()
    """The figures of the same checkpoint in another form, each under its name: `("int8", {...})`."""
    coverage: tuple[Coverage, ...] = ()
    bins: tuple[Bin, ...] = ()
    calibration: tuple[tuple[str, float, float], ...] | None = None
    """Names of figures, each with its value before and after calibration; lower is better."""
    epochs: tuple[Epoch, ...] = ()
    losses: Sequence[tuple[int, float]] = ()
    """Steps, and the training loss of each."""
    slices: tuple[Slice, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    """The most confident first."""
    suspects: tuple[Suspect, ...] = ()
    """The likeliest to be wrong first."""
    compared: Compared | None = None
    blocks: Blocks | None = None
    commands: tuple[str, ...] = ()
    """How to make the same report again, a command line each."""
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse arrays that are not of the same reviews."""
        if self.y_true.ndim != 1 or self.y_true.shape != self.y_score.shape:
            raise ValueError(f"y_true {self.y_true.shape} and y_score {self.y_score.shape} are not both (N,)")
