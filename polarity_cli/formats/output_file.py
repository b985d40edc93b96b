"""Open the output: standard output, or a file that gets its name when it is complete. Used by `formats/results`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from polarity_cli.errors import UsageError
from polarity_cli.extras import require_extra
from polarity_cli.formats import FORMATS, WRITTEN_FORMATS, find_format
from polarity_cli.formats.compression import create_bytes, split_suffix
from polarity_cli.formats.record import Stream

TABLES = ("csv", "tsv")
"""Formats whose cells are text."""


def find_output_format(path: Path | None, option: str | None, input_format: str, *, flag: str = "--output") -> str:
    """Return the format of an output: the one that `--format` names (`option`), else by the suffix, else the input's.

    Raises:
        UsageError: no format that can be written has the suffix.
    """
    is_special = path is not None and (path.is_dir() or (path.exists() and not path.is_file()))
    return choose_output_format(path, option, input_format, is_special=is_special, flag=flag)


def choose_output_format(
    path: Path | None, option: str | None, input_format: str, *, is_special: bool, flag: str = "--output"
) -> str:
    """Return what `find_output_format` does; `is_special` says that the path is a folder, a FIFO or a device.

    Raises:
        UsageError: see `find_output_format`.
    """
    if option:
        return option
    follows = input_format if input_format in WRITTEN_FORMATS else "jsonl"
    if path is None or str(path) == "-":
        return "csv" if follows in ("parquet", "xlsx") else follows
    if is_special:
        return follows
    suffix, compression = split_suffix(path)
    if not suffix and not compression and flag == "--output" and not path.suffix:
        raise UsageError(f"{flag} {path}: no suffix that tells its format.", hint="Name it, say, labelled.csv; or give --format.")
    format = find_format(Path(f"{path.stem}{path.suffix}" if compression != ".zip" else path.stem), flag=flag, shown_path=path)
    if format not in WRITTEN_FORMATS:
        raise UsageError(f"{flag} {path}: {suffix} is not written.", hint="Choose .jsonl, .csv, .tsv, .parquet or .xlsx.")
    return format


@contextmanager
def open_output(path: Path | None, *, flag: str = "--output") -> Iterator[IO[bytes]]:
    """Yield a stream to write to: standard output, or a file that gets its name when the block ends well.

    A file with a suffix such as `.gz` is compressed, and flushing it does not flush the compressor. Where the block fails, the
    output stays as `NAME.partial`, and an earlier file of that name is untouched.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None or str(path) == "-":
        yield sys.stdout.buffer
        return
    path = Path(os.path.realpath(path))  # a link stays, and what it names is written
    direct = path.exists() and not path.is_file()  # a FIFO or a device has no later name
    partial = path if direct else path.with_name(f"{path.name}.partial")
    try:
        stream = create_bytes(partial, compression=split_suffix(path)[1], member=path.stem)
    except OSError as error:
        raise UsageError(f"{flag} {path}: cannot be written ({error.strerror}).") from error
    try:
        with stream:
            yield stream
    except BaseException:
        if not direct and partial.is_file() and partial.stat().st_size == 0:  # nothing was answered yet
            partial.unlink(missing_ok=True)
        raise
    if not direct:
        partial.replace(path)


class Sink(Protocol):
    """Writes rows, each a mapping from column to value, in one format."""

    def write(self, row: Mapping[str, object], answer: Mapping[str, object] | None = None) -> None:
        """Write one row and what is added to it; columns that both lack are empty."""

    def finish(self) -> None:
        """Write what was held back."""


def make_sink(
    format: str,
    stream: IO[bytes],
    columns: Sequence[str],
    *,
    added: Mapping[str, str],
    like: Stream | None = None,
    escaped: bool = False,
) -> Sink:
    """Return a sink for rows of `columns` and `added` columns.

    Args:
        format: one of `WRITTEN_FORMATS`, other than `text`.
        stream: the stream to write to.
        columns: the first columns, in order.
        added: the columns after them, with their Arrow types.
        like: the input, whose header, byte order mark, delimiter and types the output follows.
        escaped: whether cells that a spreadsheet would run get an apostrophe; for CSV and TSV.
    """
    module = importlib.import_module(f"polarity_cli.formats.{FORMATS[format].module}")
    sink: Sink = module.make_sink(format, stream, columns, added=added, like=like, escaped=escaped)
    return sink


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]], *, flag: str, escaped: bool) -> None:
    """Write rows to a file in the format of its suffix; with `escaped`, cells of a CSV cannot run as formulas."""
    with open_output(path, flag=flag) as stream:
        sink = make_sink(find_output_format(path, None, "csv", flag=flag), stream, columns, added={}, escaped=escaped)
        for row in rows:
            sink.write(row)
        sink.finish()


def check_extra(format: str) -> None:
    """Refuse a format whose extra is not installed, before any work is done.

    Raises:
        UsageError: it is not.
    """
    extra = FORMATS[format].extra
    if extra is not None:
        require_extra(extra, f"The format {format}")
