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
_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet may run; the last four are the same signs in full width."""
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
    is_line = record.fields is None or record.error is not None
    text = record.raw.replace("\n", " ") if is_line else record.text.translate(_LINE_BREAKS)
    score = "" if prediction.score is None else f"{prediction.score:.2f}"
    return f"{prediction.label}\t{score}\t{text}"


def format_jsonl(record: Record, prediction: Prediction) -> str:
    """Return the record's own object, as it was written, with `label` and `score` behind its fields."""
    is_object = record.raw and record.fields is not None and record.error is None
    own = record.raw if is_object else dump_json(get_fields(record))
    added = dump_json(get_results(record, prediction))
    inner = own.rstrip().removesuffix("}").rstrip()
    return f"{inner}{'' if inner == '{' else ', '}{added.removeprefix('{')}"


class TableWriter:
    """CSV or TSV: the record's own columns, then `label` and `score`; a header where the input had one."""

    def __init__(self, stream: IO[bytes], format_line: Callable[[Sequence[str]], str]) -> None:
        self._stream = stream
        self._format = format_line
        self._columns: list[str] | None = None
        self._known: set[str] = set()
        self._held: list[tuple[str, Prediction]] = []
        """Records without columns, blank or broken, held back until one names them."""

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one line, and the header before the first."""
        fields = get_fields(record) if record.error is None else record.fields or {}
        if self._columns is None:
            if not fields:
                self._held.append((record.raw if record.error else "", prediction))
                return
            self._write_header(fields, shown=record.has_header)
        if not record.is_header:
            self._write_record(fields, prediction, record.raw if record.error else "")

    def finish(self) -> None:
        """Write the records that were held back, where none named the columns."""
        if self._held:
            self._write_header({}, shown=True)

    def _write_header(self, fields: dict[str, object], *, shown: bool) -> None:
        self._columns, self._known = list(fields), set(fields)
        if shown:
            self._write_line([*self._columns, *name_results(fields)])
        for raw, prediction in self._held:
            self._write_record({}, prediction, raw)
        self._held.clear()

    def _write_record(self, fields: dict[str, object], prediction: Prediction, raw: str) -> None:
        """Write one record; a broken one without columns leaves its line in the first."""
        columns = self._columns or []
        fields = fields or dict.fromkeys(columns[:1], raw)
        unknown = [name for name in fields if name not in self._known]
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
    """One JSON document: which checkpoint answered, and the records with `label` and `score`, written when `finish` is called."""

    def __init__(self, stream: IO[bytes], *, checkpoint: str) -> None:
        self._stream, self._checkpoint = stream, checkpoint
        self._predictions: list[dict[str, object]] = []

    def write(self, record: Record, prediction: Prediction) -> None:
        """Keep one record."""
        if record.is_header:
            return
        self._predictions.append({**get_fields(record), **get_results(record, prediction)})

    def finish(self) -> None:
        """Write the document."""
        _emit(self._stream, dump_json({"checkpoint": self._checkpoint, "predictions": self._predictions}) + "\n")


TABLES: dict[str, Callable[[Sequence[str]], str]] = {"csv": format_csv_line, "tsv": format_tsv_line}


def escape_formulas(format_line: Callable[[Sequence[str]], str]) -> Callable[[Sequence[str]], str]:
    """Return what formats a table's line with an apostrophe before each cell that a spreadsheet would take for a formula."""

    def format_escaped(values: Sequence[str]) -> str:
        return format_line([f"'{value}" if _FORMULA.match(value) else value for value in values])

    return format_escaped


WRITERS: dict[str, Callable[[IO[bytes]], Writer]] = {
    "csv": lambda stream: TableWriter(stream, TABLES["csv"]),
    "jsonl": lambda stream: LineWriter(stream, format_jsonl),
    "text": lambda stream: LineWriter(stream, format_text),
    "tsv": lambda stream: TableWriter(stream, TABLES["tsv"]),
}


def get_fields(record: Record) -> dict[str, object]:
    """Return a record's columns; a line of text has one, `text`, and a broken line that has none keeps `line` and `error`."""
    if record.error is not None and not record.fields:
        return {"line": record.raw, "error": str(record.error)}
    return {"text": record.raw} if record.fields is None else record.fields


def get_results(record: Record, prediction: Prediction) -> dict[str, object]:
    """Return the new fields of a record: `label`, `score`, and `words` where it is explained."""
    fields = get_fields(record)
    label, score = name_results(fields)
    results: dict[str, object] = {label: prediction.label, score: round_score(prediction)}
    if prediction.words is not None:
        name = label.removesuffix("label") + "words"
        while name in fields:
            name = f"predicted_{name}"
        results[name] = [{"word": word, "weight": round(weight, 4)} for word, weight in prediction.words]
    return results


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


def write_table(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]], *, escaped: bool = False) -> None:
    """Write rows to a `.csv`, `.tsv` or `.jsonl` file, in one step; in a table, formulas may be `escaped`."""
    work = path.with_name(f".{path.name}.part")
    format_line = TABLES.get(path.suffix[1:], format_csv_line)
    if escaped:
        format_line = escape_formulas(format_line)
    with work.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(dump_json(row) + "\n" for row in rows)
        else:
            file.write(format_line(columns))
            file.writelines(format_line([_as_cell(row[name]) for name in columns]) for row in rows)
    work.replace(path)
