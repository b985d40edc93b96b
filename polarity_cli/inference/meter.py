"""How far the labelling of files has come, as a share of their bytes. Used by the verb `predict` where a bar is shown.

Records are read ahead of those that are labelled, so it goes by where the last labelled one stands in its file: its line, or its
row. Where each line stands is found by a thread that reads the file once more, in a fraction of the time of labelling it.
"""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from polarity_cli.errors import DataError
from polarity_cli.formats.class_folders import list_classes
from polarity_cli.formats.compression import open_bytes, report_damage
from polarity_cli.formats.parquet import list_row_groups
from polarity_cli.formats.record import Record
from polarity_cli.records import Advance, Observer

_BLOCK = 1 << 16
"""Bytes within which lines are taken as equally long."""


class _Places(Protocol):
    """Where the records of a file stand in it."""

    def find_share(self, record: Record) -> float | None:
        """Return the share of the file up to a record, 0 to 1; None where it is not known (yet)."""

    def close(self) -> None:
        """Look no further."""


class Meter:
    """A bar for the labelling of some files, shown from the first label to the end of the block."""

    def __init__(self, paths: Sequence[Path], observer: Observer, *, limit: int | None = None) -> None:
        """Take files, and folders of classes, in the order in which they are labelled; nothing is shown without any.

        After `limit` records, the work is done.
        """
        self._observer, self._is_shown, self._limit = observer, bool(paths) and observer.shows_progress, limit
        self.take(paths)
        self._n_records = 0
        self._places: _Places = _Nowhere()
        self._advance: Advance | None = None

    def take(self, paths: Sequence[Path]) -> None:
        """Take these files in place of those that were given."""
        sizes = [_measure(path) for path in paths] if self._is_shown else []
        self._ends = list(itertools.accumulate(sizes, initial=0))
        """The bytes of all files before each one, and of all."""
        self._n_done = 0

    def __enter__(self) -> Meter:
        self._stack = ExitStack()
        return self

    def __exit__(self, *raised: object) -> None:
        self._places.close()
        self._stack.close()

    def begin(self, path: Path, format: str, *, row_groups: tuple[int, int] | None = None) -> None:
        """Begin to label the next file, or some row groups of it."""
        if not self._is_shown:
            return
        self._places = _find_places(path, format, row_groups)
        if self._advance is None:
            self._advance = self._stack.enter_context(self._observer.track("Labelling", unit="reviews"))
            self._advance(0, done=0.0 if len(self._ends) > 2 else None)

    def advance(self, n: int, last: Record) -> None:
        """Take it that so many more records of the file are labelled, up to `last`."""
        self._n_records += n
        if self._advance is not None:
            share = self.find_share(last)
            done = None if self._limit is None else self._n_records / self._limit
            self._advance(n, done=share if done is None else max(done, share or 0.0))

    def end(self) -> None:
        """End with the file."""
        self._places.close()
        self._n_done, self._places = self._n_done + 1, _Nowhere()

    def find_share(self, record: Record) -> float | None:
        """Return the share of the bytes of all files, 0 to 1, up to a record of the current one; None where it is not known."""
        share = self._places.find_share(record)
        if share is None and len(self._ends) == 2:
            return None
        begins, ends = self._ends[self._n_done : self._n_done + 2]
        return (begins + (ends - begins) * (share or 0.0)) / max(1, self._ends[-1])


class _Nowhere:
    """A file of which nobody knows how many records it holds: a workbook, a JSON document, a pipe."""

    def find_share(self, record: Record) -> float | None:
        return None

    def close(self) -> None:
        pass


class _Rows:
    """A file or folder with so many records."""

    def __init__(self, total: int, n_before: int = 0) -> None:
        """Take how many they are, and how many rows stand before them that are not read."""
        self._total, self._n_before = max(1, total), n_before

    def find_share(self, record: Record) -> float | None:
        return min(1.0, (record.row - self._n_before) / self._total)

    def close(self) -> None:
        pass


class Lines:
    """A file of lines, compressed or not, of which a thread finds out where each line stands."""

    def __init__(self, path: Path) -> None:
        """Begin to read the file."""
        self._path, self._stopped = path, threading.Event()
        self._n_lines: list[int] = []
        """Line ends up to the end of each block."""
        self._size: int | None = None
        """Bytes, decompressed; None until they are all read."""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def find_share(self, record: Record) -> float | None:
        """Return the share of the bytes up to a record's line; None until the whole file was read, or where it has no lines."""
        line = record.where.rpartition(":")[2]
        if self._size is None or not self._n_lines or not line.isdigit():
            return None
        n_before = int(line)
        block = min(bisect_left(self._n_lines, n_before), len(self._n_lines) - 1)
        first = self._n_lines[block - 1] if block else 0
        within = min(1.0, (n_before - first) / max(1, self._n_lines[block] - first))
        begins, ends = block * _BLOCK, min((block + 1) * _BLOCK, self._size)
        return (begins + within * (ends - begins)) / self._size

    def wait(self) -> None:
        """Wait until the file is read."""
        self._thread.join()

    def close(self) -> None:
        """Stop reading."""
        self._stopped.set()

    def _read(self) -> None:
        n_lines = size = 0
        counts: list[int] = []
        try:
            with report_damage(self._path), open_bytes(self._path) as stream:
                while not self._stopped.is_set() and (block := stream.read(_BLOCK)):
                    n_lines, size = n_lines + block.count(b"\n"), size + len(block)
                    counts.append(n_lines)
        except DataError:  # who reads its records will say so
            return
        self._n_lines = counts if n_lines else []
        self._size = size


def _measure(path: Path) -> int:
    """Return the bytes of a file or of a folder of classes."""
    if path.is_dir():
        return sum(text.stat().st_size for texts in list_classes(path).values() for text in texts)
    return path.stat().st_size


def _find_places(path: Path, format: str, row_groups: tuple[int, int] | None) -> _Places:
    if path.is_dir():
        return _Rows(sum(map(len, list_classes(path).values())))
    if format == "parquet":
        return _count_rows(path, row_groups)
    return _Nowhere() if format == "xlsx" or not path.is_file() else Lines(path)


def _count_rows(path: Path, row_groups: tuple[int, int] | None) -> _Places:
    """Return the rows of a Parquet file, by the index at its end, which a compressed one hides."""
    try:
        rows = list_row_groups(path)
    except (DataError, OSError):
        return _Nowhere()
    first, stop = row_groups or (0, len(rows))
    return _Rows(sum(rows[first:stop]), sum(rows[:first]))
