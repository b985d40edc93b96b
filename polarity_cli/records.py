"""The values that rooms pass to each other, and the observer that shows progress. Used by every room."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

_MOST_VALUES = 12
"""A sentence shows so many values of a label column."""

NEGATIVE, POSITIVE = 0, 1
LABEL_NAMES = ("negative", "positive")


@dataclass(frozen=True, slots=True)
class Review:
    """One labelled review, ready to be tokenized."""

    text: str
    label: int
    """0 negative, 1 positive."""
    where: str
    """The file and line or row that it was read from, for messages."""
    row: int = 0
    """Its number in the file, counted from 1."""
    file: int = 0
    """The number of the file among those of its split, counted from 0."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The model's prediction for one text."""

    label: str
    """`negative`, `positive`, `uncertain`, or empty for a blank record."""
    score: float | None
    """Probability of `label`, 0 to 1 (where that is `uncertain`, of what it would have been); None for a blank record."""
    words: tuple[tuple[str, float], ...] | None = None
    """Each word with the log-odds of positive that it adds: how much they fall when the word is left out. None unless asked."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which probability of positive on a checkpoint answers positive, and why."""

    positive: float
    """0 to 1; 0.5 is the usual one."""
    of: str
    """The class whose answers were to be right: `positive` or `negative`."""
    target_precision: float
    precision: float
    """What its answers of that class reached on the reviews that it was found on."""
    recall: float
    """Share of that class's reviews that are answered so."""
    n: int
    """Reviews that it was found on."""
    found_on: str
    """Which ones: `validation`, or `out of fold`."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One optimizer step of a training run."""

    step: int
    epoch: int
    loss: float
    """Mean cross-entropy of the step's reviews, in nats."""
    learning_rate: float
    n_reviews: int
    n_tokens: int
    """Real tokens, without padding."""


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of a training run."""

    epoch: int
    loss: float
    """Mean cross-entropy of the epoch's reviews during its steps, in nats."""
    validation: dict[str, float | None] | None
    """Metrics of the validation split after the epoch; None without one."""
    seconds: float
    is_best: bool


def describe_meanings(labels: object, *, quote: Callable[[str], str] = str) -> str:
    """Return in words what each value of a label column means, by a manifest: positive first, left out last.

    A manifest may come from anywhere, so entries that are not a value and a meaning are skipped.
    """
    order = ("positive", "negative", "left out")
    named = [(str(value), meaning or "left out") for value, meaning in (labels.items() if isinstance(labels, dict) else ())]
    pairs = sorted((pair for pair in named if pair[1] in order), key=lambda pair: order.index(pair[1]))
    shown = [f"{quote(value)} {'was' if meaning == 'left out' else 'is'} {meaning}" for value, meaning in pairs[:_MOST_VALUES]]
    more = f", and {len(pairs) - _MOST_VALUES:,} more values" if len(pairs) > _MOST_VALUES else ""
    return ", ".join(shown) + more


class Advance(Protocol):
    """What a task calls as it goes on."""

    def __call__(self, n: int, /, *, done: float | None = None, text: str = "") -> None:
        """Show that so many more units are done.

        Args:
            n: units, those of the task's total.
            done: the share of all work, 0 to 1, that is done by now, where units are unlike each other; else they tell. The first
                one is where the task begins, which need not be 0.
            text: what to say beside it, such as the epoch.
        """


def ignore_progress(n: int, /, *, done: float | None = None, text: str = "") -> None:
    """Show nothing."""


class Observer(Protocol):
    """Receives notes, warnings and progress; the command line shows them, a test may record them."""

    def note(self, message: str) -> None:
        """Show a sentence to the user."""

    def warn(self, message: str) -> None:
        """Show a sentence that `--quiet` does not hide: rows were lost, or a file has changed."""

    @property
    def shows_progress(self) -> bool:
        """Whether anybody sees what `track` shows, so that it is worth finding out."""

    def track(self, task: str, total: int | None = None, *, unit: str = "") -> AbstractContextManager[Advance]:
        """Show the progress of a task of `total` units, which are called `unit`; the block gets what it calls as it goes on."""

    def countdown(self, reason: str, seconds: float) -> None:
        """Show why the program waits, and return after so many seconds."""


class SilentObserver:
    """Show nothing: for the verbs used as a library."""

    def note(self, message: str) -> None:
        """Ignore the note."""

    def warn(self, message: str) -> None:
        """Treat it as a note."""
        self.note(message)

    @property
    def shows_progress(self) -> bool:
        """Say that nobody looks."""
        return False

    def track(self, task: str, total: int | None = None, *, unit: str = "") -> AbstractContextManager[Advance]:
        """Show no progress."""
        return nullcontext(ignore_progress)

    def countdown(self, reason: str, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
