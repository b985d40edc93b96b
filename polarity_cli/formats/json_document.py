"""Read a JSON document: `.json` with an array of objects, an object that holds one, or JSON lines. Next: `data/columns`."""

from __future__ import annotations

import io
from collections.abc import Iterator

from polarity_cli.errors import DataError
from polarity_cli.formats import jsonl
from polarity_cli.formats.decoding import Lines
from polarity_cli.formats.jsonl import as_object, parse_json
from polarity_cli.formats.record import Input, Record, Stream

LARGEST_DOCUMENT = 1 << 30
"""The most characters of a document, which is read whole and takes about three times as much memory."""


def read(source: Input) -> Stream:
    """Return the objects of a document as a stream.

    Raises:
        DataError: it is not JSON, or holds no array of objects, or several.
    """
    lines = Lines(source.stream, source.name, encoding=source.options.encoding)
    document, undecodable, is_lines = _collect(lines, source.name)
    if is_lines:
        stream = Stream(source.name, source.format, _read_lines(document, lines, source.name), is_file=source.is_file)
    else:
        rows, note = _find_rows(parse_json("".join(document), source.name), source.name)
        stream = Stream(source.name, source.format, _read_rows(rows, undecodable, source.name), is_file=source.is_file)
        stream.notes = [note] if note else []
    stream.encoding, stream.has_mark = lines.encoding, lines.has_mark
    return stream


def _collect(lines: Lines, name: str) -> tuple[list[str], int, bool]:
    """Return a document's lines, the first line with undecodable bytes or 0, and whether each line is an object.

    Where each line is an object, only the first lines are returned.
    """
    document: list[str] = []
    size = undecodable = 0
    for line in lines:
        document.append(line)
        size += len(line)
        undecodable = undecodable or lines.take_undecodable()
        if size > LARGEST_DOCUMENT:
            raise DataError(
                f"{name}: a JSON array is read whole, and this one is too large.", hint="Convert it to JSON lines (.jsonl)."
            )
        if _holds_two(document):
            return document, undecodable, True
    filled = [line for line in document if line.strip()]
    return document, undecodable, len(filled) != 1 and bool(filled) and _is_object(filled[0])


def _holds_two(document: list[str]) -> bool:
    """Return, once the second line with content is read, whether the first was a whole object."""
    if not document[-1].strip() or document[0].lstrip()[:1] not in ("", "{"):
        return False
    filled = [line for line in document[:64] if line.strip()]
    return len(filled) == 2 and len(document) < 64 and _is_object(filled[0])


def _is_object(line: str) -> bool:
    try:
        return isinstance(parse_json(line, ""), dict)
    except DataError:
        return False


def _read_lines(first: list[str], lines: Lines, name: str) -> Iterator[Record]:
    """Yield the records of JSON lines, the `first` lines and then the rest; blank ones are left out."""
    data = io.BytesIO("".join(first).encode("utf-8", "surrogateescape"))
    yield from (record for record in jsonl.read_lines(Lines(data, name), name) if record.raw != "{}" or record.fields)
    rest = jsonl.read_lines(lines, name, n_before=len(first))
    yield from (record for record in rest if record.raw != "{}" or record.fields)


def _find_rows(value: object, name: str) -> tuple[list[object], str | None]:
    """Return the array of rows in a document, and a note that names the field that holds it, if one does."""
    if isinstance(value, list):
        return value, None
    fields = as_object(value, name)
    arrays = [key for key, inner in fields.items() if isinstance(inner, list) and any(isinstance(row, dict) for row in inner)]
    if len(arrays) == 1:
        return fields[arrays[0]], f"rows from its field {arrays[0]!r}"  # type: ignore[return-value]
    if len(arrays) > 1:
        shown = ", ".join(map(repr, arrays[:10]))
        raise DataError(f"{name}: several of its fields hold rows: {shown}.", hint="Save one of them, as an array of objects.")
    objects = [key for key, inner in fields.items() if isinstance(inner, dict)]
    if len(objects) == 1 and len(fields) == 1:
        return _find_rows(fields[objects[0]], f"{name}: {objects[0]!r}")
    if fields and all(isinstance(inner, list | dict) for inner in fields.values()):
        raise DataError(
            f"{name}: a JSON object of columns ({', '.join(map(repr, list(fields)[:10]))}), expected rows.",
            hint='Save it by rows: DataFrame.to_json(path, orient="records").',
        )
    return [fields], None


def _read_rows(rows: list[object], undecodable: int, name: str) -> Iterator[Record]:
    for number, row in enumerate(rows, 1):
        where = f"{name}: object {number}"
        try:
            yield Record(as_object(row, where), "", where, number, 64, None, undecodable)
        except DataError as error:
            yield Record({}, jsonl.dump_json(row), where, number, 64, error)
        undecodable = 0  # reported once
