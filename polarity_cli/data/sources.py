"""Where reviews come from: the built-in sample, a file, a folder or a Hub data set, all read as files.

Gives labelled reviews by split; next on the road: `data/splits` and `data/tokenized`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from polarity_cli.cache import hash_file
from polarity_cli.cache.entries import Entry
from polarity_cli.config import DEFAULT_SOURCE, SAMPLE, Context, DataConfig
from polarity_cli.data.columns import build_text, choose_label_column, choose_text_columns
from polarity_cli.data.hub import fetch_rows
from polarity_cli.data.labels import LabelTally, understand_labels
from polarity_cli.errors import DataError, UsageError
from polarity_cli.formats.compression import split_suffix
from polarity_cli.formats.files import READERS, read_rows
from polarity_cli.records import Review, Row
from polarity_cli.sample import SAMPLE_DIR

_ROWS_LOOKED_AT = 100
"""Rows whose columns are looked at before the text and label columns are chosen."""
HUB_NAMES = {DEFAULT_SOURCE: "fancyzhx/amazon_polarity"}
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}


@dataclass(frozen=True)
class Source:
    """The files of a source by split; a single file is `train`."""

    name: str
    files: dict[str, tuple[Path, ...]]
    revision: str | None = None
    """The Hub's commit, where the rows came from there."""
    entry: Entry | None = None
    """Where the cache keeps those rows."""

    def identify(self) -> dict[str, object]:
        """Return what the source's content is known by: names and SHA-256 of its files."""
        return {split: [[path.name, hash_file(path)] for path in paths] for split, paths in self.files.items()}


@dataclass(frozen=True)
class LabelledReviews:
    """All reviews of a source, and how its columns were read."""

    splits: dict[str, list[Review]]
    text: tuple[str, ...]
    label: str
    meanings: dict[str, int]
    """What each value of the label column means: 0 negative, 1 positive."""
    notes: tuple[str, ...]


def find_source(name: str, *, rows: int | None, context: Context) -> Source:
    """Return the files of a source, fetched first where it is a Hub data set.

    Raises:
        UsageError: there is no such file.
        DataError: a folder has no files of reviews.
        HubError: the Hub is out of reach or has no such data set.
    """
    if not name:
        raise UsageError("SOURCE is empty.", hint="Leave it out for amazon_polarity, or name a file, a folder or a Hub data set.")
    if name == SAMPLE:
        return Source(name, _list_folder(SAMPLE_DIR))
    path = Path(name)
    if path.is_dir():
        return Source(name, _list_folder(path))
    if path.exists():
        if not path.is_file():
            raise UsageError(
                f"{name}: not a regular file; a source is read more than once.", hint="Save the stream to a file first."
            )
        return Source(name, {"train": (path,)})
    if name not in HUB_NAMES and _looks_like_a_path(name):
        raise UsageError(f"{name}: no such file or folder.")
    entry, revision = fetch_rows(HUB_NAMES.get(name, name), rows=rows, context=context)
    return Source(name, _list_folder(entry.folder), revision, entry)


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or split_suffix(Path(name))[0] in READERS


def _list_folder(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return a folder's files by the split that their names begin with, shards in order."""
    files: dict[str, list[Path]] = {}
    readable = [path for path in sorted(folder.iterdir()) if path.is_file() and split_suffix(path)[0] in READERS]
    for path in readable:
        split = SPLIT_NAMES.get(re.split(r"[-_.]", path.name.lower())[0])
        if split:
            files.setdefault(split, []).append(path)
    if "train" not in files and "test" not in files:
        found = ", ".join(path.name for path in readable[:10]) or "no file of a known format"
        raise DataError(
            f"{folder}: expected files named train.* and test.*, found {found}.",
            hint=f"Name one file as the source, or rename them. Formats: {', '.join(sorted(READERS))} (also .gz, .bz2, .zst).",
        )
    return {split: tuple(paths) for split, paths in files.items()}


def read_reviews(source: Source, config: DataConfig) -> LabelledReviews:
    """Read a source's reviews by the splits that it brings; `config.rows` limits its train split.

    Rows without text are left out, with a note.

    Raises:
        DataError: a file is damaged, empty, or its columns or labels are not understood.
    """
    reader = _ReviewReader(source.name, config)
    for split, paths in source.files.items():
        limit = config.rows if split == "train" else None
        reader.read_split(split, itertools.chain.from_iterable(reader.open_file(path) for path in paths), limit)
    return reader.finish()


class _ReviewReader:
    """Collect texts and label values; what the values mean is known when all are seen."""

    def __init__(self, name: str, config: DataConfig) -> None:
        self._name = name
        self._config = config
        self._rows: dict[str, list[tuple[str, str, str]]] = {}
        self._columns: tuple[tuple[str, ...], str] | None = None
        self._tally = LabelTally("")
        self._notes: list[str] = []

    def read_split(self, split: str, rows: Iterator[Row], limit: int | None) -> None:
        """Take the first `limit` rows of a split (None: all) and count what their labels are."""
        kept = self._rows.setdefault(split, [])
        blank: list[str] = []
        for row in islice(rows, limit):
            assert self._columns is not None  # open_file chose them before it gave a row
            text_columns, label_column = self._columns
            text = build_text(row.fields, text_columns, row.where)
            if not text:
                if not any(name in row.fields for name in text_columns):
                    raise DataError(f"{row.where}: none of the text columns {', '.join(text_columns)}.")
                blank.append(row.where)
                continue
            kept.append((text, self._tally.add(row.fields.get(label_column), row.where), row.where))
        if limit is not None and len(kept) + len(blank) == limit and next(rows, None) is not None:
            self._notes.append(f"Read the first {limit:,} rows of {self._name}; --rows all reads every row.")
        if blank:
            places = ", ".join(blank[:10]) + (", ..." if len(blank) > 10 else "")
            self._notes.append(f"Left out {len(blank):,} rows without text: {places}")

    def open_file(self, path: Path) -> Iterator[Row]:
        """Return a file's rows, after a look at the columns of the first ones: rows of JSON may have some of them only."""
        rows = read_rows(path)
        first = list(islice(rows, _ROWS_LOOKED_AT))
        columns = list(dict.fromkeys(name for row in first for name in row.fields))
        if first:
            self._choose(columns, first[0].where)
        return itertools.chain(first, rows)

    def _choose(self, columns: list[str], where: str) -> None:
        """Choose the columns by the first file; every other file must have them too."""
        asked_text, asked_label = self._columns or (self._config.text, self._config.label)
        text = choose_text_columns(columns, asked_text, where, preferred=self._config.preferred_text)
        label = choose_label_column(columns, asked_label, where)
        self._columns = text, label
        self._tally.column = label

    def finish(self) -> LabelledReviews:
        if self._columns is None or not any(self._rows.values()):
            raise DataError(f"{self._name}: no reviews in it.")
        meanings = understand_labels(self._tally, self._config.positive)
        splits = {
            split: [Review(text, meanings[value], where) for text, value, where in rows] for split, rows in self._rows.items()
        }
        return LabelledReviews(splits, *self._columns, meanings, tuple(self._notes))
