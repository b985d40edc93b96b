"""Normalise labels, however they are written, and count those of a column. Next: `data/label_forms`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from polarity_cli.errors import DataError
from polarity_cli.text import clean_text

PREFIX = "__label__"
"""What fastText writes before a label."""

_SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
    "\u202f\u205f\u3000"
)
_EDGES = _SPACES + "\"'\u201c\u201d\u2018\u2019\ufeff\u200b"
_MISSING = frozenset({"", "n/a", "na", "nan", "nat", "none", "null", "<na>"})
_NUMBER = re.compile("([+\\-\u2212]?)(?:([0-9]+)(?:\\.([0-9]*))?|\\.([0-9]+))")
_FLOAT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")
_WORDS = {"one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}
_COUNT = r"([0-5](?:\.[0-9]+)?|one|two|three|four|five)"
_STARS = (
    rf"(?:rated |rating:? )?{_COUNT}(?: out of | of | ?/ ?)(?:5(?:\.0+)?|five)(?: stars?)?\.?",
    rf"(?:rated )?{_COUNT}[ -]?stars?(?: rating)?\.?",
)
_STAR_SIGNS = "((?:[\u2605\u2b50\U0001f31f]\ufe0f?){1,5})(?:[\u2606\u2729\u2730]\ufe0f?){0,4}"
"""Patterns that are compiled when a label first needs them: every prediction imports this module."""
_LONGEST_STARS = 40
_SHOWN = 40
_SHOWN_PLACE = 60
_SHOWN_LIST = 280
"""Characters of a value, a place and a list of values that a message shows."""
_CACHED = frozenset({str, int, float})
_LONGEST_CACHED, _MOST_CACHED = 100, 10_000
_MOST_VALUES, _MOST_NUMBERS = 10_000, 100_000


@dataclass
class LabelTally:
    """The distinct values of a label column, counted while rows are read; its memory is bounded."""

    column: str
    counts: dict[str, int] = field(default_factory=dict)
    """Rows of each normalised value; those without a label under the empty text."""
    first: dict[str, str] = field(default_factory=dict)
    """The place of each value's first row."""
    has_stars: bool = False
    """Whether a value was written as stars, `5 stars` or `4/5`, so that its number can mean nothing else."""
    _cache: dict[object, str] = field(default_factory=dict, repr=False, compare=False)

    def add(self, value: object, where: str) -> str:
        """Count a value and return its normalised form.

        Raises:
            DataError: it is a list or an object, which is no label, or the column has too many different values.
        """
        if type(value) is bool:
            value = str(value)  # since True is 1 to a dictionary
        is_plain = type(value) in _CACHED
        key = self._cache.get(value) if is_plain else None
        if key is None:
            key = self._normalise(value, where, is_plain=is_plain)
        n_rows = self.counts.get(key)
        if n_rows is None:
            self._check_size(key, where)
            self.first[key] = where
            n_rows = 0
        self.counts[key] = n_rows + 1
        return key

    def merge(self, other: LabelTally) -> None:
        """Add the counts of another tally, whose rows follow these."""
        self.column = other.column
        for value, n_rows in other.counts.items():
            self.counts[value] = self.counts.get(value, 0) + n_rows
        self.first = {**other.first, **self.first}
        self.has_stars |= other.has_stars

    def _normalise(self, value: object, where: str, *, is_plain: bool) -> str:
        if isinstance(value, list | dict | tuple | set):
            raise DataError(f"{where}: column {show(self.column)} holds {type(value).__name__}, expected a label.")
        key, is_stars = _read(value)
        self.has_stars |= is_stars
        is_short = is_plain and value == value and not (isinstance(value, str) and len(value) > _LONGEST_CACHED)
        if is_short and len(self._cache) < _MOST_CACHED:
            self._cache[value] = key
        return key

    def _check_size(self, key: str, where: str) -> None:
        most = _MOST_VALUES if as_number(key) is None else _MOST_NUMBERS
        if len(self.counts) >= most:
            raise DataError(
                f"{where}: column {show(self.column)} has more than {most:,} different values, it does not look like a label.",
                hint="Name the label column with --label.",
            )


