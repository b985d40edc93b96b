"""Read lines of text: `.txt` in fastText's layout, as text and label, or plain; `x.neg` and `x.pos`. Next: `data/columns`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath

from polarity_cli.errors import DataError
from polarity_cli.formats import delimited
from polarity_cli.formats.decoding import Lines
from polarity_cli.formats.record import Input, Record, Stream
from polarity_cli.formats.rows import strip_end

CLASS_SUFFIXES = (".neg", ".pos")
_LABEL = "__label__"
_FASTTEXT_LINE = re.compile(r"\s*(__label__\S+)(?:[ \t]+(.*))?", re.DOTALL)
_STARS = re.compile(r"\d(\.\d)? ?(stars?|/ ?5|out of 5( stars)?)|[\u2605\u2606]{1,5}")
_MOST_LABELS = 10
_LOOK_LINES, _LOOK_CHARACTERS = 200, 1 << 18
_LABEL_WORDS = frozenset(
    [
        "-1",
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "0.0",
        "1.0",
        "2.0",
        "3.0",
        "4.0",
        "5.0",
        "n",
        "p",
        "neg",
        "pos",
        "neu",
        "negative",
        "positive",
        "neutral",
        "mixed",
        "true",
        "false",
    ]
)


def read(source: Input) -> Stream:
    """Return the lines of a text as a stream; the fields are those of its layout, or None for plain lines."""
    lines = Lines(source.stream, source.name, encoding=source.options.encoding)
    sample: list[str] = []
    if source.is_file or source.suffix:
        sample, _ = lines.look_ahead(*((_LOOK_LINES, _LOOK_CHARACTERS) if source.is_file else (1, 1)))
    elif source.options.delimiter is None:
        sample, _ = lines.look_ahead(1, 1)
        sample = [line for line in sample if line.startswith(_LABEL)]  # a line of a pipe is a text unless it says that it is more
    filled = [line for line in sample if line.strip()]
    if source.suffix in CLASS_SUFFIXES:
        return _make_stream(source, lines, _read_class(lines, source.name, source.suffix[1:]), ["text", "label"], "a text a line")
    if filled and filled[0].lstrip().startswith(_LABEL):
        return _make_stream(source, lines, _read_fasttext(lines, source.name), ["label", "title", "content"], "fastText's layout")
    if source.options.delimiter or (source.is_file and _is_table(filled)):
        return delimited.read_lines(source, lines)
    return _make_stream(source, lines, _read_plain(lines, source.name), None, None)


def _make_stream(source: Input, lines: Lines, records: Iterator[Record], columns: list[str] | None, note: str | None) -> Stream:
    notes = [note] if note else []
    notes += [] if lines.encoding == "utf-8" else [lines.encoding]
    stream = Stream(source.name, source.format, records, columns=columns, notes=notes, has_mark=lines.has_mark)
    stream.is_file, stream.encoding = source.is_file, lines.encoding
    return stream


def _is_table(lines: Sequence[str]) -> bool:
    """Return whether lines are rows with tabs between cells: nine of ten have as many cells, and a column holds labels."""
    rows = [strip_end(line).split("\t") for line in lines]
    width, n_rows = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
    if len(rows) < 2 or width < 2 or n_rows * 10 < len(rows) * 9 - 9:
        return False
    fitting = [row for row in rows[1:] if len(row) == width]
    return any(_are_labels([row[column].strip().lower() for row in fitting]) for column in range(width))


def _are_labels(cells: Sequence[str]) -> bool:
    """Return whether a column holds labels: usual ones, or a few short values over and over."""
    filled = [cell for cell in cells if cell]
    if not filled or len(filled) * 10 < len(cells) * 8:
        return False
    if sum(cell in _LABEL_WORDS or _STARS.fullmatch(cell) is not None for cell in filled) * 10 >= len(filled) * 9:
        return True
    values = set(filled)
    return len(values) <= _MOST_LABELS and len(values) * 4 <= len(filled) and all(len(value.split()) <= 3 for value in values)


def _read_plain(lines: Lines, name: str) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        raw = strip_end(line)
        undecodable = lines.take_undecodable() if lines.undecodable else 0
        yield Record(None, raw, f"{name}:{number}", number, len(raw), None, undecodable)


def _read_class(lines: Lines, name: str, label: str) -> Iterator[Record]:
    for record in _read_plain(lines, name):
        yield replace(record, fields={"text": record.raw, "label": label if record.raw.strip() else ""})


def _read_fasttext(lines: Lines, name: str) -> Iterator[Record]:
    for record in _read_plain(lines, name):
        if not record.raw.strip():
            yield replace(record, fields={"label": "", "title": "", "content": ""})
            continue
        match = _FASTTEXT_LINE.fullmatch(record.raw)
        if match is None or (match[2] or "").startswith(_LABEL):
            problem = "several labels" if match else "no label"
            error = DataError(f"{record.where}: {problem}, expected '{_LABEL}NAME', a space and the text.")
            yield replace(record, fields={"label": "", "title": "", "content": record.raw}, error=error)
            continue
        title, separator, content = (match[2] or "").partition(": ")
        fields: dict[str, object] = {"title": title, "content": content} if separator else {"title": "", "content": title}
        yield replace(record, fields={"label": match[1], **fields})


def name_class(path: PurePath) -> str | None:
    """Return the class that a file's suffix names, `neg` or `pos`; None for other files."""
    return path.suffix[1:].lower() if path.suffix.lower() in CLASS_SUFFIXES else None
