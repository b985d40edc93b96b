"""Read the rows of a delimited table, where a broken one spoils no other. Used by `formats/delimited`."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from polarity_cli.formats.compression import LONGEST_RECORD
from polarity_cli.formats.decoding import Lines
from polarity_cli.formats.dialect import Dialect, make_reader, unescape

# The csv module refuses fields over 131,072 characters unless told otherwise; a review may be longer. There is a limit, so that a
# quote that nothing closes does not read the rest of a file into memory.
csv.field_size_limit(1 << 24)


@dataclass(slots=True)
class Row:
    """One row of a table: its values, or the error why it has none."""

    values: list[str]
    line: int
    """The number of its first line."""
    size: int
    """Its length in the file, in characters."""
    raw: str = ""
    """Its first line, if it is broken."""
    error: str | None = None


def strip_end(line: str) -> str:
    """Return a line without its end."""
    return line.removesuffix("\n").removesuffix("\r")


class Rows:
    """Iterate over the rows of lines; a broken row is one line, and the next row begins on the line after it."""

    def __init__(self, lines: Lines, dialect: Dialect) -> None:
        self.dialect = dialect
        self.n_columns: int | None = None
        """The number of cells in a row; None until the header is read."""
        self._replay = _Replay(lines)
        self._replay.unescapes = dialect.quoting == "backslash"
        self._is_split = dialect.quoting in ("none", "open")
        self._reader = make_reader(self._replay, dialect)

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        if self._is_split:
            row = self._split()
            if row is not None:
                return row
        line = self._replay.first
        try:
            values = next(self._reader)
        except StopIteration:
            raise
        except csv.Error as error:
            return self._read_backslashed() or self._break(line, f"not valid {self._format_name} ({error})")
        if self.n_columns is not None and len(values) != self.n_columns:
            other = self._read_backslashed()
            if other is not None:
                return other
        return Row(values, line, self._replay.go_on())

    def _break(self, line: int, problem: str) -> Row:
        raw = self._replay.go_back()
        return Row([], line, len(raw), raw, problem)

    def _split(self) -> Row | None:
        """Return the next line as a row; None where it is the first with a quote, and quotes have a meaning."""
        first = self._replay.first
        line = next(self._replay)
        if self.dialect.quoting == "open" and '"' in line and any(c.startswith('"') for c in line.split(self.dialect.delimiter)):
            self.dialect = replace(self.dialect, quoting=self._find_quoting(line))
            if self.dialect.quoting != "none":
                self._is_split = False
                self._replay.unescapes = self.dialect.quoting == "backslash"
                self._replay.go_back_whole()
                return None
        return Row(strip_end(line).split(self.dialect.delimiter), first, self._replay.go_on())

    def _find_quoting(self, line: str) -> str:
        """Return the quoting under which a line has the expected number of cells; `none` if there is none."""
        for quoting, text in (("doubled", line), ("backslash", unescape(line))):
            try:
                values = next(make_reader(iter([text]), self.dialect))
            except csv.Error:
                continue
            if self.n_columns is None or len(values) == self.n_columns:
                return quoting
        return "none"

    def _read_backslashed(self) -> Row | None:
        """Read the last record again with quotes escaped by backslashes; return it if that gives a whole row, else None."""
        if self.dialect.quoting == "backslash" or self.n_columns is None or not self._replay.holds('\\"'):
            return None
        line = self._replay.first
        self._replay.go_back_whole()
        self._replay.unescapes = True
        try:
            values = next(make_reader(self._replay, self.dialect))
        except (csv.Error, StopIteration):
            values = []
        self._replay.unescapes = self.dialect.quoting == "backslash"
        if len(values) == self.n_columns:
            return Row(values, line, self._replay.go_on())
        self._replay.go_back_whole()
        self._reader = make_reader(self._replay, self.dialect)
        try:  # as it was before
            next(self._reader)
        except (csv.Error, StopIteration):
            self._reader = make_reader(self._replay, self.dialect)
        return None

    @property
    def _format_name(self) -> str:
        return "TSV" if self.dialect.delimiter == "\t" else "CSV"


class _Replay:
    """Iterate over lines, which can be read again when a record turns out to be broken."""

    def __init__(self, lines: Lines) -> None:
        self._next_line, self._again = lines.__next__, deque[str]()
        self._lines: list[str] = []
        self._size = 0
        self.first = lines.number + 1
        """The number of the record's first line."""
        self.unescapes = False
        """Whether to replace escaped quotes by doubled ones."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._next_line()
        self._lines.append(line)
        self._size += len(line)
        if self._size > LONGEST_RECORD:
            raise csv.Error(f"a record of more than {LONGEST_RECORD:,} characters")
        return unescape(line) if self.unescapes else line

    def holds(self, part: str) -> bool:
        """Return whether a line of the record contains `part`."""
        return any(part in line for line in self._lines)

    def go_on(self) -> int:
        """Begin the next record, and return the length of the last one in characters."""
        size = self._size
        self.first += len(self._lines)
        self._lines.clear()
        self._size = 0
        return size

    def go_back(self) -> str:
        """Return the record's first line, and begin the next record on the line after it."""
        broken, *rest = self._lines
        self._again.extendleft(reversed(rest))
        self.first += 1
        self._lines, self._size = [], 0
        return strip_end(broken)

    def go_back_whole(self) -> None:
        """Begin the record again."""
        self._again.extendleft(reversed(self._lines))
        self._lines, self._size = [], 0
