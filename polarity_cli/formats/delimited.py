"""Rows of tables as they come, where a broken one costs no other. Used by `formats/record`."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from polarity_cli.formats.compression import LONGEST_RECORD


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table: its values, or why there are none."""

    values: list[str]
    number: int
    """The line that it begins on."""
    raw: str = ""
    """The line, where it is broken."""
    error: str | None = None


def strip_end(line: str) -> str:
    """Return a line without its end."""
    return line.removesuffix("\n").removesuffix("\r")


def read_tsv_rows(lines: Iterator[str]) -> Iterator[TableRow]:
    """Yield the rows of lines of TSV, which has no quoting."""
    for number, line in enumerate(lines, 1):
        yield TableRow(strip_end(line).split("\t"), number)


def read_csv_rows(lines: Iterator[str]) -> Iterator[TableRow]:
    """Yield the rows of lines of CSV, whose quoted cells may span lines."""
    replay = _Replay(lines)
    reader = csv.reader(replay, strict=True)
    while True:
        first = replay.first
        try:
            yield TableRow(next(reader), first)
            replay.go_on()
        except StopIteration:
            return
        except csv.Error as error:
            yield TableRow([], first, replay.go_back(), f"not valid CSV ({error})")


class _Replay:
    """Lines that can be read again, so that a broken record costs no more than its first line."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self._again = lines, deque[str]()
        self._taken: list[str] = []
        self._size = 0
        self.first = 1
        """The number of the line that the record begins on."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        self._size += len(line)
        if self._size > LONGEST_RECORD:
            raise csv.Error(f"a record of more than {LONGEST_RECORD:,} characters")
        return line

    def go_on(self) -> None:
        """Begin the next record."""
        self.first += len(self._taken)
        self._taken, self._size = [], 0

    def go_back(self) -> str:
        """Return the record's first line, and begin the next record behind it."""
        broken, *rest = self._taken
        self._again.extendleft(reversed(rest))
        self.first += 1
        self._taken, self._size = [], 0
        return strip_end(broken)


def fit_row(values: list[str], n_columns: int, separator: str) -> list[str]:
    """Return as many values as there are columns: empty ones are added, and the last column takes what is left over."""
    head = values[: n_columns - 1] if len(values) > n_columns else values
    rest = [separator.join(values[n_columns - 1 :])] if len(values) > n_columns else [""] * (n_columns - len(values))
    return [*head, *rest]
