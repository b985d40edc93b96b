"""Records from a stream, one at a time and whatever their bytes. Next: `serving/predictor`, then `serving/writers`.

Nothing is read ahead of what the stream holds, so a line that trickles in is a record at once. Bytes that are not UTF-8 stay in
a record as surrogates, so that they can be written as they came; the model reads them as U+FFFD.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from polarity_cli.data.columns import build_text, choose_text_columns
from polarity_cli.data.files import name_columns, parse_json, read_fields
from polarity_cli.data.opening import open_bytes, report_damage, split_suffix
from polarity_cli.errors import DataError, UsageError
from polarity_cli.records import clean_text

FORMATS_BY_SUFFIX = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv", ".txt": "text"}

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
    """Yield the records of a stream of format `kind`; `name` stands in messages.

    Raises:
        DataError: a structured record is broken, or no column can be the text; names the line.
    """
    with report_damage(Path(name)):
        yield from READERS[kind](_decode(stream), name, choose)


def _decode(stream: IO[bytes]) -> Iterator[str]:
    """Yield lines with their ends, without a byte order mark."""
    for number, line in enumerate(iter(stream.readline, b"")):
        if number == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        yield line.decode("utf-8", "surrogateescape")


def _strip_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _read_text(lines: Iterator[str], name: str, choose: Chooser) -> Iterator[Record]:
    for line in lines:
        raw = _strip_end(line)
        yield Record(clean_text(raw), raw)


def _read_jsonl(lines: Iterator[str], name: str, choose: Chooser) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        raw, where = line.strip(), f"{name}:{number}"
        if not raw:
            yield Record("", "{}", {})
            continue
        fields = parse_json(clean_text(raw), where)
        if not isinstance(fields, dict):
            raise DataError(f"{where}: expected a JSON object, found {type(fields).__name__}.")
        yield Record(build_text(fields, choose(list(fields), where), where), raw, fields)


def _read_tsv(lines: Iterator[str], name: str, choose: Chooser) -> Iterator[Record]:
    rows = (([*_strip_end(line).split("\t")], number) for number, line in enumerate(lines, 1))
    yield from _read_table(rows, name, choose)


def _read_csv(lines: Iterator[str], name: str, choose: Chooser) -> Iterator[Record]:
    reader = csv.reader(lines, strict=True)

    def rows() -> Iterator[tuple[list[str], int]]:
        first = 1
        try:
            for values in reader:
                yield values, first
                first = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{name}:{first}: not valid CSV ({error}).") from error

    yield from _read_table(rows(), name, choose)


def _read_table(rows: Iterator[tuple[list[str], int]], name: str, choose: Chooser) -> Iterator[Record]:
    header: list[str] | None = None
    columns: list[str] = []
    text_columns: tuple[str, ...] = ()
    headless = False
    for values, number in rows:
        where = f"{name}:{number}"
        cleaned = [clean_text(value) for value in values]
        if header is None:
            if not "".join(values):
                continue
            columns, headless = name_columns(cleaned, where)
            header = columns if headless else values
            text_columns = choose(columns, where)
            if not headless:
                yield Record("", "", dict.fromkeys(values), is_header=True)
                continue
        if values in ([], [""]):
            values = cleaned = [""] * len(columns)
        if len(values) != len(columns):
            raise DataError(f"{where}: {len(values)} fields, expected {len(columns)}.")
        text = build_text(read_fields(columns, cleaned, headless=headless), text_columns, where)
        yield Record(text, "", dict(zip(header, values, strict=True)), has_header=not headless)


READERS: dict[str, Callable[[Iterator[str], str, Chooser], Iterator[Record]]] = {
    "csv": _read_csv,
    "jsonl": _read_jsonl,
    "text": _read_text,
    "tsv": _read_tsv,
}


def dump_json(value: object) -> str:
    """Return a value as JSON on one line; undecodable bytes become U+FFFD, since JSON is UTF-8."""
    return clean_text(json.dumps(value, ensure_ascii=False))
