"""What the tests of formats share: bytes read and written as the verbs read and write them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from polarity_cli.config import ReadOptions
from polarity_cli.data.reading import Reading, read_texts
from polarity_cli.formats import open_path, open_pipe
from polarity_cli.formats.on_error import Losses, settle
from polarity_cli.formats.record import Record
from polarity_cli.formats.results import DocumentWriter, Writer, admit, make_writer, name_results
from polarity_cli.records import Observer, Prediction, SilentObserver

ANSWER = Prediction("positive", 0.98765432)
BLANK = Prediction("", None)
FIELDS = ("title", "content")


class Notes(SilentObserver):
    """Keep what is said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        """Keep a note."""
        self.notes.append(message)

    warn = note


def read_rows(path: Path, **options: object) -> Iterator[Record]:
    """Yield a file's records as training reads them: a broken one, or bytes that are not UTF-8, ends it."""
    with closing(open_path(path, ReadOptions(**options))) as stream:  # type: ignore[arg-type]
        yield from settle(stream.records, "fail", Losses(), SilentObserver(), encoding=stream.encoding)


def read_pipe(
    data: bytes,
    format: str,
    *,
    option: Sequence[str] | None = None,
    preferred: Sequence[str] | None = FIELDS,
    on_error: str = "fail",
) -> Reading:
    """Return what a pipe of bytes is read as."""
    stream = open_pipe(io.BytesIO(data), ReadOptions(), format=format, name="in")
    return read_texts(stream, option=option, preferred=preferred, stops_at_error=on_error == "fail")


def read_records(data: bytes, format: str = "text") -> list[Record]:
    """Return the records of a pipe, broken ones too."""
    return list(read_pipe(data, format, on_error="keep").records)


def convert(
    data: bytes, format: str, to: str | None = None, *, on_error: str = "keep", observer: Observer | None = None
) -> bytes:
    """Return what `predict` writes for a pipe, were the answer always the same; `to` may be `document`."""
    observer, losses, sink = observer or SilentObserver(), Losses(), io.BytesIO()
    reading = read_pipe(data, format, on_error=on_error)
    columns = reading.columns if format != "text" or reading.columns else ["text"]
    names, format = name_results(columns), to or format
    writer: Writer = (
        DocumentWriter(sink, names, {}) if to == "document" else make_writer(format, sink, reading.stream, columns, names)
    )
    fixed = frozenset(columns) if format in ("csv", "tsv") else None
    records = (admit(record, names, fixed) for record in reading.records)
    for record in settle(records if format != "text" else reading.records, on_error, losses, observer):
        writer.write(record, ANSWER if record.text.strip() else BLANK)
    writer.finish()
    losses.report(observer, on_error)
    return sink.getvalue()