def normalise_label(value: object) -> str:
    """Return a label as lower-case text; a missing one is empty.

    `1`, `1.0`, `+1`, `"1"` and ` 1 ` are the same label, and so are `4`, `4 stars`, `4/5` and four drawn stars. Missing is also
    what programs write for it: `NaN`, `None`, `null`, `n/a`. `__label__` stays before what follows it.
    """
    return _read(value)[0]


def strip_prefix(value: str) -> str:
    """Return a normalised label without `__label__`, as rules and forms hold it."""
    return value.removeprefix(PREFIX)


def as_number(value: str) -> float | None:
    """Return the number that a normalised label is, or None."""
    return float(value) if _FLOAT.fullmatch(value) else None


def _read(value: object) -> tuple[str, bool]:
    """Return a label normalised, and whether it was written as stars."""
    text = _as_text(value).lower().strip(_EDGES)
    if not text.startswith(PREFIX):
        return _read_bare(text)
    bare, is_stars = _read_bare(re.sub(rf"(?:{PREFIX}[{re.escape(_EDGES)}]*)+", "", text, count=1))
    return PREFIX + bare if bare else "", is_stars


def _read_bare(text: str) -> tuple[str, bool]:
    if text in _MISSING:
        return "", False
    if match := _NUMBER.fullmatch(text):
        return _write_number(match), False
    stars = _count_stars(text) if len(text) <= _LONGEST_STARS else None
    return (text, False) if stars is None else (stars, True)


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # so that equal numbers are one label: 1e16 and its integer too
    try:
        return clean_text(str(value))
    except ValueError:  # an integer of more digits than Python writes
        return hex(value) if isinstance(value, int) else repr(type(value))


def _write_number(match: re.Match[str]) -> str:
    whole = (match[2] or "").lstrip("0") or "0"
    fraction = (match[3] or match[4] or "").rstrip("0")
    digits = f"{whole}.{fraction}" if fraction else whole
    return digits if digits == "0" or match[1] in ("", "+") else f"-{digits}"


def _count_stars(text: str) -> str | None:
    """Return the number of stars that a text states (`4 out of 5`) or draws, or None."""
    words = " ".join(text.split())
    for pattern in _STARS:
        if match := re.fullmatch(pattern, words):
            number = normalise_label(_WORDS.get(match[1], match[1]))
            return number if float(number) <= 5 else None
    if match := re.fullmatch(_STAR_SIGNS, words.replace(" ", "")):
        return str(len(match[1].replace("\ufe0f", "")))
    return None


def cut(value: str, length: int = _SHOWN) -> str:
    """Return a text short enough for a message."""
    return value if len(value) <= length else value[:length] + "..."


def show(value: str) -> str:
    """Return a label or a name in quotes, short enough for a message whatever its characters."""
    text = repr(cut(value))
    return text if len(text) <= _SHOWN + 20 else text[: _SHOWN + 10] + "..."


def describe(tally: LabelTally, values: Iterable[str] | None = None) -> str:
    """Return up to ten labels of a column with their counts and first rows, for a message."""
    ordered = order(value for value in (tally.counts if values is None else values) if value)
    shown: list[str] = []
    for value in ordered[:10]:
        place = tally.first[value]
        place = place if len(place) <= _SHOWN_PLACE else "..." + place[-_SHOWN_PLACE:]
        n_rows = tally.counts[value]
        part = f"{show(value)} ({n_rows:,} row{'s' * (n_rows != 1)}, first at {place})"
        if shown and sum(map(len, shown)) + len(part) > _SHOWN_LIST:
            break
        shown.append(part)
    n_more = len(ordered) - len(shown)
    return ", ".join(shown) + (f" and {n_more:,} more" if n_more else "")


def order(values: Iterable[str]) -> list[str]:
    """Return labels sorted: numbers by size, then words by letter."""

    def key(value: str) -> tuple[bool, float, str]:
        number = as_number(strip_prefix(value))
        return number is None, number or 0.0, value

    return sorted(values, key=key)
