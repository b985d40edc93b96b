"""Opening and creating local files, compressed or not, and saying what is wrong with torn ones."""

from __future__ import annotations

import bz2
import gzip
import io
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, AnyStr, BinaryIO, cast

from polarity_cli.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS = (".gz", ".bz2", ".zst")
LONGEST_RECORD = 1 << 26
"""Characters of the longest line or record that is read: twenty times the longest novels, and still little memory."""
_SMALL_BYTES, _MOST_TIMES = 1 << 30, 100
"""A file that gives more bytes than both the first and the second times its own size is no text: reviews become 2 to 10 times as
large, the same line over and over some hundred times, a bomb a thousand times and more."""
_BUFFER_BYTES = 1 << 17


def split_suffix(path: Path) -> tuple[str, str]:
    """Return the format suffix and the compression suffix (or empty) of a file's name, in lower case."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSIONS else ""
    return (suffixes[-1] if suffixes else ""), compression


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed by its suffix; one that grows as no text does raises DataError while it is read."""
    _, compression = split_suffix(path)
    if not compression:
        return path.open("rb")
    open_compressed: Any = {".gz": gzip.open, ".bz2": bz2.open, ".zst": zstd.open}[compression]
    return io.BufferedReader(_Decompressed(open_compressed(path, "rb"), path), _BUFFER_BYTES)


class _Decompressed(io.RawIOBase):
    """What a compressed file holds, up to the limit of what a text can be."""

    def __init__(self, source: io.BufferedIOBase, path: Path) -> None:
        self._source, self._growth = source, Growth(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n_bytes = self._source.readinto1(buffer)  # what is there: a pipe may be slow
        self._growth.add(n_bytes)
        return n_bytes

    def close(self) -> None:
        self._source.close()
        super().close()


class Growth:
    """Count what comes out of a compressed file."""

    def __init__(self, path: Path) -> None:
        """Take the file; one without a size, a pipe, has no limit, since nothing of it is kept."""
        status = path.stat()
        self._path, self._size, self._n_bytes = path, status.st_size, 0
        self._most = max(_SMALL_BYTES, _MOST_TIMES * self._size) if stat.S_ISREG(status.st_mode) else sys.maxsize

    def add(self, n_bytes: int) -> None:
        """Count bytes that came out.

        Raises:
            DataError: they are more than a file of this size can hold of text.
        """
        self._n_bytes += n_bytes
        if self._n_bytes > self._most:
            raise DataError(
                f"{self._path}: its {self._size:,} bytes became more than {self._most:,}, which is no text but a bomb.",
                hint="If it is meant to be so, decompress it yourself and give the plain file.",
            )


def read_lines(stream: IO[AnyStr], name: str) -> Iterator[AnyStr]:
    """Yield the lines of a stream, with their ends; `name` stands in messages.

    Raises:
        DataError: a line is longer than `LONGEST_RECORD`, which would take memory without end.
    """
    number = 0
    while line := stream.readline(LONGEST_RECORD + 1):
        number += 1
        if len(line) > LONGEST_RECORD:
            raise DataError(
                f"{name}:{number}: a line of more than {LONGEST_RECORD:,} characters.",
                hint="Check the file's format, and that its lines end.",
            )
        yield line


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
