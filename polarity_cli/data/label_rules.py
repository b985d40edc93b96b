"""A rule that says which labels are positive and which negative, kept in a checkpoint. Next: `data/labels`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from polarity_cli.data.label_values import as_number, normalise_label, show, strip_prefix
from polarity_cli.errors import UsageError
from polarity_cli.records import NEGATIVE, POSITIVE

_COMPARISON = re.compile(r"(>=|<=|>|<)(.+)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_MOST_ENTRIES, _LONGEST_ENTRY, _LONGEST_COLUMN = 1000, 1000, 200_000
_LISTS = ("positive", "negative", "left_out")


@dataclass(frozen=True)
class LabelRule:
    """What the values of a label column mean.

    Entries are normalised labels without `__label__`, or comparisons with a number: `>=4`, `<3`.
    """

    column: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    """Labels that are neither."""
    is_asked: bool = False
    """Whether it came from --positive or --negative: a label in no list is then left out, else it is unknown."""

    def __post_init__(self) -> None:
        """Raise ValueError for entries that no label can be, or that are in two lists."""
        entries = (*self.positive, *self.negative, *self.left_out)
        if max(map(len, (self.positive, self.negative, self.left_out))) > _MOST_ENTRIES:
            raise ValueError(f"{len(entries):,} labels, expected {_MOST_ENTRIES:,} at most in a list")
        for entry in entries:
            if not is_sound(entry):
                raise ValueError(f"{show(entry)} is no label")
        if len(set(entries)) != sum(len(set(getattr(self, name))) for name in _LISTS):
            raise ValueError("a label is in two lists")

    def find_meaning(self, value: str) -> int | None:
        """Return what a normalised label means: 0 negative, 1 positive, None neither.

        Raises:
            KeyError: the rule does not know it, or has it in both lists.
        """
        is_positive, is_negative = matches(value, self.positive), matches(value, self.negative)
        if is_positive != is_negative:
            return POSITIVE if is_positive else NEGATIVE
        if not is_positive and (self.is_asked or matches(value, self.left_out)):
            return None
        raise KeyError(value)

    def is_known(self, value: str) -> bool:
        """Return whether one of the lists covers a normalised label."""
        return matches(value, self.positive) or matches(value, self.negative) or matches(value, self.left_out)

    def to_json(self) -> dict[str, object]:
        """Return the rule as a JSON object."""
        lists: dict[str, object] = {name: list(getattr(self, name)) for name in _LISTS}
        return {"column": self.column, **lists, "is_asked": self.is_asked}

    @classmethod
    def from_json(cls, value: object) -> LabelRule:
        """Return the rule that `to_json` wrote.

        Raises:
            ValueError: the value is no such rule.
        """
        if not isinstance(value, dict) or set(value) != {"column", "is_asked", *_LISTS}:
            raise ValueError("expected an object of column, positive, negative, left_out and is_asked")
        column, is_asked = value["column"], value["is_asked"]
        if not isinstance(column, str) or len(column) > _LONGEST_COLUMN:
            raise ValueError("column is no name")
        if not isinstance(is_asked, bool):
            raise ValueError("is_asked is neither true nor false")
        positive, negative, left_out = (_read_entries(value[name], name) for name in _LISTS)
        if not positive and not negative:
            raise ValueError("no label is positive or negative")
        return cls(column, positive, negative, left_out, is_asked)


def _read_entries(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_ENTRIES or not all(isinstance(entry, str) for entry in value):
        raise ValueError(f"{name} is no list of labels")
    return tuple(value)


def matches(value: str, entries: Sequence[str]) -> bool:
    """Return whether a normalised label is one of a rule's entries, or one of its comparisons is true of it."""
    bare = strip_prefix(value)
    if bare in entries:
        return True
    number = as_number(bare)
    return number is not None and any(_holds(number, entry) for entry in entries)


def is_comparison(entry: str) -> bool:
    """Return whether a rule's entry is a comparison, not a label."""
    return entry.startswith((">", "<"))


def _holds(number: float, entry: str) -> bool:
    match = _COMPARISON.fullmatch(entry)
    limit = as_number(match[2]) if match else None
    return match is not None and limit is not None and _COMPARE[match[1]](number, limit)


def is_sound(entry: str) -> bool:
    """Return whether a text can be an entry of a rule."""
    if not entry or len(entry) > _LONGEST_ENTRY:
        return False
    if is_comparison(entry):
        match = _COMPARISON.fullmatch(entry)
        return match is not None and as_number(match[2]) is not None and normalise_label(match[2]) == match[2]
    return strip_prefix(entry) == entry == normalise_label(entry)


def parse_values(texts: Sequence[str], flag: str) -> tuple[str, ...]:
    """Return the entries of a rule from the comma-separated lists that were typed after a flag.

    Raises:
        UsageError: an entry is empty or missing, or no comparison.
    """
    entries = [_parse_entry(part, f"{flag} {show(text)}", flag) for text in texts for part in text.split(",")]
    if len(entries) > _MOST_ENTRIES:
        raise UsageError(f"{flag}: {len(entries):,} labels, expected {_MOST_ENTRIES:,} at most.")
    return tuple(dict.fromkeys(entries))


def _parse_entry(part: str, typed: str, flag: str) -> str:
    entry = strip_prefix(normalise_label(part.replace("\u2265", ">=").replace("\u2264", "<=")))
    if not entry:
        problem = f"{show(part.strip())} means that a label is missing" if part.strip() else "there is an empty label in it"
        raise UsageError(f"{typed}: {problem}.", hint=f"List labels with commas between them, e.g. {flag} 4,5.")
    if entry.startswith((">", "<", "=")):
        match = _COMPARISON.fullmatch(entry)
        entry = match[1] + normalise_label(match[2]) if match else entry
        if not (is_comparison(entry) and is_sound(entry)):
            raise UsageError(
                f"{typed}: {show(part.strip())} is no comparison, expected >=, <=, > or < and a number.",
                hint=f'Type it in quotes, e.g. {flag} ">=4".',
            )
    elif not is_sound(entry):
        raise UsageError(f"{typed}: {show(entry)} is longer than a label may be, {_LONGEST_ENTRY:,} characters.")
    return entry
