"""What an evaluation finds, as plain values that the verbs print, the report draws and a manifest keeps. Knows no arithmetic.

Next on the road: the modules of this room that make them, and `scoring/report`, which shows them.
"""

from __future__ import annotations

from dataclasses import dataclass

Metrics = dict[str, float | None]
"""By name: fractions 0 to 1, losses in nats, counts; None where a metric is not defined."""
Interval = tuple[float, float]
Intervals = dict[str, Interval | None]
"""95% intervals by a metric's name; None where the sample does not tell."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something about an evaluation that its reader should know, with what to do."""

    name: str
    """What programs know it by: `small-test-set`."""
    message: str
    """A sentence."""
    advice: str
    """What to do, as a sentence; empty where there is nothing to do."""
    is_warning: bool = True
    """False for what is good to know and no fault."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The reviews whose scores lie together: one point of a reliability diagram."""

    low: float
    high: float
    """Scores from `low` to `high`."""
    n: int
    mean_score: float
    """Mean probability of positive."""
    share_positive: float
    """Share of the reviews that are positive."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is answered, and how well, where an answer needs some confidence and the others are `uncertain`."""

    min_confidence: float
    n: int
    """Reviews answered."""
    share: float
    """Of all reviews."""
    accuracy: float | None
    positive_precision: float | None
    negative_precision: float | None
    """None where no review is answered so."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the reviews, and how the checkpoint did on it."""

    group: str
    """What the reviews are divided by: `length`, `truncation`, `title`, or a column."""
    name: str
    n: int
    n_positive: int
    accuracy: float
    interval: Interval
    """Exact 95% interval of the accuracy (Clopper, Pearson 1934)."""
    f1: float | None
    p_value: float
    """That a difference from the other reviews as large as this is chance (Fisher's exact test), times the number of slices
    (Holm)."""
    is_worse: bool
    """Whether it is below the others, and that is not chance."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """How something simple does on the same reviews."""

    name: str
    """`majority` or `tf-idf`."""
    description: str
    """What it is, for a person: `always positive`."""
    metrics: Metrics
    difference: Interval | None
    """95% interval of the model's macro F1 less its own, from a paired bootstrap; None where the sample does not tell."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two checkpoints on the same reviews."""

    n: int
    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    p_value: float
    """Of McNemar's exact test: that a difference as large as this is chance."""
    first: Metrics
    second: Metrics
    differences: Metrics
    """First less second."""
    intervals: Intervals
    """Of the differences, from a paired bootstrap."""
    is_real: bool
    """Whether the difference in accuracy is more than chance explains."""
    verdict: str
    """One sentence."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A review that is answered wrongly."""

    text: str
    where: str
    expected: str
    predicted: str
    score: float
    """Probability of `predicted`, 0 to 1."""
    words: tuple[tuple[str, float], ...] | None
    """Each word with the log-odds of positive that it adds; None where that was not looked at."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A review whose label is likely to be wrong."""

    number: int
    """Its place among the reviews, counted from 0."""
    text: str
    where: str
    label: str
    score: float
    """The model's probability of that label."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch, for a training curve."""

    epoch: int
    loss: float
    validation_f1: float | None
    validation_log_loss: float | None
    is_best: bool


@dataclass(frozen=True, slots=True)
class Blocks:
    """Which parts of the encoder train."""

    encoder: str
    n_blocks: int
    cut: int
    """The first block that trains."""
    embeddings_train: bool
    n_trainable: int
    n_frozen: int
    """Parameters."""
