"""What the label column means: which of its two values is positive. Next on the road: `data/sources`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from polarity_cli.errors import DataError
from polarity_cli.records import NEGATIVE, POSITIVE, clean_text

_WHOLE = re.compile(r"^(\d+)\.0+$")
_SHOWN = 40
"""Characters of a label that a message shows."""

FORMS: tuple[tuple[str, str], ...] = (
    ("0", "1"),
    ("1", "2"),
    ("false", "true"),
    ("__label__1", "__label__2"),
    ("neg", "pos"),
    ("negative", "positive"),
)
"""Pairs of (negative, positive) that are understood by themselves."""


@dataclass
class LabelTally:
    """The distinct values of a label column, counted while rows are read."""

    column: str
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    """Where each value was met first."""
    empty: list[str] = field(default_factory=list)
    """Where the label is missing."""

    def add(self, value: object, where: str) -> str:
        """Count a value and return its normalised form.

        Raises:
            DataError: it is a list or an object, which is no label.
        """
        if isinstance(value, list | dict):
            raise DataError(f"{where}: column {self.column!r} holds {type(value).__name__}, expected a label.")
        key = normalise_label(value)
        if not key:
            self.empty.append(where)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.first.setdefault(key, where)
        return key


def normalise_label(value: object) -> str:
    """Return a label as lower-case text: `1`, `1.0`, `"1"` and ` 1 ` are the same label; missing is empty."""
    if value is None or value != value:  # NaN is what pandas writes for a missing label
        return ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else clean_text(str(value))
    return _WHOLE.sub(r"\1", text.strip().strip("\"'").strip().lower())


def understand_labels(tally: LabelTally, positive: str | None) -> dict[str, int]:
    """Return what each value of the label column means: 0 negative, 1 positive.

    Raises:
        DataError: a label is missing, there are more than two values, or it is not clear which one is positive.
    """
    if tally.empty:
        raise DataError(f"{_some(tally.empty)}: no label in column {tally.column!r}.")
    if len(tally.counts) > 2:
        raise DataError(
            f"Column {tally.column!r} has {len(tally.counts)} different labels, expected two: {_describe(tally)}.",
            hint="Make two of them (stars: 1-2 negative, 4-5 positive, no 3), or name another column with --label.",
        )
    if positive is not None:
        return _map_by_name(tally, normalise_label(positive), positive)
    seen = set(tally.counts)
    forms = [form for form in FORMS if seen <= set(form)]
    if len(forms) != 1:
        raise DataError(
            f"Column {tally.column!r}: it is not clear which label is positive: {_describe(tally)}.",
            hint=f"Say it with --positive, e.g. --positive {_cut(max(seen, default='1'))}.",
        )
    negative, positive = forms[0]
    return {value: meaning for value, meaning in ((negative, NEGATIVE), (positive, POSITIVE)) if value in seen}


def _map_by_name(tally: LabelTally, wanted: str, asked: str) -> dict[str, int]:
    if wanted not in tally.counts and len(tally.counts) == 2:
        raise DataError(
            f"--positive {asked}: column {tally.column!r} has no such label.", hint=f"Its labels: {_describe(tally)}."
        )
    return {value: POSITIVE if value == wanted else NEGATIVE for value in tally.counts}


def check_both_classes(counts: Mapping[int, int], where: str) -> None:
    """Raise DataError when all reviews have one label, since a classifier learns nothing from them."""
    if not any(counts.values()):
        raise DataError(
            f"{where}: its train split has no reviews left.", hint="Check the train file, and that test does not repeat it."
        )
    missing = [name for name, label in (("negative", NEGATIVE), ("positive", POSITIVE)) if not counts.get(label)]
    if missing:
        raise DataError(
            f"{where}: no {' and no '.join(missing)} reviews among the {sum(counts.values())} read.",
            hint="A split needs both. If the file is sorted by label, read all of it with --rows all.",
        )


def _describe(tally: LabelTally) -> str:
    shown = sorted(tally.counts)[:10]
    parts = [f"{_cut(value)!r} ({tally.counts[value]} rows, first at {tally.first[value]})" for value in shown]
    return ", ".join(parts) + (f" and {len(tally.counts) - 10} more" if len(tally.counts) > 10 else "")


def _cut(value: str) -> str:
    return value if len(value) <= _SHOWN else value[:_SHOWN] + "..."


def _some(places: list[str]) -> str:
    return ", ".join(places[:10]) + (f" and {len(places) - 10} more" if len(places) > 10 else "")
