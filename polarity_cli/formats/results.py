"""Write predictions as they come, a line or a row for each record, in any written format. Last step of the road.

The names of the added columns are fixed with the header, in JSON lines with the first record, and stay the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Protocol

from polarity_cli.errors import DataError, UsageError
from polarity_cli.formats.decoding import emit
from polarity_cli.formats.jsonl import dump_json
from polarity_cli.formats.output_file import TABLES, Sink, make_sink
from polarity_cli.formats.record import Record, Stream
from polarity_cli.records import Prediction

SCHEMA = "polarity/predict/1"
"""The version of the JSON document; see `schemas/`."""
_LINE_BREAKS = str.maketrans({"\n": " ", "\r": " "})
_DEFAULT_PREFIX = "predicted_"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the added columns."""

    label: str = "label"
    score: str = "score"
    words: str = "words"

    def answer(self, prediction: Prediction) -> dict[str, object]:
        """Return the added columns of one record, the score to six decimals."""
        score = None if prediction.score is None else round(prediction.score, 6)
        answer: dict[str, object] = {self.label: prediction.label, self.score: score}
        if prediction.words is not None:
            answer[self.words] = [{"word": word, "weight": round(weight, 4)} for word, weight in prediction.words]
        return answer


def name_results(columns: Collection[str], prefix: str | None = None, *, explains: bool = False) -> Names:
    """Return the names of the added columns: `label` and `score`, with `predicted_` before them where the input has either.

    Raises:
        UsageError: the input has columns with the names that `prefix` gives.
    """
    for before in [prefix] if prefix is not None else [_DEFAULT_PREFIX * n for n in range(len(columns) + 1)]:
        names = Names(f"{before}label", f"{before}score", f"{before}words")
        if not {names.label, names.score, *([names.words] if explains else [])} & set(columns):
            return names
    raise UsageError(f"--prefix {prefix}: the input has a column of that name already.", hint="Choose another --prefix.")


def admit(record: Record, names: Names, columns: Collection[str] | None) -> Record:
    """Return the record if it fits the output; else a broken one that says why not.

    Args:
        record: the record to write.
        names: the added columns, which the record must not have.
        columns: the columns of the output; None where each record has its own.
    """
    if record.error is not None or not record.fields:
        return record
    clashes = [name for name in (names.label, names.score) if name in record.fields]
    if columns is None and clashes:
        problem, hint = (
            f"it has a field {clashes[0]!r}, which the first record had not",
            "Name the answers otherwise: --prefix predicted_.",
        )
    elif columns is not None and (unknown := [name for name in record.fields if name not in columns]):
        problem = f"it has columns that the first ones had not: {', '.join(unknown[:10])}"
        hint = "Write records of unlike columns with --format jsonl."
    else:
        return record
    fields = record.fields if columns is None else {name: value for name, value in record.fields.items() if name in columns}
    return replace(
        record, fields=fields if columns is not None else {}, error=DataError(f"{record.where}: {problem}.", hint=hint)
    )


class Writer(Protocol):
    """Write predictions to a stream of bytes."""

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one record with its prediction."""

    def finish(self) -> None:
        """Write what was held back."""


def make_writer(
    format: str, sink: IO[bytes], stream: Stream, columns: Sequence[str], names: Names, *, escaped: bool = False
) -> Writer:
    """Return a writer of predictions in a format.

    Args:
        format: one of `WRITTEN_FORMATS`.
        sink: the stream to write to.
        stream: the input, whose header, byte order mark, delimiter and types the output follows.
        columns: those of the input; `text` alone for plain lines.
        names: those of the added columns.
        escaped: whether cells that a spreadsheet would run get an apostrophe.
    """
    if format == "text":
        return TextWriter(sink)
    if format == "jsonl":
        return JsonlWriter(sink, names)
    added = {names.label: "string", names.score: "double"}
    rows = make_sink(format, sink, columns, added=added, like=stream, escaped=escaped)
    return RowWriter(rows, columns, names, as_text=format in TABLES)


class TextWriter:
    """Write `label <tab> score <tab> text` for each record, the text last so that tabs inside it do no harm."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one line."""
        emit(self._sink, format_text(record, prediction) + "\n")

    def finish(self) -> None:
        """Do nothing: every record is written at once."""


def format_text(record: Record, prediction: Prediction) -> str:
    """Return a record and its prediction as `label <tab> score <tab> text`."""
    is_line = record.fields is None or record.error is not None
    text = record.raw.replace("\n", " ") if is_line else record.text.translate(_LINE_BREAKS)
    score = "" if prediction.score is None else f"{prediction.score:.2f}"
    return f"{prediction.label}\t{score}\t{text}"


class JsonlWriter:
    """Write each record's own JSON object unchanged, with the added fields at its end."""

    def __init__(self, sink: IO[bytes], names: Names) -> None:
        self._sink, self._names = sink, names

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one line."""
        is_object = record.raw.startswith("{") and record.fields is not None and record.error is None
        own = record.raw if is_object else dump_json(dict(get_fields(record)))
        added = dump_json(self._names.answer(prediction))
        inner = own.rstrip().removesuffix("}").rstrip()
        emit(self._sink, f"{inner}{'' if inner == '{' else ', '}{added.removeprefix('{')}\n")

    def finish(self) -> None:
        """Do nothing: every record is written at once."""


class RowWriter:
    """Write each record's own columns, then label and score, to a sink of rows."""

    def __init__(self, sink: Sink, columns: Sequence[str], names: Names, *, as_text: bool) -> None:
        self._sink, self._columns, self._names, self._as_text = sink, list(columns), names, as_text

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one row; the line of a broken record without fields goes to the first column."""
        fields = get_fields(record) if record.error is None else record.fields or dict.fromkeys(self._columns[:1], record.raw)
        answer = self._names.answer(prediction)
        score = answer[self._names.score]
        if self._as_text and score is not None:
            answer[self._names.score] = f"{score:.6f}"
        self._sink.write(fields, answer)

    def finish(self) -> None:
        """Write what was held back."""
        self._sink.finish()


class DocumentWriter:
    """Write one JSON document in `finish`: its version, the fields of `about`, and all records with their predictions."""

    def __init__(self, sink: IO[bytes], names: Names, about: dict[str, object]) -> None:
        self._sink, self._names, self._about = sink, names, about
        self._predictions: list[dict[str, object]] = []

    def write(self, record: Record, prediction: Prediction) -> None:
        """Keep one record."""
        self._predictions.append({**get_fields(record), **self._names.answer(prediction)})

    def finish(self) -> None:
        """Write the document."""
        emit(self._sink, dump_json({"schema": SCHEMA, **self._about, "predictions": self._predictions}) + "\n")


def get_fields(record: Record) -> Mapping[str, object]:
    """Return a record's fields: `text` for a plain line, `line` and `error` for a broken record without fields."""
    if record.error is not None and not record.fields:
        return {"line": record.raw, "error": str(record.error)}
    return {"text": record.raw} if record.fields is None else record.fields
