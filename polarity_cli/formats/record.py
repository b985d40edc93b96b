"""Records from a stream, one at a time and whatever their bytes. Next: `serving/predictor`, then `formats/results`.

Nothing is read ahead of what the stream holds, so a line that trickles in is a record at once. Bytes that are not UTF-8 stay in
a record as surrogates, so that they can be written as they came; the model reads them as U+FFFD.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from polarity_cli.data.columns import build_text, choose_text_columns
from polarity_cli.errors import DataError, UsageError
from polarity_cli.formats.compression import open_bytes, read_lines, report_damage, split_suffix
from polarity_cli.formats.delimited import TableRow, fit_row, read_csv_rows, read_tsv_rows, strip_end
from polarity_cli.formats.files import name_columns, parse_json, read_fields
from polarity_cli.records import clean_text

FORMATS_BY_SUFFIX = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv", ".txt": "text"}

_CELL = 64
"""What a cell costs in memory, in characters, beside those in it."""

Chooser = Callable[[Sequence[str], str], tuple[str, ...]]
"""From the columns of a record and its place to the columns that make the text."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a stream."""

    text: str
    """What the model reads."""
    raw: str
    """The line as it came, without its end; empty for CSV, whose records may span lines."""
    fields: dict[str, object] | None = None
    """The columns of a structured record; None for a line of text."""
    is_header: bool = False
    """Whether it is no record but the header of a table, whose names are the keys of `fields`."""
    has_header: bool = True
    """False where the stream did not name its columns, as in the 2015 layout."""
    size: int = 0
    """About how many characters it holds in memory, its columns included."""
    error: DataError | None = None
    """Why it is no record of its format; `raw` is its first line then, and `fields` what could be read of it."""


def find_format(path: Path | None, asked: str | None) -> str:
    """Return the format of an input: the one asked for, or by the file's suffix; lines of text where neither says.

    Raises:
        UsageError: the suffix is of a format that cannot be streamed.
    """
    if asked:
        return asked
    suffix = split_suffix(path)[0] if path else ""
    if suffix in (".json", ".parquet"):
        raise UsageError(
            f"--input {path}: {suffix} files are not streamed.",
            hint="Convert it to .jsonl or .csv, or say --input-format.",
        )
    return FORMATS_BY_SUFFIX.get(suffix, "text")


def make_chooser(asked: tuple[str, ...] | None, trained: tuple[str, ...] | None) -> Chooser:
    """Return how the text columns are chosen: those asked for, else those of the training data, else by their names."""

    def choose(columns: Sequence[str], where: str) -> tuple[str, ...]:
        return choose_text_columns(columns, asked, where, preferred=trained)

    return choose


def open_records(path: Path) -> IO[bytes]:
    """Open a file of records, decompressed by its suffix.

    Raises:
        UsageError: it cannot be opened.
    """
    try:
        return open_bytes(path)
    except OSError as error:
        raise UsageError(f"--input {path}: cannot be read ({error.strerror or error}).") from error


def read_records(stream: IO[bytes], *, kind: str, name: str, choose: Chooser) -> Iterator[Record]:
    """Yield the records of a stream of format `kind`; `name` stands in messages. A broken one carries its `error`.

    Raises:
        DataError: the stream is damaged, a line has no end, or a table has no header that can be used; names the line.
    """
    with report_damage(Path(name)):
        yield from READERS[kind](_decode(stream, name), name, choose)


def _decode(stream: IO[bytes], name: str) -> Iterator[str]:
    """Yield lines with their ends, without a byte order mark."""
    for number, line in enumerate(read_lines(stream, name)):
        if number == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        yield line.decode("utf-8", "surrogateescape")


def _read_text(lines: Iterator[str], name: str, choose: Chooser) -> Iterator[Record]:
    for line in lines:
        raw = strip_end(line)
        yield Record(clean_text(raw), raw, size=len(raw))


def _read_jsonl(lines: Iterator[str], name: str, choose: Chooser) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        raw, where = line.strip(), f"{name}:{number}"
        if not raw:
            yield Record("", "{}", {})
            continue
        fields: dict[str, object] = {}
        try:
            found = parse_json(clean_text(raw), where)
            if not isinstance(found, dict):
                raise DataError(f"{where}: expected a JSON object, found {type(found).__name__}.")
            fields = _clean_fields(found) if "\\u" in raw else found
            yield Record(build_text(fields, choose(list(fields), where), where), raw, fields, size=2 * len(raw))
        except DataError as error:
            yield Record("", raw, fields, size=2 * len(raw), error=error)


def _clean_fields(fields: dict[str, object]) -> dict[str, object]:
    """Return an object's fields without halves of surrogate pairs, which JSON can escape and no other format can write."""
    return {clean_text(name): clean_text(value) if isinstance(value, str) else value for name, value in fields.items()}


def _read_tsv(lines: Iterator[str], name: str, choose: Chooser) -> Iterator[Record]:
    yield from _read_table(read_tsv_rows(lines), name, choose, separator="\t")


def _read_csv(lines: Iterator[str], name: str, choose: Chooser) -> Iterator[Record]:
    yield from _read_table(read_csv_rows(lines), name, choose, separator=",")


def _read_table(rows: Iterator[TableRow], name: str, choose: Chooser, *, separator: str) -> Iterator[Record]:
    header: list[str] | None = None
    columns: list[str] = []
    text_columns: tuple[str, ...] = ()
    headless = False
    for row in rows:
        where, values = f"{name}:{row.number}", row.values
        cleaned = [clean_text(value) for value in values]
        if header is None:
            if row.error:
                raise DataError(f"{where}: {row.error}.")
            if not "".join(values):
                continue
            columns, headless = name_columns(cleaned, where)
            header = columns if headless else values
            text_columns = choose(columns, where)
            if not headless:
                yield Record("", "", dict.fromkeys(values), is_header=True)
                continue
        size = len(row.raw) + sum(map(len, values)) + _CELL * len(columns)
        if values in ([], [""]) and not row.error:
            values = cleaned = [""] * len(columns)
        problem = row.error or (f"{len(values)} fields, expected {len(columns)}" if len(values) != len(columns) else None)
        if problem:
            fitted = fit_row(values or [row.raw], len(columns), separator)
            fields: dict[str, object] = dict(zip(header, fitted, strict=True))
            raw = row.raw or separator.join(values)
            error = DataError(f"{where}: {problem}.")
            yield Record("", raw, fields, has_header=not headless, size=2 * size, error=error)
            continue
        text = build_text(read_fields(columns, cleaned, headless=headless), text_columns, where)
        yield Record(text, "", dict(zip(header, values, strict=True)), has_header=not headless, size=size)


READERS: dict[str, Callable[[Iterator[str], str, Chooser], Iterator[Record]]] = {
    "csv": _read_csv,
    "jsonl": _read_jsonl,
    "text": _read_text,
    "tsv": _read_tsv,
}


def dump_json(value: object) -> str:
    """Return a value as JSON on one line; undecodable bytes become U+FFFD, since JSON is UTF-8."""
    try:
        return clean_text(json.dumps(value, ensure_ascii=False))
    except RecursionError as error:
        raise DataError("A JSON value is nested too deep to be written again.") from error
