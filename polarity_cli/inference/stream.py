"""A prediction for each record of a stream, in order, as soon as it is known. The verb `predict` writes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from polarity_cli.formats.record import Record
from polarity_cli.inference.read_ahead import CHUNK, ReadAhead
from polarity_cli.records import Prediction

if TYPE_CHECKING:
    from polarity_cli.inference.labeller import Labeller

_MOST_EXPLAINED = 4
"""Records explained together: each is as many texts as it has words."""


def predict_stream(
    records: Iterable[Record], labeller: Labeller, *, explain: bool = False
) -> Iterator[list[tuple[Record, Prediction]]]:
    """Yield chunks of records with their predictions, in order.

    While one chunk is computed the next is read and tokenized. A stream that has nothing more to give is answered at once.

    Raises:
        DataError: what `records` raises; those before it have been yielded.
    """
    started: deque[tuple[list[Record], Callable[[], list[Prediction]]]] = deque()
    ahead = ReadAhead(records, most=_MOST_EXPLAINED if explain else CHUNK)
    try:
        for chunk in ahead.chunks():
            texts = [record.text for record in chunk.records]
            started.append((chunk.records, labeller.start(texts, explain=explain)))
            while len(started) > 1 or (started and not chunk.more_ready):
                yield _finish(*started.popleft())
        while started:
            yield _finish(*started.popleft())
        if ahead.failure is not None:
            raise ahead.failure
    finally:
        labeller.close()


def _finish(records: list[Record], wait: Callable[[], list[Prediction]]) -> list[tuple[Record, Prediction]]:
    return list(zip(records, wait(), strict=True))
