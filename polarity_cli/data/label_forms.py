"""The usual forms of labels (0/1, stars, words), and which of them a column's labels fit. Next: `data/labels`."""

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
    """One usual way to write labels, and what each of its labels means."""

    name: str
    negative: tuple[str, ...]
    positive: tuple[str, ...]
    neutral: tuple[str, ...] = ()
    options: str = ""
    """The options that make the program read labels by this form."""
    needs_poles: bool = False
    """Whether a column must hold a positive and a negative label before the neutral one counts."""

    def contains(self, labels: Collection[str]) -> bool:
        """Return whether every label fits this form."""
        has_poles = any(value in self.negative for value in labels) and any(value in self.positive for value in labels)
        neutral = () if self.needs_poles and not has_poles else self.neutral
        return all(value in self.negative or value in self.positive or value in neutral for value in labels)

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
USUAL_FORMS: tuple[Form, ...] = (
    BINARY,
    Form("1/2", ("1",), ("2",), options="--positive 2 --negative 1"),
    Form("0/4", ("0",), ("4",), ("2",), options="--positive 4 --negative 0", needs_poles=True),
    Form("-1/1", ("-1",), ("1",), ("0",), options="--positive 1 --negative -1", needs_poles=True),
    WORDS,
    TRUTH,
    STARS,
)
"""The forms that are recognized without an option, where all that fit agree."""
PLAIN = (BINARY, WORDS, TRUTH)
"""Forms that read as anybody would expect, so that no note says so."""
_THREE = Form("1 to 3 with 2 neutral", ("1",), ("3",), ("2",), options="--positive 3 --negative 1")
_LOWEST_ONLY_STARS_HAVE = 3


def find_forms(labels: Collection[str], column: str, *, has_stars: bool = False) -> list[Form]:
    """Return the forms that all labels, given without `__label__`, fit; several may fit and mean different things."""
    numbers = [number for value in labels if (number := as_number(value)) is not None]
    may_be_stars = has_stars or is_star_name(column) or max(numbers, default=0) >= _LOWEST_ONLY_STARS_HAVE
    if has_stars and STARS.contains(labels):
        return [STARS]
    forms = (STARS, *USUAL_FORMS[:-1]) if is_star_name(column) else USUAL_FORMS
    possible = [form for form in forms if form.contains(labels) and (form is not STARS or may_be_stars)]
    return [*possible, _THREE] if "3" in labels and _THREE.contains(labels) else possible


def group_readings(forms: Iterable[Form], labels: Iterable[str]) -> list[list[Form]]:
    """Return the forms grouped by what they make of the labels: one group where all agree."""
    ordered = order(labels)
    groups: dict[tuple[int | None, ...], list[Form]] = {}
    for form in forms:
        groups.setdefault(tuple(map(form.find_meaning, ordered)), []).append(form)
    return list(groups.values())


def looks_like_labels(labels: Collection[str]) -> bool:
    """Return whether all labels, given without `__label__`, fit one of the usual forms."""
    return bool(labels) and any(form.contains(labels) for form in USUAL_FORMS)


def suggest_readings(groups: Iterable[list[Form]], labels: Collection[str]) -> str:
    """Return a hint for ambiguous labels: each way to read them, with the options that choose it."""
    parts = [
        f"{group[0].options} ({describe_form(group[0], labels)}, as in {join_words((f.name for f in group), 'or')})"
        for group in groups
    ]
    return "Say which is meant: " + ", or ".join(parts) + "."


def suggest_options(labels: Collection[str]) -> str:
    """Return a hint for labels that fit no form: which options say what they mean."""
    values = order(labels)
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
    scale = [number for number in numbers if number is not None]
    if len(scale) == len(values):
        return f"Say which are positive and which negative, e.g. {_suggest_scale(scale)}; what is in neither is left out."
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
    """Return the options for the one pair of opposites among the labels, such as `neg` and `pos`; None without one."""
    for negative, positive in (("negative", "positive"), ("neg", "pos"), ("false", "true")):
        if negative in values and positive in values:
            return f"--positive {positive} --negative {negative}"
    has_two = {value for value in values if as_number(value) is not None} == {"0", "1"}
    return BINARY.options if has_two else None


def list_for_shell(values: Iterable[str], *, in_order: bool = True) -> str:
    """Return labels as one quoted option value, sorted unless `in_order` is False; a long list is cut."""
    text = ",".join(cut(value) for value in (order(values) if in_order else values))
    text = cut(text, _HINT_LIST)
    quoted = shlex.quote(text)
    return f'"{text}"' if quoted != text and not set(text) & set('"$`\\!') else quoted


def describe_form(form: Form, labels: Iterable[str]) -> str:
    """Return in words what labels mean by a form: `1 and 2 are negative, 4 is positive`."""
    names = {NEGATIVE: "negative", POSITIVE: "positive", None: "left out"}
    return name_meanings({value: form.find_meaning(value) for value in order(labels)}, names)


def name_meanings(meanings: dict[str, int | None], names: dict[int | None, str]) -> str:
    """Return in words what labels mean; labels whose meaning is not in `names` are skipped."""
    parts = []
    for meaning, name in names.items():
        values = [value for value, side in meanings.items() if side == meaning]
        if values:
            parts.append(f"{list_some(values)} {'is' if len(values) == 1 else 'are'} {name}")
    return ", ".join(parts)


def list_some(values: Iterable[str], last: str = "and") -> str:
    """Return labels as a list in a sentence, at most five of them: `1, 2 and 3 more`."""
    ordered = [cut(value) for value in order(values)]
    shown = (
        ordered if len(ordered) <= _MOST_LISTED else [*ordered[: _MOST_LISTED - 1], f"{len(ordered) - _MOST_LISTED + 1:,} more"]
    )
    return join_words(shown, last)


def join_words(words: Iterable[str], last: str = "and") -> str:
    """Return words as a list in a sentence: `a, b and c`."""
    listed = list(words)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} {last} {listed[-1]}"
