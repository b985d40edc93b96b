"""Predictions written as they become known, one line for each record. Last step of the road.

To add an output format, write one class with `write` and add one line to `WRITERS`.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from polarity_cli.data.files import split_suffix
from polarity_cli.errors import DataError, UsageError
from polarity_cli.records import Prediction
from polarity_cli.serving.readers import FORMATS_BY_SUFFIX, Record, dump_json

_HALF_PAIRS = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Surrogates that stand for no byte: they come from escapes in JSON."""
_LINE_BREAKS = str.maketrans({"\n": " ", "\r": " "})
_SEPARATORS = str.maketrans({"\t": " ", "\n": " ", "\r": " "})


class Writer(Protocol):
    """Write predictions to a stream of bytes."""

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one record with its prediction."""


def _emit(stream: IO[bytes], line: str) -> None:
    stream.write(_HALF_PAIRS.sub("\ufffd", line).encode("utf-8", "surrogateescape"))


class TextWriter:
    """`label <tab> score <tab> text`, the text last so that tabs inside it do no harm."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one line."""
        text = record.raw.replace("\n", " ") if record.fields is None else record.text.translate(_LINE_BREAKS)
        score = "" if prediction.score is None else f"{prediction.score:.2f}"
        _emit(self._stream, f"{prediction.label}\t{score}\t{text}\n")


class JsonlWriter:
    """The record's own object, as it was written, with `label` and `score` behind its fields."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one line."""
        own = record.raw if record.raw and record.fields is not None else dump_json(get_fields(record))
        label, score = name_results(get_fields(record))
        added = dump_json({label: prediction.label, score: round_score(prediction)})
        inner = own.rstrip().removesuffix("}").rstrip()
        _emit(self._stream, f"{inner}{'' if inner == '{' else ', '}{added.removeprefix('{')}\n")


class TableWriter:
    """CSV or TSV: the record's own columns, then `label` and `score`; a header where the input had one."""

    def __init__(self, stream: IO[bytes], delimiter: str) -> None:
        self._stream = stream
        self._format = format_tsv_line if delimiter == "\t" else format_csv_line
        self._columns: list[str] | None = None

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one line, and the header before the first."""
        fields = get_fields(record)
        if self._columns is None:
            self._columns = list(fields)
            if record.has_header:
                self._write_line([*self._columns, *name_results(fields)])
        unknown = [name for name in fields if name not in self._columns]
        if unknown:
            raise DataError(
                f"A record has columns that the first had not: {', '.join(unknown[:10])}.",
                hint="Write records of unlike columns with --format jsonl.",
            )
        score = round_score(prediction)
        values = [_as_cell(fields.get(name)) for name in self._columns]
        self._write_line([*values, prediction.label, "" if score is None else f"{score:.6f}"])

    def _write_line(self, values: Sequence[str]) -> None:
        _emit(self._stream, self._format(values))


def format_csv_line(values: Sequence[str]) -> str:
    """Return values as a line of CSV."""
    line = io.StringIO()
    # The csv module quotes a carriage return only where it is part of the line's end; a bare one would break the row.
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue().removesuffix("\r\n") + "\n"


def format_tsv_line(values: Sequence[str]) -> str:
    """Return values as a line of TSV, which has no quoting: tabs and line breaks become spaces."""
    return "\t".join(value.translate(_SEPARATORS) for value in values) + "\n"


class TerminalWriter:
    """A line for a person: label in colour, score in percent, and the text without control characters."""

    _COLOURS = {"negative": 31, "positive": 32, "uncertain": 33}  # noqa: RUF012 - a constant

    def __init__(self, stream: IO[bytes], *, colour: bool) -> None:
        self._stream = stream
        self._colour = colour

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one line."""
        label = f"{prediction.label:<9}"
        if self._colour and prediction.label:
            label = f"\033[{self._COLOURS[prediction.label]}m{label}\033[0m"
        score = "" if prediction.score is None else f"{prediction.score:.0%}"
        # A review must not move the cursor or recolour the terminal: escape sequences lose what makes them one.
        text = "".join(c if c.isprintable() else " " for c in record.text)
        _emit(self._stream, f"{label} {score:>4}  {text}\n")


class DocumentWriter:
    """One JSON document: the records with `label` and `score`, written when `finish` is called."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._predictions: list[dict[str, object]] = []

    def write(self, record: Record, prediction: Prediction) -> None:
        """Keep one record."""
        fields = get_fields(record)
        label, score = name_results(fields)
        self._predictions.append({**fields, label: prediction.label, score: round_score(prediction)})

    def finish(self) -> None:
        """Write the document."""
        _emit(self._stream, dump_json({"predictions": self._predictions}) + "\n")


def find_output_format(path: Path | None, asked: str | None, input_format: str) -> str:
    """Return the format of an output: the one asked for, or by the file's suffix, or the input's.

    Raises:
        UsageError: the suffix is of something that is not written.
    """
    suffix, compression = split_suffix(path) if path else ("", "")
    if compression:
        raise UsageError(f"--output {path}: compressed output is not written.", hint="Write to a pipe, e.g. `| gzip > FILE`.")
    if asked:
        return asked
    if suffix in (".json", ".parquet"):
        raise UsageError(f"--output {path}: {suffix} is not written.", hint="Choose .jsonl, .csv, .tsv or .txt, or say --format.")
    return FORMATS_BY_SUFFIX.get(suffix, input_format)


@contextmanager
def open_output(path: Path | None) -> Iterator[IO[bytes]]:
    """Give a stream to write to: standard output, or a file that gets its name when the block ends well.

    Where the block fails, what was written stays beside it as `NAME.partial`; a file that was there before is untouched.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None or str(path) == "-":
        yield sys.stdout.buffer
        return
    direct = path.exists() and not path.is_file()  # a FIFO or a device has no later name
    partial = path if direct else path.with_name(f"{path.name}.partial")
    try:
        stream = partial.open("wb")
    except OSError as error:
        raise UsageError(f"--output {path}: cannot be written ({error.strerror}).") from error
    with stream:
        yield stream
    if not direct:
        partial.replace(path)


WRITERS: dict[str, Callable[[IO[bytes]], Writer]] = {
    "csv": lambda stream: TableWriter(stream, ","),
    "jsonl": JsonlWriter,
    "text": TextWriter,
    "tsv": lambda stream: TableWriter(stream, "\t"),
}


def get_fields(record: Record) -> dict[str, object]:
    """Return a record's columns; a line of text has one, `text`."""
    return {"text": record.raw} if record.fields is None else record.fields


def name_results(fields: Collection[str]) -> tuple[str, str]:
    """Return the names of the two new columns: `label` and `score`, with as many `predicted_` before as it takes to be new."""
    prefix = ""
    while f"{prefix}label" in fields or f"{prefix}score" in fields:
        prefix += "predicted_"
    return f"{prefix}label", f"{prefix}score"


def round_score(prediction: Prediction) -> float | None:
    """Return a score to six decimals, as structured formats carry it."""
    return None if prediction.score is None else round(prediction.score, 6)


def _as_cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else dump_json(value)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows to a `.csv`, `.tsv` or `.jsonl` file, in one step."""
    work = path.with_name(f".{path.name}.part")
    format_line = format_tsv_line if path.suffix == ".tsv" else format_csv_line
    with work.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(dump_json(row) + "\n" for row in rows)
        else:
            file.write(format_line(columns))
            file.writelines(format_line([_as_cell(row[name]) for name in columns]) for row in rows)
    work.replace(path)
