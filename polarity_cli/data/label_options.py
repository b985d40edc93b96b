"""The rule that `--positive` and `--negative` give, held against a column's labels. Next on the road: `data/labels`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from polarity_cli.data.label_forms import NEUTRAL_WORDS, find_forms, list_for_shell, list_some
from polarity_cli.data.label_rules import LabelRule, is_comparison, is_sound, matches
from polarity_cli.data.label_values import LabelTally, as_number, cut, describe, order, show, strip_prefix
from polarity_cli.errors import DataError, UsageError
from polarity_cli.records import NEGATIVE, POSITIVE

_FLAGS = {POSITIVE: "--positive", NEGATIVE: "--negative"}
_LONG = 3
"""Labels that a hint lists; more it writes as a comparison."""


def make_asked_rule(
    tally: LabelTally, positive: tuple[str, ...], negative: tuple[str, ...], known: LabelRule | None
) -> LabelRule:
    """Return the rule of the labels asked for; where one side is asked only, the other is what is left, if that is clear.

    Raises:
        UsageError: a label is on both sides, or one that was asked for is nowhere.
        DataError: it is not clear what the other side is.
    """
    seen = {strip_prefix(value) for value in tally.counts if value}
    _check_sides(seen, positive, negative)
    sides = {POSITIVE: positive, NEGATIVE: negative}
    for meaning, entries in sides.items():
        if entries and seen:
            _check_found(tally, meaning, entries, sides[1 - meaning], known)
    for meaning, entries in sides.items():
        if not entries:
            sides[meaning] = _find_other_side(tally, seen, meaning, sides[1 - meaning])
    return LabelRule(tally.column, sides[POSITIVE], sides[NEGATIVE], is_asked=True)


def _check_sides(seen: Collection[str], positive: Sequence[str], negative: Sequence[str]) -> None:
    both = [value for value in (*positive, *negative, *order(seen)) if matches(value, positive) and matches(value, negative)]
    if both:
        raise UsageError(
            f"--positive {_show(positive)} --negative {_show(negative)}: {show(both[0])} is in both.",
            hint="Leave it out of one of them.",
        )


def _check_found(tally: LabelTally, meaning: int, entries: Sequence[str], other: Sequence[str], known: LabelRule | None) -> None:
    """Refuse labels that are nowhere, but where the other side is all that the column has."""
    seen = {strip_prefix(value) for value in tally.counts if value}
    asked = f"{_FLAGS[meaning]} {_show(entries)}"
    has_comparison = any(is_comparison(entry) for entry in entries)
    has_numbers = any(as_number(value) is not None for value in seen)
    is_found = (has_comparison and has_numbers) or any(matches(value, entries) for value in seen)
    is_in_training = known is not None and any(known.is_known(entry) for entry in entries if not is_comparison(entry))
    rest = [value for value in order(seen) if value not in NEUTRAL_WORDS and not matches(value, other)]
    if is_found or is_in_training or (other and not rest):
        return
    if all(is_comparison(entry) for entry in entries):
        raise UsageError(
            f"{asked}: no label of column {show(tally.column)} is a number: {describe(tally)}.",
            hint=f"Name labels that the column has with {_FLAGS[meaning]}.",
        )
    hint = f"Name labels that the column has with {_FLAGS[meaning]}"
    if not other and len(rest) == 1:
        name, flag = ("negative" if meaning == POSITIVE else "positive"), _FLAGS[1 - meaning]
        hint += f"; or, where {cut(rest[0])} is {name}, add {flag} {list_for_shell(rest)}"
    raise UsageError(f"{asked}: column {show(tally.column)} has no such label: {describe(tally)}.", hint=f"{hint}.")


def _find_other_side(tally: LabelTally, seen: Collection[str], meaning: int, entries: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of the side that was not asked for, `meaning`: the only label that is left."""
    rest = [value for value in order(seen) if value not in NEUTRAL_WORDS and not matches(value, entries)]
    if not rest:
        return ()
    flag, asked = _FLAGS[meaning], f"{_FLAGS[1 - meaning]} {_show(entries)}"
    if len(rest) > 1:
        raise DataError(
            f"{asked}: it is not clear which of the other labels of column {show(tally.column)} are the other class: "
            f"{describe(tally)}.",
            hint=_suggest_other_side(tally, seen, rest, flag=flag, meaning=meaning),
        )
    if is_comparison(rest[0]) or not is_sound(rest[0]):
        raise DataError(
            f"{asked}: the other label of column {show(tally.column)}, {show(rest[0])}, cannot be part of a rule.",
            hint="Change these labels in the file: they are too long, or begin with < or >.",
        )
    return (rest[0],)


def _suggest_other_side(tally: LabelTally, seen: Collection[str], rest: Sequence[str], *, flag: str, meaning: int) -> str:
    """Return the two ways to name the other side: what its form says, and all that is left."""
    is_number = all(as_number(value) is not None for value in seen)
    forms = find_forms(seen, tally.column, has_stars=tally.has_stars)
    some = [value for value in rest if forms and forms[0].find_meaning(value) == meaning]
    if not some and is_number:
        some = [rest[0] if meaning == NEGATIVE else rest[-1]]
    every = f"{flag} {_write_rest(rest, seen, meaning)}"
    if not some or len(some) == len(rest):
        return f"Say which are: {every} for all of them, or some of these; what is in neither is left out."
    left = list_some(value for value in rest if value not in some)
    part = _write_part(some, seen, meaning) if len(rest) > _LONG and is_number else list_for_shell(some)
    n_left = len(rest) - len(some)
    return f"Say which are: {flag} {part} ({left} {'is' if n_left == 1 else 'are'} left out), or {every} (none is)."


def _write_rest(rest: Sequence[str], seen: Collection[str], meaning: int) -> str:
    """Return all that is left as an option value: many numbers as what lies beyond those asked for."""
    asked = [value for value in order(seen) if value not in rest]
    if len(rest) <= _LONG or not asked or any(as_number(value) is None for value in seen):
        return list_for_shell(rest)
    edge, sign = (asked[0], "<") if meaning == NEGATIVE else (asked[-1], ">")
    return f'"{sign}{cut(edge)}"' if all(matches(value, (sign + edge,)) for value in rest) else list_for_shell(rest)


def _write_part(some: Sequence[str], seen: Collection[str], meaning: int) -> str:
    """Return numbers as a comparison where they are all on their side of the others."""
    entry = f"<={some[-1]}" if meaning == NEGATIVE else f">={some[0]}"
    is_exact = all((value in some) == matches(value, (entry,)) for value in seen)
    return f'"{cut(entry)}"' if is_exact else list_for_shell(some)


def _show(entries: Sequence[str]) -> str:
    return list_for_shell(entries, in_order=False)
