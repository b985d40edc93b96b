"""Choose a stream's text columns and give each record its text. Next: `data/reviews`, or prediction.

Training, evaluation and prediction all read through here, so that a file gives them the same texts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from polarity_cli.data.columns import build_text, choose_text_columns
from polarity_cli.errors import DataError
from polarity_cli.formats.record import Record, Stream
from polarity_cli.text import clean_text

LOOK_RECORDS = 100
"""Text columns are chosen by so many first records of a file; of a pipe, by the first record that has columns."""
_MOST_BLANK = 1000
"""Blank records of a pipe after which no more are read in search of one with columns."""


@dataclass
class Reading:
    """A stream whose text columns are chosen, with its records."""

    stream: Stream
    columns: list[str]
    """Columns of the first records; empty for plain lines."""
    text: tuple[str, ...]
    """Columns that make the text; empty for plain lines."""
    records: Iterator[Record]
    samples: dict[str, list[object]]
    """The values of the first records, by column."""
    head: list[Record]
    """The first records, which `records` yields too."""

    @property
    def first_texts(self) -> list[str]:
        """The first texts of a file; empty for a pipe, which may still be waiting for input."""
        if not self.stream.is_file:
            return []
        return [record.text for record in self.head if record.text]

    def describe(self) -> str:
        """Return a sentence that says how the input is read."""
        parts = list(self.stream.notes)
        parts += [f"the text is {' and '.join(self.text)}"] if self.text else []
        return f"{self.stream.name}: {'; '.join(parts)}."


def read_texts(
    stream: Stream, *, option: Sequence[str] | None, preferred: Sequence[str] | None = None, stops_at_error: bool = False
) -> Reading:
    """Return a stream's records with their texts.

    Args:
        stream: an opened stream.
        option: the text columns that `--text` names.
        preferred: the text columns that a checkpoint was trained on, used where the stream has them.
        stops_at_error: whether a broken record at the beginning of a pipe ends the search for columns.

    Raises:
        DataError: no columns that make the text can be chosen.
    """
    head = _take_head(stream, stops_at_error=stops_at_error)
    columns = list(dict.fromkeys(itertools.chain(stream.columns or (), *(record.fields or () for record in head))))
    good = [record for record in head if record.fields and record.error is None]
    samples = {name: _list_values(good, name) for name in columns}
    chooser = _Chooser(stream, option=option, preferred=preferred)
    if columns:
        where = stream.place or (good[0].where if good else stream.name)
        chooser.choose(columns, where, samples)
    head = list(chooser.compose(head))
    records = itertools.chain(head, chooser.compose(stream.records))
    return Reading(stream, columns, chooser.text, records, samples, head)


def _list_values(records: Sequence[Record], column: str) -> list[object]:
    """Return a column's values; none where one of them cannot be read, which no text is chosen for."""
    try:
        return [record.fields.get(column) for record in records if record.fields]
    except DataError:
        return []


def _take_head(stream: Stream, *, stops_at_error: bool) -> list[Record]:
    """Return the first records; of a pipe, only as many as it takes to see one with columns."""
    if stream.is_file:
        return list(itertools.islice(stream.records, LOOK_RECORDS))
    head: list[Record] = []
    if stream.columns is not None and choosing_needs_no_rows(stream.columns):
        return head
    for record in itertools.islice(stream.records, _MOST_BLANK):
        head.append(record)
        if record.fields is None or (record.error is None and record.fields) or (record.error and stops_at_error):
            break
    return head


def choosing_needs_no_rows(columns: Sequence[str]) -> bool:
    """Return whether the names of columns alone decide which make the text."""
    try:
        choose_text_columns(columns, None, "")
    except DataError:
        return False
    return True


class _Chooser:
    """The choice of text columns, which later records of a stream may extend."""

    def __init__(self, stream: Stream, *, option: Sequence[str] | None, preferred: Sequence[str] | None) -> None:
        self._stream, self._option, self._preferred = stream, option, preferred
        self.text: tuple[str, ...] = ()
        self._samples: dict[str, list[object]] = {}
        self._by_fields: dict[tuple[str, ...], tuple[str, ...]] = {}

    def choose(self, columns: Sequence[str], where: str, samples: dict[str, list[object]]) -> None:
        """Choose by the first records.

        Raises:
            DataError: it is not clear which columns make the text.
        """
        self._samples = samples
        self.text = choose_text_columns(columns, self._option, where, preferred=self._preferred, samples=samples)

    def compose(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield records with their texts; one whose text cannot be put together is broken."""
        is_fixed = self._stream.columns is not None or bool(self._option)
        text = self.text
        for record in records:
            fields = record.fields
            if record.error is not None:
                pass
            elif fields is None:
                record.text = clean_text(record.raw)
            elif fields:
                try:
                    if not is_fixed:
                        text = self._choose_for(record)
                    record.text = build_text(fields, text, record.where)
                except DataError as error:
                    record.error = error
            yield record

    def _choose_for(self, record: Record) -> tuple[str, ...]:
        """Return the text columns for a record of JSON, which may be the first that has some of them."""
        fields = record.fields or {}
        key = tuple(fields)
        if key not in self._by_fields:
            columns = list(dict.fromkeys([*self.text, *fields]))
            try:
                text = choose_text_columns(columns, self._option, record.where, preferred=self._preferred, samples=self._samples)
            except DataError:
                if not self.text:
                    raise
                text = self.text
            text = text if set(text) >= set(self.text) else self.text or text
            self.text = self.text or text
            if len(self._by_fields) < LOOK_RECORDS:
                self._by_fields[key] = text
            return text
        return self._by_fields[key]
