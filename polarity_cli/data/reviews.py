"""Read the labelled reviews of a source, split by split. After `data/reading` and `data/labels`; next: `data/divide`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from polarity_cli.config import DataConfig
from polarity_cli.data.columns import choose_label_column
from polarity_cli.data.labels import LabelRule, LabelTally, normalise_label, understand_labels
from polarity_cli.data.reading import LOOK_RECORDS, Reading, read_texts
from polarity_cli.data.sources import Source
from polarity_cli.errors import DataError
from polarity_cli.formats import open_path
from polarity_cli.formats.on_error import N_NAMED, Losses, settle
from polarity_cli.formats.record import Record, Stream
from polarity_cli.records import NEGATIVE, POSITIVE, Observer, Review


@dataclass(frozen=True)
class LabelledReviews:
    """All reviews of a source, and how it was read."""

    splits: dict[str, list[Review]]
    text: tuple[str, ...]
    label: str
    rule: LabelRule
    """What each value of the label column means."""
    meanings: dict[str, int | None]
    """What each value of this source means: 0 negative, 1 positive, None left out."""
    left_out: dict[str, Any]
    """Rows that were left out, by reason: `no_text`, `no_label`, `broken`, and `neither` by label."""
    notes: tuple[str, ...]
    blank: dict[str, int] = field(default_factory=dict)
    """Rows in which a text column is blank, by column, where several make the text."""


_Row = tuple[str, str, str, int, int]
"""A text, its normalised label, its place for messages, and the numbers of its row and its file."""


@dataclass
class _Places:
    """A count of rows, with the places of the first few."""

    n: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, where: str) -> None:
        self.n += 1
        if len(self.first) < N_NAMED:
            self.first.append(where)

    def __str__(self) -> str:
        return ", ".join(self.first) + (f" and {self.n - len(self.first):,} more" if self.n > len(self.first) else "")


def read_reviews(
    source: Source, config: DataConfig, observer: Observer, *, trained_rule: LabelRule | None = None
) -> LabelledReviews:
    """Return a source's reviews by its own splits; `config.rows` limits the train split.

    Rows without text or label are left out and counted; so is a file of another split that has no labels at all.

    Raises:
        DataError: a file is damaged, empty, or its columns or labels are not understood.
    """
    reader = _Reader(source, config, observer)
    for split in sorted(source.files, key=["train", "validation", "test"].index):
        reader.read_split(split, source.files[split], config.row_limit if split == "train" else None)
    return reader.finish(trained_rule)


class _Reader:
    """Collect texts and label values of all files, since what the values mean is decided over all of them."""

    def __init__(self, source: Source, config: DataConfig, observer: Observer) -> None:
        self._name, self._config, self._observer = source.name, config, observer
        self._rows: dict[str, list[_Row]] = {}
        self._columns: tuple[tuple[str, ...], str] | None = None
        self._tally = LabelTally("")
        self._notes: list[str] = list(source.notes)
        self._losses = Losses()
        self._without = {"text": _Places(), "label": _Places()}
        self._has_more = False
        self._passed_over: set[str] = set()
        self._blank: dict[str, int] = {}

    def read_split(self, split: str, paths: tuple[Path, ...], limit: int | None) -> None:
        """Collect the first `limit` rows of a split (None: all) and count their labels."""
        rows = self._rows.setdefault(split, [])
        tally = LabelTally(self._tally.column)
        n_read = 0
        for number, path in enumerate(paths):
            if limit is not None and n_read >= limit:
                self._has_more = True
                break
            stream = open_path(path, self._config.read)
            with closing(stream):
                reading = self._read_texts(stream)
                if reading.columns and not self._choose_label(reading, split):
                    continue
                tally.column = self._columns[1] if self._columns else ""
                encoding = stream.encoding
                records = settle(reading.records, self._config.on_error, self._losses, self._observer, encoding=encoding)
                left = None if limit is None else limit - n_read
                n_read += self._take(islice(records, left), rows, tally, number, reading.text)
                self._has_more = self._has_more or (limit is not None and n_read >= limit and next(records, None) is not None)
        if split != "train" and set(tally.counts) == {"-1"} and "-1" not in self._tally.counts:
            rows.clear()  # as GLUE hides the labels of its test sets
        else:
            self._tally.merge(tally)
        if self._has_more and split == "train":
            self._has_more = False
            self._notes.append(f"Read the first {limit:,} rows of {self._name}; --rows all reads every row.")

    def _take(self, records: Iterator[Record], rows: list[_Row], tally: LabelTally, file: int, columns: tuple[str, ...]) -> int:
        """Append the records that have a text and a label to `rows`; return how many records were read."""
        n_records = 0
        for n_records, record in enumerate(records, 1):  # noqa: B007
            if record.fields is None:
                raise DataError(
                    f"{record.where}: a line of text without a label.",
                    hint="Expected fastText's '__label__1 text', a text, a tab and its label, or a table with a header.",
                )
            if not any(record.fields.values()):
                continue  # a blank line
            if self._columns is None:
                raise DataError(
                    f"{record.where}: no columns can be chosen, since the {LOOK_RECORDS} lines before hold none.",
                    hint="Remove the blank lines at the beginning.",
                )
            value = record.fields.get(self._columns[1])
            if not record.text:
                self._without["text"].add(record.where)
                continue
            key = tally.add(value, record.where)
            if not key:
                self._without["label"].add(record.where)
                continue
            rows.append((record.text, key, record.where, record.row, file))
            for column in columns if len(columns) > 1 else ():
                if not str(record.fields.get(column) or "").strip():
                    self._blank[column] = self._blank.get(column, 0) + 1
        return n_records

    def _read_texts(self, stream: Stream) -> Reading:
        """Return a file's texts; its columns are chosen anew, so that a title that only a later file has is not lost."""
        try:
            return read_texts(stream, option=self._config.text, preferred=self._config.preferred_text)
        except DataError as error:
            if self._columns is None:
                raise
            raise DataError(
                f"{error} The text of the files before is {' and '.join(self._columns[0])}.", hint=error.hint
            ) from error

    def _choose_label(self, reading: Reading, split: str) -> bool:
        """Choose the label column, by the first file; return False where this file of another split has none.

        Raises:
            DataError: a file of the train split has none, or it is not clear which column they are in.
        """
        where = reading.stream.name
        if self._columns is None:
            label = choose_label_column(reading.columns, self._config.label, where, samples=reading.samples, exclude=reading.text)
            self._columns = reading.text, label
            self._tally.column = label
        elif self._columns[1] not in reading.columns and split != "train":
            self._passed_over.add(split)
            self._notes.append(f"{where}: passed over, since it has no column {self._columns[1]!r} with labels.")
            return False
        else:
            label = choose_label_column(reading.columns, self._columns[1], where)
            if not set(reading.text) <= set(self._columns[0]):
                self._notes.append(f"{where}: the text is {' and '.join(reading.text)}.")
                self._columns = (reading.text if set(reading.text) > set(self._columns[0]) else self._columns[0], label)
        if reading.stream.notes:
            self._notes.append(f"{where}: {'; '.join(reading.stream.notes)}.")
        return True

    def finish(self, trained_rule: LabelRule | None) -> LabelledReviews:
        """Return all reviews, once it is decided what their labels mean."""
        if self._columns is None or not any(self._rows.values()):
            self._refuse_empty()
        assert self._columns is not None
        labels = understand_labels(
            self._tally, positive=self._config.positive, negative=self._config.negative, trained_rule=trained_rule
        )
        self._pass_over_unlabelled()
        splits = {
            split: [
                Review(text, meaning, where, row, file)
                for text, value, where, row, file in rows
                if (meaning := labels.meanings[value]) in (NEGATIVE, POSITIVE)
            ]
            for split, rows in self._rows.items()
        }
        if not any(splits.values()):
            raise DataError(
                f"{self._name}: by --positive and --negative no review is left.", hint="; ".join(labels.notes) or None
            )
        neither = {value: self._tally.counts[value] for value, meaning in labels.meanings.items() if meaning is None}
        left_out = {
            **{f"no_{what}": places.n for what, places in self._without.items()},
            "broken": self._losses.broken,
            "neither": neither,
        }
        notes = [*self._notes, *labels.notes, *self._note_left_out()]
        return LabelledReviews(splits, *self._columns, labels.rule, labels.meanings, left_out, tuple(notes), self._blank)

    def _note_left_out(self) -> list[str]:
        notes = [
            f"Left out {places.n:,} {'row' if places.n == 1 else 'rows'} without {what}: {places}."
            for what, places in self._without.items()
            if places.n
        ]
        if self._losses.broken:
            n = self._losses.broken
            notes.append(f"Left out {n:,} broken {'row' if n == 1 else 'rows'}: {'; '.join(self._losses.places)}")
        return notes

    def _pass_over_unlabelled(self) -> None:
        empty = [split for split, rows in self._rows.items() if not rows and split != "train"]
        for split in empty:
            del self._rows[split]
            if split not in self._passed_over:
                self._notes.append(f"{self._name}: its {split} split has no labels; it is passed over.")

    def _refuse_empty(self) -> None:
        problems = self._note_left_out()
        if problems:
            raise DataError(f"{self._name}: no reviews with text and label in it.", hint=" ".join(problems))
        raise DataError(f"{self._name}: no reviews in it.")


def has_labels(path: Path, config: DataConfig) -> bool:
    """Return whether the first rows of a file have labels: not without a label column, or where all of them are -1."""
    with closing(open_path(path, config.read)) as stream:
        try:
            reading = read_texts(stream, option=config.text, preferred=config.preferred_text)
            column = choose_label_column(reading.columns, config.label, "", samples=reading.samples, exclude=reading.text)
        except DataError:
            return False
    return any(normalise_label(value) not in ("", "-1") for value in reading.samples[column])
