"""What a format gives: a stream of records, and how it was read. Next on the road: `data/columns`.

A format's module opens an `Input` and returns a `Stream`. A table's header is no record; a broken record is one that carries its
`error`, and what becomes of it is decided above, in `formats/on_error`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from polarity_cli.errors import DataError
from polarity_cli.read_options import ReadOptions


@dataclass(slots=True)
class Record:
    """One record of a stream."""

    fields: dict[str, object] | None
    """The columns of a structured record; None for a line of plain text."""
    raw: str
    """The line as it came, without its end; empty for formats whose records are no lines."""
    where: str
    """The file and the line or row that it begins at, for messages."""
    row: int = 0
    """Its number in the file, counted from 1."""
    size: int = 0
    """About how many characters it holds in memory, its columns included."""
    error: DataError | None = None
    """Why it is no record of its format; `raw` is its first line then, and `fields` what could be read of it."""
    undecodable: int = 0
    """The first line of it that holds bytes which are not of the encoding, or 0; they stay in it as surrogates."""
    text: str = ""
    """What the model reads, once `data/columns` has put it together."""


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
    """Where the header stands, for messages; empty where there is none."""
    delimiter: str | None = None
    """What stands between the cells of a delimited table."""
    is_quoted: bool = False
    """Whether cells of a delimited table may be quoted."""
    sep_line: str = ""
    """The line `sep=;` that a table began with."""
    notes: list[str] = field(default_factory=list)
    """How it was read, where that is not what its suffix alone says."""
    has_mark: bool = False
    """Whether it began with a byte order mark."""
    schema: Any = None
    """The Arrow schema of a Parquet file."""
    is_file: bool = False
    """Whether its first records can be looked at without waiting for them."""
    encoding: str = "utf-8"
    """What its bytes were read as, for messages."""
    close: Callable[[], None] = lambda: None
    """Close what is read from."""


@dataclass(frozen=True)
class Input:
    """What a format's module opens."""

    name: str
    """As it was given, for messages."""
    format: str
    stream: IO[bytes]
    """Its bytes, decompressed."""
    options: ReadOptions
    suffix: str = ""
    is_file: bool = True
    """Whether all of it lies there: then the first rows can be looked at without waiting for them."""
    path: Path | None = None
    """Where it can be opened anew, uncompressed; None for a pipe, and for what was decompressed."""
    n_compressed: int | None = None
    """Bytes that the file takes on the disk, where it is one."""


def name_columns(header: Sequence[str]) -> list[str]:
    """Return the names of a table's columns: without space around them, and numbered from 1 where the header has none."""
    is_named = any(name.strip() for name in header)
    return [name.strip() or f"{'unnamed' if is_named else 'column'}_{number}" for number, name in enumerate(header, 1)]


def check_names(columns: Sequence[str], where: str) -> None:
    """Refuse a header that names a column twice.

    Raises:
        DataError: it does.
    """
    seen: set[str] = set()
    twice = sorted({name for name in columns if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
    if twice:
        shown = ", ".join(repr(name) for name in twice[:10])
        raise DataError(f"{where}: the header names a column twice: {shown}.", hint="Rename one of them.")
