"""What a format's module takes and returns: an `Input`, and a `Stream` of records. Next on the road: `data/columns`.

A table's header is no record. A broken record carries its `error`; `formats/on_error` decides whether to raise it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from polarity_cli.errors import DataError
from polarity_cli.read_options import ReadOptions


@dataclass(slots=True)
class Record:
    """One record of a stream."""

    fields: Mapping[str, object] | None
    """The columns of a structured record; None for a line of plain text. Those of Parquet are read when they are asked for."""
    raw: str
    """The unchanged line, without its end; empty for formats whose records are no lines."""
    where: str
    """The file, and the line or row where it begins, for messages."""
    row: int = 0
    """Its number in the file, counted from 1."""
    size: int = 0
    """About how much memory it takes, in characters, its columns included."""
    error: DataError | None = None
    """Why it is broken, else None. `raw` is then its first line, and `fields` holds what could be read of it."""
    undecodable: int = 0
    """The number of its first line with undecodable bytes, or 0; they stay in it as surrogates."""
    text: str = ""
    """The text that the model reads; empty until `data/reading` has set it."""


@dataclass
class Stream:
    """The records of one input."""

    name: str
    format: str
    """A key of `formats.FORMATS`."""
    records: Iterator[Record]
    columns: list[str] | None = None
    """The columns of a table; None where each record has its own, or is a line."""
    header: list[str] | None = None
    """The columns as the input's header spells them; None where it has none."""
    place: str = ""
    """The file and line of the header, for messages; empty without one."""
    delimiter: str | None = None
    """The delimiter of a delimited table; None for other formats."""
    is_quoted: bool = False
    """Whether cells of a delimited table may be quoted."""
    sep_line: str = ""
    """The line `sep=;` that a table began with."""
    notes: list[str] = field(default_factory=list)
    """Phrases that say how it was read, where its suffix alone does not tell."""
    has_mark: bool = False
    """Whether it began with a byte order mark."""
    schema: Any = None
    """The Arrow schema of a Parquet file."""
    is_file: bool = False
    """Whether its first records can be looked at without waiting for them."""
    encoding: str = "utf-8"
    """The encoding of its bytes, for messages."""
    close: Callable[[], None] = lambda: None
    """Close the underlying file or pipe."""


@dataclass(frozen=True)
class Input:
    """The bytes that a format's module reads, and the options for reading them."""

    name: str
    """The path as typed, or `standard input`, for messages."""
    format: str
    stream: IO[bytes]
    """Its bytes, decompressed if need be."""
    options: ReadOptions
    suffix: str = ""
    is_file: bool = True
    """Whether it is a regular file, whose first rows can be read without waiting."""
    path: Path | None = None
    """The path of an uncompressed file, which can be opened again; None for a pipe or a compressed file."""
    n_compressed: int | None = None
    """The size of the file on disk in bytes; None for a pipe."""
    row_groups: tuple[int, int] | None = None
    """The row groups of a Parquet file that are read, from the first up to before the second; None reads all."""


def name_columns(header: Sequence[str]) -> list[str]:
    """Return the names of a table's columns, stripped; a column without a name is numbered from 1: `unnamed_2`, `column_2`."""
    is_named = any(name.strip() for name in header)
    return [name.strip() or f"{'unnamed' if is_named else 'column'}_{number}" for number, name in enumerate(header, 1)]


def check_names(columns: Sequence[str], where: str) -> None:
    """Raise DataError for a header that names a column twice."""
    twice = sorted(name for name, n_times in Counter(columns).items() if n_times > 1)
    if twice:
        shown = ", ".join(repr(name) for name in twice[:10])
        raise DataError(f"{where}: the header names a column twice: {shown}.", hint="Rename one of them.")
