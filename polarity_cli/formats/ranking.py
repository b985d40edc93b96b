"""Write the first or the highest of all records in place of all: a writer before another one. Used by the verb `predict`."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace

from polarity_cli.formats.arrow_rows import Row
from polarity_cli.formats.record import Record
from polarity_cli.formats.results import Writer
from polarity_cli.records import Prediction

Explain = Callable[[Record, Prediction], Prediction]


class RankingWriter:
    """Keep the records that rank highest, and hand them on in `finish`, the first first; of equals the earlier one.

    It holds no more records than it hands on. Those without an answer are not ranked.
    """

    def __init__(
        self,
        writer: Writer,
        rank: str,
        limit: int,
        *,
        threshold: float | None = None,
        min_confidence: float = 0.0,
        complete: Explain = lambda record, prediction: prediction,
    ) -> None:
        """Take where the records go.

        Args:
            writer: what writes them.
            rank: `uncertain` for those whose probability of positive is nearest the threshold, else the class of which they are
                most surely.
            limit: most records that are written.
            threshold: the probability of positive from which on the answer is positive; None takes the likelier class.
            min_confidence: the probability of an answer below which it is written as `uncertain`.
            complete: what is done to the answers that are written.
        """
        self._writer, self._rank, self._limit, self._complete = writer, rank, limit, complete
        self._threshold, self._min_confidence = 0.5 if threshold is None else threshold, min_confidence
        self._kept: list[tuple[float, int, Record, Prediction]] = []
        """A heap whose first one ranks lowest: how high it ranks, and how early it came, as a negative number."""
        self._n_seen = 0

    def write(self, record: Record, prediction: Prediction) -> None:
        """Take one record."""
        self._n_seen += 1
        if prediction.score is None:
            return
        height = self._measure(prediction.label, prediction.score)
        if len(self._kept) >= self._limit and (height, -self._n_seen) < self._kept[0][:2]:
            return
        if isinstance(record.fields, Row):
            record = replace(record, fields=record.fields.detach())
        push = heapq.heappush if len(self._kept) < self._limit else heapq.heapreplace
        push(self._kept, (height, -self._n_seen, record, prediction))

    def finish(self) -> None:
        """Write what was kept."""
        for _, _, record, prediction in sorted(self._kept, key=lambda kept: kept[:2], reverse=True):
            self._writer.write(record, doubt(self._complete(record, prediction), self._min_confidence))
        self._writer.finish()

    def _measure(self, label: str, score: float) -> float:
        """Return how high a record ranks, from its answer and the probability of that."""
        if self._rank == "uncertain":
            return -abs((score if label == "positive" else 1 - score) - self._threshold)
        return score if label == self._rank else 1 - score


def doubt(prediction: Prediction, min_confidence: float) -> Prediction:
    """Return an answer as `uncertain` where it is less probable than `min_confidence`; see `inference/labeller`."""
    if prediction.score is None or prediction.score >= min_confidence:
        return prediction
    return replace(prediction, label="uncertain")
