"""Read and write JSON lines, one object each: `.jsonl`, `.ndjson`. One module of the table in `formats`; next: `data/columns`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from polarity_cli.errors import DataError
from polarity_cli.formats.decoding import Lines, emit
from polarity_cli.formats.record import Input, Record, Stream
from polarity_cli.text import clean_text


def read(source: Input) -> Stream:
    """Return the objects of lines of JSON; a blank line is a blank record."""
    lines = Lines(source.stream, source.name, encoding=source.options.encoding)
    notes = [] if lines.encoding == "utf-8" else [lines.encoding]
    stream = Stream(source.name, source.format, read_lines(lines, source.name), notes=notes, has_mark=lines.has_mark)
    stream.is_file, stream.encoding = source.is_file, lines.encoding
    return stream


def read_lines(lines: Lines, name: str, *, n_before: int = 0) -> Iterator[Record]:
    """Yield a record for each line, numbered after `n_before` earlier lines."""
    for number, line in enumerate(lines, n_before + 1):
        raw, where = line.strip(), f"{name}:{number}"
        undecodable = lines.take_undecodable() if lines.undecodable else 0
        if not raw:
            yield Record({}, "{}", where, number)
            continue
        fields: dict[str, object] = {}
        try:
            fields = as_object(parse_json(clean_text(raw), where), where)
            fields = _clean_fields(fields) if "\\u" in raw else fields
            yield Record(fields, raw, where, number, 2 * len(raw), None, undecodable)
        except DataError as error:
            yield Record(fields, raw, where, number, 2 * len(raw), error)


def _clean_fields(fields: dict[str, object]) -> dict[str, object]:
    """Return an object's fields without lone surrogates, which JSON can escape and no other format can write."""
    return {clean_text(name): clean_text(value) if isinstance(value, str) else value for name, value in fields.items()}


class JsonlSink:
    """Write rows as objects, one a line."""

    def __init__(self, stream: IO[bytes], columns: Sequence[str]) -> None:
        self._stream, self._columns = stream, list(columns)

    def write(self, row: Mapping[str, object]) -> None:
        """Write one row."""
        emit(self._stream, dump_json({name: row.get(name) for name in self._columns}) + "\n")

    def finish(self) -> None:
        """Do nothing: every row is written at once."""


def make_sink(
    format: str, stream: IO[bytes], columns: Sequence[str], *, added: Mapping[str, str], like: Stream | None, escaped: bool
) -> JsonlSink:
    """Return a sink for JSON lines; see `output_file.make_sink`."""
    return JsonlSink(stream, [*columns, *added])


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
        if text.lstrip().startswith(("{'", "[{'")):
            raise DataError(
                f"{where}: a Python dictionary, not JSON.",
                hint="Write it again: json.dumps(ast.literal_eval(line)) for each line.",
            ) from error
        mend = (
            "Write null for a missing value: json.dumps(value, allow_nan=False) tells where." if "no JSON" in str(error) else None
        )
        raise DataError(f"{where}: not valid JSON ({error}).", hint=mend) from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _parse_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_constant(text)


def as_object(value: object, where: str) -> dict[str, object]:
    """Return a JSON value if it is an object; raise DataError otherwise."""
    if not isinstance(value, dict):
        hint = "An array of objects is read from a file called .json." if isinstance(value, list) else None
        raise DataError(
            f"{where}: expected a JSON object with a field for each column, found {type(value).__name__}.",
            hint=hint or 'Write objects such as {"text": "...", "label": 1}.',
        )
    return value


def dump_json(value: object) -> str:
    """Return a value as JSON on one line; undecodable bytes become U+FFFD, and types that JSON lacks become text.

    Raises:
        DataError: it is nested too deep.
    """
    try:
        return clean_text(json.dumps(value, ensure_ascii=False, default=_as_text))
    except RecursionError as error:
        raise DataError("A JSON value is nested too deep to be written again.") from error


def _as_text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
