"""Rows of local files, whatever their format. First step of the road; next: `data/columns` and `data/labels`.

To add a format, write one reader and add one line to `READERS`.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Literal

from polarity_cli.errors import DataError
from polarity_cli.formats.compression import LONGEST_RECORD, Growth, open_bytes, read_lines, report_damage, split_suffix
from polarity_cli.records import Row

_FASTTEXT_LINE = re.compile(r"(__label__\S+)[ \t]+(.*)", re.DOTALL)
# The csv module refuses fields over 131,072 characters unless told otherwise; a review may be longer. There is a limit, so that a
# quote that nothing closes does not read the rest of a file into memory.
csv.field_size_limit(1 << 24)
_LARGEST_DOCUMENT = 1 << 30
"""Characters of a JSON array, which is read whole and takes about three times as much memory."""
_BATCH = 256
"""Rows of Parquet in memory at once: each may hold the same long text."""


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file of reviews, in order.

    Raises:
        DataError: the format is unknown, or the file is torn, not UTF-8, or not in its format; names the line.
    """
    suffix, _ = split_suffix(path)
    reader = READERS.get(suffix)
    if reader is None:
        known = ", ".join(sorted(READERS))
        raise DataError(
            f"{path}: unknown format {suffix or '(no suffix)'!r}.",
            hint=f"Known: {known}; each also with .gz, .bz2 or .zst.",
        )
    try:
        with report_damage(path):
            yield from reader(path)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{_find_undecodable_line(path)}: not UTF-8.", hint="Convert the file, e.g. iconv -f latin1 -t utf-8."
        ) from error


def _open_text(path: Path) -> IO[str]:
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="")


def _find_undecodable_line(path: Path) -> str:
    with open_bytes(path) as stream, report_damage(path):
        for number, line in enumerate(read_lines(stream, str(path)), 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f"{path}:{number}"
    return str(path)


def _read_delimited(path: Path, delimiter: str) -> Iterator[Row]:
    # A TSV has no quoting, so that a line is a record and a stray quote swallows nothing.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    with _open_text(path) as text:
        lines = _RecordLines(read_lines(text, str(path)))
        reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
        columns: list[str] | None = None
        headless = False
        line = 1
        try:
            for values in reader:
                lines.size = 0
                where, line = f"{path}:{line}", reader.line_num + 1
                if not values:
                    continue
                if columns is None:
                    columns, headless = name_columns(values, where)
                    if not headless:
                        continue
                if len(values) != len(columns):
                    raise DataError(f"{where}: {len(values)} fields, expected {len(columns)} ({', '.join(columns[:8])}).")
                yield Row(read_fields(columns, values, headless=headless), where)
        except csv.Error as error:
            raise DataError(
                f"{path}:{reader.line_num}: not valid {'TSV' if delimiter == chr(9) else 'CSV'} ({error})."
            ) from error


class _RecordLines:
    """Lines for the csv module, as many as a record may have."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.size = 0
        """Characters of the record that is being read."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.size += len(line)
        if self.size > LONGEST_RECORD:
            raise csv.Error(f"a record of more than {LONGEST_RECORD:,} characters")
        return line


def name_columns(first: list[str], where: str) -> tuple[list[str], bool]:
    """Return the columns that a table's first row names, and whether it is a row of the 2015 layout, which names none.

    Raises:
        DataError: a column is named twice.
    """
    if len(first) == 3 and first[0] in ("1", "2"):
        return ["label", "title", "content"], True
    columns = [name.strip() for name in first]
    _check_names(columns, where)
    if len(columns) == 1 and ";" in columns[0]:
        raise DataError(f"{where}: one column, with semicolons in it.", hint="Save it with commas, or with tabs as .tsv.")
    return columns, False


def _check_names(columns: list[str], where: str) -> None:
    twice = sorted(name for name, count in Counter(columns).items() if count > 1)
    if twice:
        raise DataError(f"{where}: the header names a column twice: {', '.join(repr(name) for name in twice[:10])}.")


def read_fields(columns: list[str], values: list[str], *, headless: bool) -> dict[str, object]:
    """Return a table row's values by column; the 2015 files write a line break as two characters."""
    if headless:
        values = [value.replace("\\n", "\n") for value in values]
    return dict(zip(columns, values, strict=True))


def _read_csv(path: Path) -> Iterator[Row]:
    return _read_delimited(path, ",")


def _read_tsv(path: Path) -> Iterator[Row]:
    return _read_delimited(path, "\t")


def _read_jsonl(path: Path) -> Iterator[Row]:
    with _open_text(path) as text:
        for number, line in enumerate(read_lines(text, str(path)), 1):
            if line.strip():
                where = f"{path}:{number}"
                yield Row(_as_object(parse_json(line, where), where), where)


def _read_json(path: Path) -> Iterator[Row]:
    """Read an array of objects, or JSON lines that carry the shorter suffix."""
    with _open_text(path) as text:
        start = text.read(4096).lstrip()[:1]
    if start != "[":
        yield from _read_jsonl(path)
        return
    with _open_text(path) as text:
        document = text.read(_LARGEST_DOCUMENT + 1)
    if len(document) > _LARGEST_DOCUMENT:
        raise DataError(
            f"{path}: a JSON array is read whole, and this one is too large.", hint="Convert it to JSON lines (.jsonl)."
        )
    rows = parse_json(document, str(path))
    for number, row in enumerate(rows, 1):
        where = f"{path}: object {number}"
        yield Row(_as_object(row, where), where)


def parse_json(text: str, where: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        DataError: it is not JSON, or nested too deep to read.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_parse_float)
    except RecursionError as error:
        raise DataError(f"{where}: JSON nested too deep.") from error
    except ValueError as error:
        raise DataError(f"{where}: not valid JSON ({error}).") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _parse_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_constant(text)


def _as_object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected a JSON object with a field for each column, found {type(value).__name__}.")
    return value


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pa.BufferReader(open_bytes(path).read()) if split_suffix(path)[1] else path
        with pq.ParquetFile(source) as file:
            _check_names(file.schema_arrow.names, str(path))
            number, growth = 0, Growth(path)
            for batch in file.iter_batches(batch_size=_BATCH):
                columns = [
                    column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns
                ]
                growth.add(sum(column.nbytes for column in columns))
                for fields in pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist():
                    number += 1
                    yield Row(fields, f"{path}: row {number}")
    except (pa.ArrowException, ValueError, OverflowError, LookupError) as error:
        # A lookup fails where it names a time zone that there is not.
        raise DataError(f"{path}: not a valid Parquet file ({error}).") from error


def _read_fasttext(path: Path) -> Iterator[Row]:
    with _open_text(path) as text:
        for number, line in enumerate(read_lines(text, str(path)), 1):
            if not line.strip():
                continue
            match = _FASTTEXT_LINE.fullmatch(line.rstrip("\r\n"))
            if match is None:
                raise DataError(f"{path}:{number}: expected '__label__1' or '__label__2', a space and the text.")
            title, separator, content = match[2].partition(": ")
            fields = {"title": title, "content": content} if separator else {"title": "", "content": title}
            yield Row({"label": match[1], **fields}, f"{path}:{number}")


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".tsv": _read_tsv,
    ".txt": _read_fasttext,
}
