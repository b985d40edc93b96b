"""The table of formats: one module reads and writes each. First and last room of the road; next after reading: `data/columns`.

Every verb reads through `open_path` and `open_pipe`, and writes through `output_file`. To add a format, write one module with
`read(source: Input) -> Stream` and add one line to `FORMATS`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from polarity_cli.errors import DataError, UsageError
from polarity_cli.formats.compression import COMPRESSIONS, find_suffix, open_bytes, report_damage, split_suffix
from polarity_cli.formats.record import Input, Record, Stream
from polarity_cli.read_options import ReadOptions


@dataclass(frozen=True)
class Format:
    """A format: its suffixes, and the module that reads and writes it."""

    suffixes: tuple[str, ...]
    module: str
    extra: str | None = None
    """The extra of this package that must be installed for it."""
    is_written: bool = True


FORMATS: dict[str, Format] = {
    "csv": Format((".csv",), "delimited"),
    "json": Format((".json",), "json_document", is_written=False),
    "jsonl": Format((".jsonl", ".ndjson"), "jsonl"),
    "parquet": Format((".parquet",), "parquet", extra="parquet"),
    "text": Format((".txt", ".neg", ".pos"), "lines"),
    "tsv": Format((".tsv", ".tab"), "delimited"),
    "xlsx": Format((".xlsx",), "sheets", extra="excel"),
}
BY_SUFFIX = {suffix: name for name, entry in FORMATS.items() for suffix in entry.suffixes}
_BESIDE = frozenset(
    {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "metadata.json", "requirements.txt"}
)
"""Files of published data sets that hold no reviews."""
READ_FORMATS = tuple(FORMATS)
WRITTEN_FORMATS = tuple(name for name, entry in FORMATS.items() if entry.is_written)
_READ_HINT = f"Known: {', '.join(sorted(BY_SUFFIX))}; each also with {', '.join(COMPRESSIONS)}."

_WRITE_HINT = f"Known: {', '.join(entry.suffixes[0] for entry in FORMATS.values() if entry.is_written)}; each also compressed."


def find_format(path: Path, *, flag: str = "", option: str | None = None, shown_path: Path | None = None) -> str:
    """Return the format of a file: the one that an option names (`option`), else by the suffix.

    A pipe or a device without a suffix is lines of text, as standard input is.

    Raises:
        DataError, or UsageError where a `flag` is given, which it quotes: no format has this suffix.
    """
    if option:
        return option
    suffix, _ = find_suffix(path)
    if suffix in BY_SUFFIX:
        return BY_SUFFIX[suffix]
    if not suffix and path.exists() and not path.is_file():
        return "text"
    where = f"{flag} {shown_path or path}" if flag else str(path)
    shown = repr(suffix or "(no suffix)")
    message, hint = f"{where}: unknown format {shown}.", _READ_HINT
    if flag:
        says = {"--output": " Or say the format: --format csv.", "--input": " Or say the format: --input-format csv."}
        raise UsageError(message, hint=(_WRITE_HINT if flag != "--input" else hint) + says.get(flag, ""))
    raise DataError(message, hint=hint)


def is_readable(path: Path) -> bool:
    """Return whether a file of a folder may hold reviews, by its name."""
    suffix, compression = split_suffix(path)
    if path.name.lower() in _BESIDE or path.name.lower().startswith(("readme", "license", "urls_")):
        return False
    return suffix in BY_SUFFIX or (compression == ".zip" and not suffix)


def open_path(
    path: Path, options: ReadOptions, *, format: str | None = None, row_groups: tuple[int, int] | None = None
) -> Stream:
    """Open a file, decompressed by its suffix, or some row groups of it; the caller closes the stream when it is read.

    Raises:
        DataError: its format is unknown, it cannot be opened, or its content is not of its format.
    """
    name = str(path)
    with report_damage(name):
        if path.is_dir():
            from polarity_cli.formats.class_folders import read_folder

            return read_folder(path, options)
        format = find_format(path, option=format)
        status = path.stat()
        is_file = stat.S_ISREG(status.st_mode)
        suffix, compression = find_suffix(path)
        stream = open_bytes(path)
        plain = path if is_file and not compression else None
        source = Input(name, format, stream, options, suffix, is_file, plain, status.st_size if is_file else None, row_groups)
        return _open(source)


def open_pipe(stream: IO[bytes], options: ReadOptions, *, format: str | None, name: str = "standard input") -> Stream:
    """Open a stream of bytes; one that comes from a regular file is read like that file.

    Raises:
        DataError: its content is not of its format.
    """
    is_file = False
    with contextlib.suppress(OSError, AttributeError):
        is_file = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    with report_damage(name):
        return _open(Input(name, format or "text", stream, options, "", is_file))


def _open(source: Input) -> Stream:
    if source.options.sheet is not None and source.format != "xlsx":
        raise UsageError(f"--sheet {source.options.sheet}: {source.name} is no workbook.", hint="Leave it out.")
    if source.options.delimiter is not None and source.format not in ("csv", "tsv", "text"):
        raise UsageError(f"--delimiter: {source.name} is no delimited table.", hint="Leave it out.")
    module = importlib.import_module(f"polarity_cli.formats.{FORMATS[source.format].module}")
    stream: Stream = module.read(source)
    stream.records = _guard(stream.records, source.name)
    stream.close = source.stream.close
    return stream


def _guard(records: Iterator[Record], name: str) -> Iterator[Record]:
    with report_damage(name):
        yield from records
