"""The forms of labels that people use, and which of them a column's values can be. Next on the road: `data/labels`."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from polarity_cli.data.label_values import as_number, cut, order
from polarity_cli.formats.column_names import is_star_name
from polarity_cli.records import NEGATIVE, POSITIVE

NEUTRAL_WORDS = ("neutral", "neu", "mixed")
_MOST_LISTED = 5
"""Labels that a sentence lists."""
_HINT_LIST = 90
"""Characters of the labels that a hint lists after one flag."""


@dataclass(frozen=True)
class Form:
    """Labels that belong together, and what they mean."""

    name: str
    negative: tuple[str, ...]
    positive: tuple[str, ...]
    neutral: tuple[str, ...] = ()
    options: str = ""
    """What a user types to read labels so."""
    needs_poles: bool = False
    """Whether the neutral label belongs to the form only beside a positive and a negative one."""

    def contains(self, seen: Collection[str]) -> bool:
        """Return whether every label seen can be of this form."""
        has_poles = any(value in self.negative for value in seen) and any(value in self.positive for value in seen)
        neutral = () if self.needs_poles and not has_poles else self.neutral
        return all(value in self.negative or value in self.positive or value in neutral for value in seen)

    def find_meaning(self, value: str) -> int | None:
        """Return what a label of the form means: 0 negative, 1 positive, None neither."""
        return NEGATIVE if value in self.negative else POSITIVE if value in self.positive else None


STARS = Form(
    "stars of 5",
    ("0.5", "1", "1.5", "2"),
    ("4", "4.5", "5"),
    ("2.5", "3", "3.5"),
    options='--positive ">=4" --negative "<=2"',
)
WORDS = Form(
    "positive and negative",
    ("negative", "neg", "very negative", "extremely negative"),
    ("positive", "pos", "very positive", "extremely positive"),
    NEUTRAL_WORDS,
)
BINARY = Form("0/1", ("0",), ("1",), options="--positive 1 --negative 0")
TRUTH = Form("true and false", ("false",), ("true",))
TAKEN: tuple[Form, ...] = (
    BINARY,
    Form("1/2", ("1",), ("2",), options="--positive 2 --negative 1"),
    Form("0/4", ("0",), ("4",), ("2",), options="--positive 4 --negative 0", needs_poles=True),
    Form("-1/1", ("-1",), ("1",), ("0",), options="--positive 1 --negative -1", needs_poles=True),
    WORDS,
    TRUTH,
    STARS,
)
"""Forms that are taken where nothing else is possible."""
PLAIN = (BINARY, WORDS, TRUTH)
"""Forms that nobody needs to be told of."""
_THREE = Form("1 to 3 with 2 neutral", ("1",), ("3",), ("2",), options="--positive 3 --negative 1")
_LOWEST_ONLY_STARS_HAVE = 3

FORMS: tuple[tuple[str, str], ...] = (
    ("0", "1"),
    ("1", "2"),
    ("0", "4"),
    ("-1", "1"),
    ("false", "true"),
    ("__label__0", "__label__1"),
    ("__label__1", "__label__2"),
    ("neg", "pos"),
    ("negative", "positive"),
)
"""Pairs of (negative, positive) that a model's two classes may be named."""


def find_forms(seen: Collection[str], column: str, *, has_stars: bool = False) -> list[Form]:
    """Return the forms that every label seen can be of; labels without `__label__`. None of them is taken where they disagree."""
    numbers = [number for value in seen if (number := as_number(value)) is not None]
    may_be_stars = has_stars or is_star_name(column) or max(numbers, default=0) >= _LOWEST_ONLY_STARS_HAVE
    if has_stars and STARS.contains(seen):
        return [STARS]
    forms = (STARS, *TAKEN[:-1]) if is_star_name(column) else TAKEN
    found = [form for form in forms if form.contains(seen) and (form is not STARS or may_be_stars)]
    return [*found, _THREE] if "3" in seen and _THREE.contains(seen) else found


def group_readings(forms: Iterable[Form], seen: Iterable[str]) -> list[list[Form]]:
    """Return the forms by what they say of the labels seen: one group where all say the same."""
    chosen = order(seen)
    groups: dict[tuple[int | None, ...], list[Form]] = {}
    for form in forms:
        groups.setdefault(tuple(map(form.find_meaning, chosen)), []).append(form)
    return list(groups.values())


def looks_like_labels(seen: Collection[str]) -> bool:
    """Return whether labels without `__label__` are all of one form that can be understood by itself."""
    return bool(seen) and any(form.contains(seen) for form in TAKEN)


