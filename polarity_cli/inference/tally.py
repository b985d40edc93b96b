"""What a prediction came to, counted as it goes on and said in a sentence at its end. Used by the verb `predict`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from polarity_cli.formats.on_error import Losses
from polarity_cli.records import Prediction


@dataclass
class Tally:
    """How many records got which label, and in which time."""

    labels: Counter[str] = field(default_factory=Counter)
    """Records by label; those without one, which are blank or broken, by the empty label."""
    seconds: float = 0.0
    """From the first record that was to be labelled to the last one that was written."""
    _began: float | None = None

    def begin(self) -> None:
        """Let the time run, if it does not yet."""
        if self._began is None:
            self._began = time.perf_counter()

    def add(self, predictions: Iterable[Prediction]) -> None:
        """Count predictions."""
        self.labels.update(prediction.label for prediction in predictions)

    def end(self) -> None:
        """Take the time."""
        self.seconds = time.perf_counter() - self._began if self._began is not None else 0.0

    def describe(self, losses: Losses, on_error: str, *, answered_by: str) -> str:
        """Return a sentence: how many records, which labels, what was lost, what answered, and how fast.

        Args:
            losses: of the same records.
            on_error: what became of those that were broken: left out (`skip`), or kept with an empty label (`keep`).
            answered_by: a phrase, the checkpoint and its precision.
        """
        n, labels, n_kept = self.labels.total(), self.labels, losses.broken if on_error == "keep" else 0
        counts = [f"{labels[name]:,} {name}" for name in ("positive", "negative", "uncertain")]
        counts += [f"{labels[''] - n_kept:,} blank", f"{losses.broken:,} {'broken' if on_error == 'keep' else 'left out'}"]
        speed = f", {_describe_number(n / self.seconds)} a second" if n and self.seconds > 0 else ""
        many = "1 review" if n == 1 else f"{n:,} reviews"
        return f"{many}: {', '.join(counts)}; {answered_by}; {describe_seconds(self.seconds)}{speed}."


def describe_seconds(seconds: float) -> str:
    """Return a time in words: `2.3 s`, `23 s`, `14 min`, `3.2 h`."""
    if seconds < 120:
        return f"{_describe_number(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _describe_number(number: float) -> str:
    return f"{number:.1f}" if number < 9.95 else f"{number:,.0f}"
