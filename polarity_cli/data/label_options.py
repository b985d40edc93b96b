"""Build a rule for labels from `--positive` and `--negative`, checked against the column. Next: `data/labels`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from polarity_cli.data.label_forms import NEUTRAL_WORDS, find_forms, list_for_shell, list_some
from polarity_cli.data.label_rules import LabelRule, is_comparison, is_sound, matches
from polarity_cli.data.label_values import LabelTally, as_number, cut, describe, order, show, strip_prefix
from polarity_cli.errors import DataError, UsageError
from polarity_cli.records import NEGATIVE, POSITIVE

_FLAGS = {POSITIVE: "--positive", NEGATIVE: "--negative"}
_LONG = 3
"""A hint lists up to this many labels; it writes more of them as a comparison."""


def build_rule(
    tally: LabelTally, positive: tuple[str, ...], negative: tuple[str, ...], trained_rule: LabelRule | None
) -> LabelRule:
    """Return the rule that the options describe; with one option alone, the only other label is the other side.

    Raises:
        UsageError: a label is on both sides, or one that was typed is not in the column.
        DataError: several labels could be the other side.
    """
    labels = {strip_prefix(value) for value in tally.counts if value}
    _check_sides(labels, positive, negative)
    sides = {POSITIVE: positive, NEGATIVE: negative}
    for meaning, entries in sides.items():
        if entries and labels:
            _check_entries(tally, meaning, entries, sides[1 - meaning], trained_rule)
    for meaning, entries in sides.items():
        if not entries:
            sides[meaning] = _find_other_side(tally, labels, meaning, sides[1 - meaning])
    return LabelRule(tally.column, sides[POSITIVE], sides[NEGATIVE], is_asked=True)


def _check_sides(labels: Collection[str], positive: Sequence[str], negative: Sequence[str]) -> None:
    both = [value for value in (*positive, *negative, *order(labels)) if matches(value, positive) and matches(value, negative)]
    if both:
        raise UsageError(
            f"--positive {_show(positive)} --negative {_show(negative)}: {show(both[0])} is in both.",
            hint="Leave it out of one of them.",
        )


def _check_entries(
    tally: LabelTally, meaning: int, entries: Sequence[str], other: Sequence[str], trained_rule: LabelRule | None
) -> None:
    """Raise UsageError for an option none of whose labels is in the column, unless the column holds the other side alone."""
    labels = {strip_prefix(value) for value in tally.counts if value}
    typed = f"{_FLAGS[meaning]} {_show(entries)}"
    has_comparison = any(is_comparison(entry) for entry in entries)
    has_numbers = any(as_number(value) is not None for value in labels)
    is_found = (has_comparison and has_numbers) or any(matches(value, entries) for value in labels)
    is_in_training = trained_rule is not None and any(
        trained_rule.is_known(entry) for entry in entries if not is_comparison(entry)
    )
    rest = [value for value in order(labels) if value not in NEUTRAL_WORDS and not matches(value, other)]
    if is_found or is_in_training or (other and not rest):
        return
    if all(is_comparison(entry) for entry in entries):
        raise UsageError(
            f"{typed}: no label of column {show(tally.column)} is a number: {describe(tally)}.",
            hint=f"Name labels that the column has with {_FLAGS[meaning]}.",
        )
    hint = f"Name labels that the column has with {_FLAGS[meaning]}"
    if not other and len(rest) == 1:
        name, flag = ("negative" if meaning == POSITIVE else "positive"), _FLAGS[1 - meaning]
        hint += f"; or, where {cut(rest[0])} is {name}, add {flag} {list_for_shell(rest)}"
    raise UsageError(f"{typed}: column {show(tally.column)} has no such label: {describe(tally)}.", hint=f"{hint}.")


def _find_other_side(tally: LabelTally, labels: Collection[str], meaning: int, entries: Sequence[str]) -> tuple[str, ...]:
    """Return the only label that is left for the side without an option, which is `meaning`."""
    rest = [value for value in order(labels) if value not in NEUTRAL_WORDS and not matches(value, entries)]
    if not rest:
        return ()
    flag, typed = _FLAGS[meaning], f"{_FLAGS[1 - meaning]} {_show(entries)}"
    if len(rest) > 1:
        raise DataError(
            f"{typed}: it is not clear which of the other labels of column {show(tally.column)} are the other class: "
            f"{describe(tally)}.",
            hint=_suggest_other_side(tally, labels, rest, flag=flag, meaning=meaning),
        )
    if is_comparison(rest[0]) or not is_sound(rest[0]):
        raise DataError(
            f"{typed}: the other label of column {show(tally.column)}, {show(rest[0])}, cannot be part of a rule.",
            hint="Change these labels in the file: they are too long, or begin with < or >.",
        )
    return (rest[0],)


def _suggest_other_side(tally: LabelTally, labels: Collection[str], rest: Sequence[str], *, flag: str, meaning: int) -> str:
    """Return a hint with two ways to name the other side: the labels that its form suggests, or all the rest."""
    is_number = all(as_number(value) is not None for value in labels)
    forms = find_forms(labels, tally.column, has_stars=tally.has_stars)
    some = [value for value in rest if forms and forms[0].find_meaning(value) == meaning]
    if not some and is_number:
        some = [rest[0] if meaning == NEGATIVE else rest[-1]]
    every = f"{flag} {_write_rest(rest, labels, meaning)}"
    if not some or len(some) == len(rest):
        return f"Say which are: {every} for all of them, or some of these; what is in neither is left out."
    left = list_some(value for value in rest if value not in some)
    part = _write_part(some, labels, meaning) if len(rest) > _LONG and is_number else list_for_shell(some)
    n_left = len(rest) - len(some)
    return f"Say which are: {flag} {part} ({left} {'is' if n_left == 1 else 'are'} left out), or {every} (none is)."


def _write_rest(rest: Sequence[str], labels: Collection[str], meaning: int) -> str:
    """Return the remaining labels as an option value; many numbers become one comparison."""
    others = [value for value in order(labels) if value not in rest]
    if len(rest) <= _LONG or not others or any(as_number(value) is None for value in labels):
        return list_for_shell(rest)
    edge, sign = (others[0], "<") if meaning == NEGATIVE else (others[-1], ">")
    return f'"{sign}{cut(edge)}"' if all(matches(value, (sign + edge,)) for value in rest) else list_for_shell(rest)


def _write_part(some: Sequence[str], labels: Collection[str], meaning: int) -> str:
    """Return numbers as a comparison where it matches no other label; else as a list."""
    entry = f"<={some[-1]}" if meaning == NEGATIVE else f">={some[0]}"
    is_exact = all((value in some) == matches(value, (entry,)) for value in labels)
    return f'"{cut(entry)}"' if is_exact else list_for_shell(some)


def _show(entries: Sequence[str]) -> str:
    return list_for_shell(entries, in_order=False)
