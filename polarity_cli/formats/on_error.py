"""Raise, skip or keep broken records: one rule for all formats and verbs. Used by `data/reviews` and by prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from polarity_cli.errors import DataError
from polarity_cli.formats.decoding import explain_undecodable
from polarity_cli.formats.record import Record
from polarity_cli.records import Observer

N_NAMED = 10
"""A message names so many places; the rest are only counted."""


@dataclass
class Losses:
    """Counts of the records that were broken or had undecodable bytes."""

    broken: int = 0
    undecodable: int = 0
    """Records with undecodable bytes."""
    first_undecodable: str = ""
    places: list[str] = field(default_factory=list)
    """The errors of the first ten broken records, with their places."""

    def report(self, observer: Observer, on_error: str, *, encoding: str = "utf-8") -> None:
        """Warn the observer how many records were lost, which `--quiet` does not hide."""
        if self.broken:
            done = "left out" if on_error == "skip" else "kept without a label"
            observer.warn(f"{self.broken:,} broken {'record was' if self.broken == 1 else 'records were'} {done}.")
        if self.undecodable:
            many = "1 record holds" if self.undecodable == 1 else f"{self.undecodable:,} records hold"
            name = "UTF-8" if encoding == "utf-8" else encoding
            observer.warn(
                f"{many} bytes that are not {name}, first {self.first_undecodable}; the model read U+FFFD in their place. "
                "If the file is of a Windows program, say --encoding cp1252."
            )

    def to_json(self) -> dict[str, object]:
        """Return the counts as a JSON object."""
        return {"broken": self.broken, "undecodable": self.undecodable, "places": list(self.places)}


def settle(
    records: Iterable[Record], on_error: str, losses: Losses, observer: Observer, *, encoding: str | None = None
) -> Iterator[Record]:
    """Yield records; a broken one is raised, left out or kept, as `on_error` says (`fail`, `skip`, `keep`).

    With an `encoding`, undecodable bytes break a record too, as in training; without one, they are counted in `losses`.

    Raises:
        DataError: a record is broken and `on_error` is `fail`; those before it have been yielded.
    """
    for record in records:
        error = record.error
        if record.undecodable:
            file, colon, line = record.where.rpartition(":")
            place = f"{file}:{record.undecodable}" if colon and line.isdigit() else f"{record.where}:{record.undecodable}"
            if encoding is not None and error is None:
                error = explain_undecodable(place, encoding)
            elif encoding is None:
                losses.undecodable += 1
                losses.first_undecodable = losses.first_undecodable or f"at {place}"
        if error is None:
            yield record
            continue
        if on_error == "fail":
            raise _with_hint(error)
        losses.broken += 1
        if losses.broken <= N_NAMED:
            losses.places.append(str(error))
            observer.warn(str(error))
        if on_error == "keep":
            yield record


def _with_hint(error: DataError) -> DataError:
    error.hint = error.hint or "Mend it, or leave such rows out with --on-error skip."
    return error
