"""Records in chunks, read ahead by a thread of their own. Between `formats/record` and `inference/labeller`."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from polarity_cli.formats.record import Record

CHUNK = 1024
"""Most records predicted together: enough to find others of the same length."""
_FIRST = 16
"""Most records in the first chunk, so that a fast stream is answered at once too; each next may hold twice as many."""
_MOST_CHARACTERS = 1 << 20
"""Characters after which a chunk is full."""
_AHEAD = 4
"""Full chunks that may wait to be taken."""


@dataclass(frozen=True)
class Chunk:
    """Records to be predicted together."""

    records: list[Record]
    more_ready: bool
    """Whether records wait behind these: if not, the stream is slow, and nothing is gained by waiting for it."""


class ReadAhead:
    """Records taken from a stream as they come: a slow one gives them one by one, a fast one in full chunks."""

    def __init__(self, records: Iterable[Record], *, most: int = CHUNK) -> None:
        """Begin to read `records`, to be given in chunks of at most `most`."""
        self._most = most
        self._waiting: deque[Record] = deque()
        self._n_characters = 0
        self._changed = threading.Condition()
        self._ended = False
        self.failure: BaseException | None = None
        """What ended the reading early, once the chunks have come to their end."""
        threading.Thread(target=self._read, args=(records,), daemon=True).start()

    def chunks(self) -> Iterator[Chunk]:
        """Yield all records in chunks, in order, up to the end or to a failure."""
        most = min(_FIRST, self._most)
        while chunk := self._take(most):
            yield chunk
            most = min(self._most, 2 * most)

    def _take(self, most: int) -> Chunk | None:
        """Return what is ready, at least one record; None at the end."""
        records: list[Record] = []
        n_characters = 0
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            while self._waiting and len(records) < most and n_characters < _MOST_CHARACTERS:
                records.append(self._waiting.popleft())
                n_characters += records[-1].size
            self._n_characters -= n_characters
            self._changed.notify()
            return Chunk(records, bool(self._waiting)) if records else None

    def _read(self, records: Iterable[Record]) -> None:
        try:
            for record in records:
                with self._changed:
                    self._changed.wait_for(self._has_room)
                    self._waiting.append(record)
                    self._n_characters += record.size
                    if len(self._waiting) == 1:
                        self._changed.notify()
        except BaseException as error:  # whatever it is, the thread that waits for records must hear of it
            self.failure = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _has_room(self) -> bool:
        return len(self._waiting) < _AHEAD * CHUNK and self._n_characters < _AHEAD * _MOST_CHARACTERS