def suggest_readings(groups: Iterable[list[Form]], seen: Collection[str]) -> str:
    """Return each reading of labels that are ambiguous, with the options that ask for it."""
    parts = [
        f"{group[0].options} ({say_meanings(group[0], seen)}, as in {join_words((f.name for f in group), 'or')})"
        for group in groups
    ]
    return "Say which is meant: " + ", or ".join(parts) + "."


def suggest_options(seen: Collection[str]) -> str:
    """Return how to say what labels mean that are of no form."""
    values = order(seen)
    if any("," in value or value.startswith(("<", ">", "=")) for value in values):
        return (
            "Change the labels that hold a comma or begin with <, > or =: these cannot be typed after --positive or --negative."
        )
    if len(values) == 1:
        value = list_for_shell(values)
        return f"Say what it is: --positive {value}, or --negative {value}."
    numbers = [as_number(value) for value in values]
    if len(values) == 2:
        one, other = list_for_shell(values[:1]), list_for_shell(values[1:])
        return f"Say which is which: --positive {one} --negative {other}, or --positive {other} --negative {one}."
    known = [number for number in numbers if number is not None]
    if len(known) == len(values):
        return f"Say which are positive and which negative, e.g. {_suggest_scale(known)}; what is in neither is left out."
    if poles := _find_poles(values):
        return f"To keep these two and leave out the rest: {poles}. To group them: --positive A,B --negative C."
    return "Group them: --positive A,B --negative C, with labels of the column for A, B and C; what is in neither is left out."


def _suggest_scale(numbers: list[float]) -> str:
    low, high = min(numbers), max(numbers)
    if set(numbers) == {0, 1, 2}:
        return "--positive 2 --negative 0 (1 is left out)"
    if low >= 0 and high <= 4 and all(number.is_integer() for number in numbers):
        return "--positive 3,4 --negative 0,1 (2 is left out)"
    if low < 0:
        return '--positive ">0" --negative "<0"'
    for limit, positive, negative in ((1, ">0.5", "<0.5"), (5, ">=4", "<=2"), (10, ">=7", "<=4"), (100, ">=70", "<=40")):
        if high <= limit:
            return f'--positive "{positive}" --negative "{negative}"'
    return '--positive ">=HIGH" --negative "<=LOW", with numbers for HIGH and LOW'


def _find_poles(values: Collection[str]) -> str | None:
    """Return the options that read two labels of a form of words, or 0 and 1 among words."""
    for negative, positive in (("negative", "positive"), ("neg", "pos"), ("false", "true")):
        if negative in values and positive in values:
            return f"--positive {positive} --negative {negative}"
    has_two = {value for value in values if as_number(value) is not None} == {"0", "1"}
    return BINARY.options if has_two else None


def list_for_shell(values: Iterable[str], *, in_order: bool = True) -> str:
    """Return labels, or names as they come, as one option value; a long list is cut."""
    text = ",".join(cut(value) for value in (order(values) if in_order else values))
    text = cut(text, _HINT_LIST)
    quoted = shlex.quote(text)
    return f'"{text}"' if quoted != text and not set(text) & set('"$`\\!') else quoted


def say_meanings(form: Form, seen: Iterable[str]) -> str:
    """Return what a form says of the labels seen: `1 and 2 are negative, 4 is positive`."""
    names = {NEGATIVE: "negative", POSITIVE: "positive", None: "left out"}
    return say({value: form.find_meaning(value) for value in order(seen)}, names)


def say(meanings: dict[str, int | None], names: dict[int | None, str]) -> str:
    """Return what labels mean, in words; those whose meaning has no name are passed over."""
    parts = []
    for meaning, name in names.items():
        values = [value for value, found in meanings.items() if found == meaning]
        if values:
            parts.append(f"{list_some(values)} {'is' if len(values) == 1 else 'are'} {name}")
    return ", ".join(parts)


def list_some(values: Iterable[str], last: str = "and") -> str:
    """Return labels as a sentence lists them, a few of many."""
    ordered = [cut(value) for value in order(values)]
    shown = (
        ordered if len(ordered) <= _MOST_LISTED else [*ordered[: _MOST_LISTED - 1], f"{len(ordered) - _MOST_LISTED + 1:,} more"]
    )
    return join_words(shown, last)


def join_words(words: Iterable[str], last: str = "and") -> str:
    """Return words as a sentence lists them: `a, b and c`."""
    listed = list(words)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} {last} {listed[-1]}"
