"""The reviews of several splits numbered through, and their rows' own columns, read once more from the files that they came from.

Used by `evaluate` and `train`, which write reviews to files and divide them by their columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarity_cli.config import ReadOptions
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.formats import open_path


@dataclass(frozen=True)
class SplitWithFiles:
    """A split, and the files that it was read from."""

    split: TokenizedSplit
    files: tuple[Path, ...]
    """In the order in which they were read; empty where they are no longer known."""


@dataclass(frozen=True)
class OwnColumns:
    """What the files say of some reviews."""

    columns: tuple[str, ...]
    """The names of all columns, in the order in which they were met."""
    rows: dict[int, dict[str, object]] = field(default_factory=dict)
    """The columns of each review by its number; a review whose file is not there is not in it."""


@dataclass(frozen=True)
class NumberedReviews:
    """The reviews of some splits, numbered from 0 through all of them."""

    parts: Sequence[SplitWithFiles]
    read: ReadOptions
    """The options with which the files were read."""

    def __len__(self) -> int:
        return sum(len(part.split) for part in self.parts)

    @property
    def labels(self) -> NDArray[np.int64]:
        """`(N,)`: 0 negative, 1 positive."""
        return np.concatenate([part.split.labels for part in self.parts])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """`(N,)`: tokens in each review."""
        return np.concatenate([part.split.lengths for part in self.parts])

    def list_texts(self) -> list[str]:
        """Return all reviews' texts."""
        return [text for part in self.parts for text in part.split.iterate_texts()]

    @property
    def files(self) -> set[Path]:
        """All files that they were read from."""
        return {file for part in self.parts for file in part.files}

    def get_text(self, number: int) -> str:
        """Return a review's text."""
        part, index = self._find(number)
        return part.split.get_text(index)

    def get_where(self, number: int) -> str:
        """Return the file and row that a review was read from, for messages."""
        part, index = self._find(number)
        return part.split.get_where(index)

    def get_row(self, number: int) -> int:
        """Return the number of a review's row in its file, counted from 1."""
        part, index = self._find(number)
        return part.split.get_place(index)[1]

    def read_columns(self, numbers: Sequence[int]) -> OwnColumns:
        """Read the files once more, and return the own columns of these reviews."""
        wanted: dict[Path, dict[int, list[int]]] = {}
        for number in numbers:
            part, index = self._find(number)
            file, row = part.split.get_place(index)
            if file < len(part.files):
                wanted.setdefault(part.files[file], {}).setdefault(row, []).append(number)
        columns: dict[str, None] = {}
        rows: dict[int, dict[str, object]] = {}
        for path, numbers_of_row in wanted.items():
            with closing(open_path(path, self.read)) as stream:
                columns |= dict.fromkeys(stream.columns or ())
                for record in stream.records:
                    for number in numbers_of_row.get(record.row, ()):
                        rows[number] = dict(record.fields or {})
                        columns |= dict.fromkeys(rows[number])
        return OwnColumns(tuple(columns), rows)

    def _find(self, number: int) -> tuple[SplitWithFiles, int]:
        for part in self.parts:
            if number < len(part.split):
                return part, number
            number -= len(part.split)
        raise IndexError(number)
