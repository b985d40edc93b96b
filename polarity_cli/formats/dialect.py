"""Find the dialect of a delimited file by its first rows: delimiter, quotes, header. Used by `formats/delimited`."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from polarity_cli.formats.column_names import is_known_name

DELIMITERS = ",;\t|"
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEP_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d+)?|\.\d+)([eE][-+]?\d+)?\s*")
_ESCAPED = re.compile(r'(\\+)"')
_MANY_WORDS = 4
"""A cell of so many words or more is a text and no column name."""
_FEW_VALUES = 10


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the rows of a delimited file are divided into cells."""

    delimiter: str
    quoting: str = "doubled"
    """How a quote inside a quoted cell is written: `doubled`, `backslash`; `none` if quotes mean nothing, `open` if undecided."""
    skips_spaces: bool = False
    """Whether spaces after a delimiter are dropped."""
    sep_line: str = ""
    """The line `sep=;` that the file begins with."""
    has_row_names: bool = False
    """Whether each row begins with a name, for which the header has no cell."""


def unescape(line: str) -> str:
    """Return a line with each `\\"` written as two quotes; other backslashes stay.

    Each pair of backslashes before a quote becomes one backslash; an odd one makes the quote a part of the text.
    """
    return _ESCAPED.sub(lambda match: "\\" * (len(match[1]) // 2) + ('""' if len(match[1]) % 2 else '"'), line)


def find_dialect(lines: Sequence[str], *, default: str, option: str | None, is_whole: bool) -> tuple[Dialect, list[list[str]]]:
    """Return the dialect that fits a file's first lines, and the first rows as it reads them.

    Args:
        lines: the first lines, with their ends.
        default: the delimiter that the file's suffix implies.
        option: the delimiter that `--delimiter` names.
        is_whole: whether these are all lines; if not, the last row may be cut.
    """
    match = _SEP_LINE.fullmatch(lines[0]) if lines else None
    sep_line, body = (lines[0], lines[1:]) if match else ("", lines)
    first = option or (match[1] if match else default)
    reading = _find_quoting(body, first, is_whole=is_whole)
    if not (option or match or (reading.n_columns > 1 and reading.n_bad == 0)):
        others = [_find_quoting(body, other, is_whole=is_whole) for other in DELIMITERS if other != first]
        reading = _choose(reading, others)
    return replace(reading.dialect, sep_line=sep_line, has_row_names=reading.has_row_names), reading.rows


@dataclass(frozen=True, slots=True)
class _Reading:
    """The first rows as one dialect reads them."""

    dialect: Dialect
    rows: list[list[str]]
    n_bad: int
    """Rows that cannot be read, or whose number of cells differs from the first row's."""
    has_row_names: bool = False

    @property
    def n_columns(self) -> int:
        return len(self.rows[0]) if self.rows else 0


def _choose(default: _Reading, others: list[_Reading]) -> _Reading:
    """Return the default reading where it gives several columns; else the best other reading that does; else the default."""
    if default.n_columns > 1 and not any(reading.n_bad == 0 and reading.n_columns > 1 for reading in others):
        return default
    if default.n_columns > 1 and default.n_bad * 2 < len(default.rows):
        return default
    split = [reading for reading in others if reading.n_columns > 1 and reading.n_bad * 10 <= len(reading.rows)]
    return max(split, key=lambda reading: (-reading.n_bad, reading.n_columns), default=default)


def _find_quoting(lines: Sequence[str], delimiter: str, *, is_whole: bool) -> _Reading:
    """Return the reading of the lines under the quoting that fits them best."""
    if not any('"' in line for line in lines):
        return _read(lines, Dialect(delimiter, "open" if delimiter == "\t" else "doubled"), is_whole=is_whole)
    doubled = _read(lines, Dialect(delimiter), is_whole=is_whole)
    none = _read(lines, Dialect(delimiter, "none"), is_whole=is_whole)
    begins = [cell for row in none.rows for cell in row if cell.startswith('"')]
    if delimiter == "\t":
        if not begins:
            return _read(lines, Dialect(delimiter, "open"), is_whole=is_whole)
        escaped = [_read(lines, Dialect(delimiter, "backslash"), is_whole=is_whole)] if any('\\"' in c for c in begins) else []
        best = min([doubled, *escaped], key=lambda reading: reading.n_bad)
        return best if best.n_bad == 0 or best.n_bad < none.n_bad else none
    if doubled.n_bad == 0:
        return doubled
    others = [Dialect(delimiter, skips_spaces=True)]
    if any('\\"' in line for line in lines):
        others.append(Dialect(delimiter, "backslash"))
    readings = [_read(lines, dialect, is_whole=is_whole) for dialect in others]
    # Quotes mean nothing where several cells begin with one, and none is quoted from end to end.
    if len(begins) > 1 and not any(len(cell) > 1 and cell.endswith('"') for cell in begins):
        readings.append(none)
    best = min(readings, key=lambda reading: reading.n_bad)
    return best if best.n_bad == 0 else doubled


def _read(lines: Sequence[str], dialect: Dialect, *, is_whole: bool) -> _Reading:
    rows, n_broken = _split(lines, dialect, is_whole=is_whole)
    if not is_whole and rows:
        rows = rows[:-1] or rows  # the last may be cut
    rows = [row for row in rows if any(row)]
    if not rows:
        return _Reading(dialect, rows, n_broken)
    width = len(rows[0])
    if n_broken == 0 and _have_names(rows, width):
        return _Reading(dialect, rows, 0, has_row_names=True)
    n_bad = sum(len(row) < width or any(row[width:]) for row in rows)
    return _Reading(dialect, rows, n_bad + n_broken)


def _have_names(rows: list[list[str]], width: int) -> bool:
    """Return whether each row has one cell more than the header and a unique first cell, as R writes row names."""
    below = rows[1:]
    has_one_more = len(below) > 1 and all(len(row) == width + 1 for row in below)
    return has_one_more and any(row[-1] for row in below) and len({row[0] for row in below}) == len(below)


def _split(lines: Sequence[str], dialect: Dialect, *, is_whole: bool) -> tuple[list[list[str]], int]:
    """Return the rows of lines, and how many could not be read, without a last one that is cut."""
    if dialect.quoting in ("none", "open"):
        return [line.rstrip("\r\n").split(dialect.delimiter) for line in lines], 0
    texts = map(unescape, lines) if dialect.quoting == "backslash" else iter(lines)
    reader = make_reader(texts, dialect)
    rows: list[list[str]] = []
    try:
        for row in reader:
            rows.append(row)
    except csv.Error:
        if reader.line_num < len(lines):
            return rows, max(1, len(lines) - reader.line_num)
        return rows, 0 if not is_whole and rows and reader.line_num >= len(lines) and _is_open(lines, dialect, rows) else 1
    return rows, 0


def _is_open(lines: Sequence[str], dialect: Dialect, rows: list[list[str]]) -> bool:
    """Return whether an unclosed quote is a record cut by the end of the sample: then it began near the end."""
    reader = make_reader(map(unescape, lines) if dialect.quoting == "backslash" else iter(lines), dialect)
    for _ in rows:
        next(reader)
    n_left: int = len(lines) - reader.line_num
    return n_left <= max(3, len(lines) // 10)


def make_reader(lines: Iterable[str], dialect: Dialect) -> Any:
    """Return the csv module's reader of lines."""
    return csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=dialect.skips_spaces, strict=True)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row is a header: it has usual names, or differs from the cells below it."""
    first, below = rows[0], rows[1:]
    if _are_indices(first):
        return True  # as pandas numbers columns
    if below and any(_NUMBER.fullmatch(cell) and _is_like_below(cell, _take_column(below, i)) for i, cell in enumerate(first)):
        return False
    if any(is_known_name(cell) for cell in first):
        return True
    if not below:
        return not any(_NUMBER.fullmatch(cell) or len(cell.split()) >= _MANY_WORDS for cell in first)
    return not any(_is_like_below(cell, _take_column(below, i)) for i, cell in enumerate(first))


def _take_column(rows: Sequence[Sequence[str]], number: int) -> list[str]:
    return [row[number] for row in rows if number < len(row) and row[number]]


def _are_indices(cells: Sequence[str]) -> bool:
    numbers = [cell for cell in cells if cell.strip()]
    return len(numbers) > 1 and numbers in ([str(i) for i in range(len(numbers))], [str(i) for i in range(1, len(numbers) + 1)])


def _is_like_below(cell: str, below: Sequence[str]) -> bool:
    """Return whether a cell of the first row looks like the other cells of its column."""
    if not cell.strip() or not below:
        return False
    if _NUMBER.fullmatch(cell):
        return all(_NUMBER.fullmatch(value) for value in below)
    values = {value.strip().lower() for value in below}
    if cell.strip().lower() in values and len(values) <= _FEW_VALUES and (len(values) < len(below) or len(values) == 1):
        return True
    n_words = sum(len(value.split()) for value in below) / len(below)
    return len(cell.split()) >= _MANY_WORDS and n_words >= _MANY_WORDS - 1
