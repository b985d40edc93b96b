"""Decode bytes to lines: byte order marks, encodings, line ends. After `formats/compression`; next: the formats of lines.

Nothing is read ahead of what a stream holds, so a line of a slow pipe comes at once. Undecodable bytes stay in a line as
surrogates, so that they can be written unchanged.
"""

from __future__ import annotations

import codecs
import io
import re
from collections import deque
from collections.abc import Iterator
from typing import IO, cast

from polarity_cli.errors import DataError, UsageError
from polarity_cli.formats.compression import LONGEST_RECORD

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_CONTENTS = (
    (b"\x1f\x8b", "gzip", ".gz", "zcat"),
    (b"BZh", "bzip2", ".bz2", "bzcat"),
    (b"\xfd7zXZ\x00", "xz", ".xz", "xzcat"),
    (b"\x28\xb5\x2f\xfd", "zstd", ".zst", "zstdcat"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet", ".zip or .xlsx", "unzip -p"),
    (b"PAR1", "Parquet", ".parquet", ""),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", ".xlsx, after saving it as such", ""),
    (b"%PDF-", "PDF", "", ""),
    (b"SQLite format 3\x00", "a SQLite database", "", ""),
)
"""First bytes of files that are no text, their names, the suffix under which they are read, and the command that unpacks them."""
_LFS = b"version https://git-lfs"
_SURROGATE = re.compile("[\udc80-\udcff]")
_HALF_PAIRS = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Surrogates that stand for no undecodable byte; they come from escapes in JSON."""
_LOOK_BYTES = 1 << 13
_ENOUGH = 1 << 12
"""After so many bytes without a line feed, carriage returns end lines."""


class Lines:
    """Iterate over the lines of a stream, with their ends."""

    def __init__(self, stream: IO[bytes], name: str, *, encoding: str | None = None) -> None:
        """Find the encoding by the first bytes, for which a pipe is waited.

        Raises:
            DataError: the bytes are no text, or UTF-16 without its mark.
            UsageError: there is no such encoding.
        """
        self._name = name
        self.number = 0
        """Lines read so far."""
        self.undecodable = 0
        """The number of the first line with undecodable bytes since the last `take_undecodable`; 0 for none."""
        self._again: deque[str] = deque()
        buffered = stream if hasattr(stream, "peek") else io.BufferedReader(cast(io.RawIOBase, stream))
        first, source = _look(buffered)
        _refuse_binary(first, name)
        mark, default = next(((mark, name) for mark, name in _MARKS if first.startswith(mark)), (b"", "utf-8"))
        self.has_mark = bool(mark)
        self.encoding = _check_encoding(encoding) if encoding and not mark else default
        if not encoding and not mark and (first[1:64:2].count(0) > 8 or first[0:64:2].count(0) > 8):
            raise DataError(
                f"{name}: every second byte is 0, as in UTF-16, and its mark is missing.", hint="Say --encoding utf-16-le."
            )
        is_wide = self.encoding.startswith(("utf-16", "utf-32"))
        ends = "\r" if not is_wide and len(first) >= _ENOUGH and b"\r" in first and b"\n" not in first else "\n"
        if mark == _MARKS[0][0]:
            source.read(len(mark))
        errors = "strict" if is_wide else "surrogateescape"
        self._text = io.TextIOWrapper(source, encoding=self.encoding, errors=errors, newline=ends)
        self._readline = self._text.readline

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        self.number += 1
        if not line.isascii() and not self.undecodable and _SURROGATE.search(line):
            self.undecodable = self.number
        return line

    def look_ahead(self, n_lines: int, n_characters: int) -> tuple[list[str], bool]:
        """Return the next lines, which stay to be read, and whether the stream ends with them."""
        lines: list[str] = []
        size = 0
        while len(lines) < n_lines and size < n_characters:
            try:
                lines.append(self._again[len(lines)] if len(lines) < len(self._again) else self._read_ahead())
            except StopIteration:
                return lines, True
            size += len(lines[-1])
        return lines, False

    def take_undecodable(self) -> int:
        """Return `undecodable`, and reset it to 0."""
        line, self.undecodable = self.undecodable, 0
        return line

    def _read_ahead(self) -> str:
        n_waiting = len(self._again)
        line = self._read()  # which may put lines behind it
        self._again.insert(n_waiting, line)
        return line

    def _read(self) -> str:
        try:
            line: str = self._readline(LONGEST_RECORD + 1)
        except UnicodeError as error:
            raise DataError(f"{self._name}:{self._place()}: not {self.encoding.upper()} ({error}).") from error
        if not line:
            raise StopIteration
        if len(line) > LONGEST_RECORD:
            raise DataError(
                f"{self._name}:{self._place()}: a line of more than {LONGEST_RECORD:,} characters.",
                hint="Check the file's format, and that its lines end.",
            )
        if self.number == 0 and not self._again and not line.endswith("\n") and "\r" in line:
            # Everything there is, without a line feed: the ends are those of old Macs.
            rest: list[str] = re.findall("[^\r]*\r|[^\r]+", line)
            self._again.extend(rest[1:])
            return rest[0]
        return line

    def _place(self) -> int:
        return self.number + len(self._again) + 1


def _look(stream: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """Return the first bytes of a stream, and a stream that still begins with them."""
    first: bytes = stream.peek(_LOOK_BYTES)[:_LOOK_BYTES]  # type: ignore[attr-defined]
    if 0 < len(first) < 4 and any(mark.startswith(first) for mark, *_ in (*_MARKS, *_CONTENTS)):
        # Too few to tell, as a pipe may give them.
        first = stream.read(4)
        return first, cast(IO[bytes], io.BufferedReader(_Pushed(first, stream)))
    return first, stream


class _Pushed(io.RawIOBase):
    """A stream with bytes before it."""

    def __init__(self, first: bytes, stream: IO[bytes]) -> None:
        self._first, self._stream = first, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._first or self._stream.read1(len(buffer))  # type: ignore[attr-defined]
        part, self._first = data[: len(buffer)], data[len(buffer) :] if self._first else b""
        buffer[: len(part)] = part
        return len(part)


def _refuse_binary(first: bytes, name: str) -> None:
    for magic, what, suffix, command in _CONTENTS:
        if first.startswith(magic):
            ways = [f"give it the suffix {suffix}"] if suffix else []
            ways += [f"pipe it through {command}"] if command else []
            hint = f"To have it read, {' or '.join(ways)}." if ways else "Convert it to CSV or JSON lines."
            raise DataError(f"{name}: no text, but {what} by its first bytes.", hint=hint)
    if first.startswith(_LFS):
        raise DataError(f"{name}: a pointer of Git LFS, not the file itself.", hint="Fetch it with `git lfs pull`.")


def _check_encoding(name: str) -> str:
    try:
        info = codecs.lookup(name)
        if info._is_text_encoding:
            return info.name
    except (LookupError, ValueError):
        pass
    raise UsageError(
        f"--encoding {name}: no such encoding.", hint="For example utf-8, cp1252, latin-1, utf-16-le, gb18030, shift_jis."
    )


def explain_undecodable(where: str, encoding: str) -> DataError:
    """Return the error for a line with undecodable bytes."""
    if encoding == "utf-8":
        return DataError(
            f"{where}: not UTF-8.",
            hint="Say what it is: --encoding cp1252 for files of Windows programs in western languages.",
        )
    return DataError(f"{where}: not {encoding}.", hint="Name another --encoding, or leave it out for UTF-8.")


def emit(stream: IO[bytes], line: str) -> None:
    """Write a line as UTF-8, with its undecodable bytes unchanged."""
    stream.write(_HALF_PAIRS.sub("\ufffd", line).encode("utf-8", "surrogateescape"))
