"""Predictions written as they become known, one line for each record. Last step of the road.

To add an output format, write one function from a record and its prediction to a line, and add one line to `WRITERS`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from polarity_cli.errors import DataError
from polarity_cli.records import Prediction
from polarity_cli.serving.readers import Record, dump_json

_HALF_PAIRS = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Surrogates that stand for no byte: they come from escapes in JSON."""
_COLOURS = {"negative": 31, "positive": 32, "uncertain": 33}
_LINE_BREAKS = str.maketrans({"\n": " ", "\r": " "})
_SEPARATORS = str.maketrans({"\t": " ", "\n": " ", "\r": " "})


class Writer(Protocol):
    """Write predictions to a stream of bytes."""

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one record with its prediction; a table's header comes before its records."""

    def finish(self) -> None:
        """Write what was held back."""


def _emit(stream: IO[bytes], line: str) -> None:
    stream.write(_HALF_PAIRS.sub("\ufffd", line).encode("utf-8", "surrogateescape"))


class LineWriter:
    """A line for each record, by `format_line`; a table's header is no record."""

    def __init__(self, stream: IO[bytes], format_line: Callable[[Record, Prediction], str]) -> None:
        self._stream = stream
        self._format = format_line

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one line."""
        if not record.is_header:
            _emit(self._stream, self._format(record, prediction) + "\n")

    def finish(self) -> None:
        """Do nothing: every record is written at once."""


def format_text(record: Record, prediction: Prediction) -> str:
    """Return `label <tab> score <tab> text`, the text last so that tabs inside it do no harm."""
    text = record.raw.replace("\n", " ") if record.fields is None else record.text.translate(_LINE_BREAKS)
    score = "" if prediction.score is None else f"{prediction.score:.2f}"
    return f"{prediction.label}\t{score}\t{text}"


def format_jsonl(record: Record, prediction: Prediction) -> str:
    """Return the record's own object, as it was written, with `label` and `score` behind its fields."""
    own = record.raw if record.raw and record.fields is not None else dump_json(get_fields(record))
    label, score = name_results(get_fields(record))
    added = dump_json({label: prediction.label, score: round_score(prediction)})
    inner = own.rstrip().removesuffix("}").rstrip()
    return f"{inner}{'' if inner == '{' else ', '}{added.removeprefix('{')}"


def format_terminal(record: Record, prediction: Prediction, *, colour: bool) -> str:
    """Return a line for a person: label in colour, score in percent, and the text without control characters."""
    label = f"{prediction.label:<9}"
    if colour and prediction.label:
        label = f"\033[{_COLOURS[prediction.label]}m{label}\033[0m"
    score = "" if prediction.score is None else f"{prediction.score:.0%}"
    # A review must not move the cursor or recolour the terminal: escape sequences lose what makes them one.
    text = "".join(c if c.isprintable() else " " for c in record.text)
    return f"{label} {score:>4}  {text}"


class TableWriter:
    """CSV or TSV: the record's own columns, then `label` and `score`; a header where the input had one."""

    def __init__(self, stream: IO[bytes], format_line: Callable[[Sequence[str]], str]) -> None:
        self._stream = stream
        self._format = format_line
        self._columns: list[str] | None = None
        self._held: list[Prediction] = []
        """Predictions of blank records without columns, held back until a record names them."""

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one line, and the header before the first."""
        fields = get_fields(record)
        if self._columns is None:
            if not fields:
                self._held.append(prediction)
                return
            self._write_header(fields, shown=record.has_header)
        if not record.is_header:
            self._write_record(fields, prediction)

    def finish(self) -> None:
        """Write the records that were held back, where none named the columns."""
        if self._held:
            self._write_header({}, shown=True)

    def _write_header(self, fields: dict[str, object], *, shown: bool) -> None:
        self._columns = list(fields)
        if shown:
            self._write_line([*self._columns, *name_results(fields)])
        for prediction in self._held:
            self._write_record({}, prediction)
        self._held.clear()

    def _write_record(self, fields: dict[str, object], prediction: Prediction) -> None:
        columns = self._columns or []
        unknown = [name for name in fields if name not in columns]
        if unknown:
            raise DataError(
                f"A record has columns that the first had not: {', '.join(unknown[:10])}.",
                hint="Write records of unlike columns with --format jsonl.",
            )
        score = round_score(prediction)
        values = [_as_cell(fields.get(name)) for name in columns]
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


class DocumentWriter:
    """One JSON document: the records with `label` and `score`, written when `finish` is called."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._predictions: list[dict[str, object]] = []

    def write(self, record: Record, prediction: Prediction) -> None:
        """Keep one record."""
        if record.is_header:
            return
        fields = get_fields(record)
        label, score = name_results(fields)
        self._predictions.append({**fields, label: prediction.label, score: round_score(prediction)})

    def finish(self) -> None:
        """Write the document."""
        _emit(self._stream, dump_json({"predictions": self._predictions}) + "\n")


WRITERS: dict[str, Callable[[IO[bytes]], Writer]] = {
    "csv": lambda stream: TableWriter(stream, format_csv_line),
    "jsonl": lambda stream: LineWriter(stream, format_jsonl),
    "text": lambda stream: LineWriter(stream, format_text),
    "tsv": lambda stream: TableWriter(stream, format_tsv_line),
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
