"""Opening and creating local files, compressed or not, and saying what is wrong with torn ones."""

from __future__ import annotations

import bz2
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from polarity_cli.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS = (".gz", ".bz2", ".zst")


def split_suffix(path: Path) -> tuple[str, str]:
    """Return the format suffix and the compression suffix (or empty) of a file's name, in lower case."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSIONS else ""
    return (suffixes[-1] if suffixes else ""), compression


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed by its suffix."""
    _, compression = split_suffix(path)
    if compression == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if compression == ".bz2":
        return cast(BinaryIO, bz2.open(path, "rb"))
    if compression == ".zst":
        return cast(BinaryIO, zstd.open(path, "rb"))
    return path.open("rb")


def create_bytes(path: Path, *, compression: str) -> BinaryIO:
    """Create a file for writing, compressed as a suffix of `COMPRESSIONS` says, or plain where that is empty."""
    if not compression:
        return path.open("wb")
    create: Any = {".gz": gzip.open, ".bz2": bz2.open, ".zst": zstd.open}[compression]
    # The buffer takes the many small writes; flushing it does not flush the compressor, which would undo its work.
    return cast(BinaryIO, io.BufferedWriter(cast(io.RawIOBase, create(path, "wb")), 1 << 20))


@contextmanager
def report_damage(path: Path) -> Iterator[None]:
    """Turn what reading a torn or damaged file raises inside the block into DataError."""
    try:
        yield
    except (EOFError, zlib.error, zstd.ZstdError, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the compressed file is torn or damaged ({error}).") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
