"""Decide which values of the label column are positive and which negative.

After `data/columns` has chosen the column. Next on the road: `data/reviews`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from polarity_cli.data.label_forms import (
    PLAIN,
    Form,
    find_forms,
    group_readings,
    list_for_shell,
    list_some,
    name_meanings,
    suggest_options,
    suggest_readings,
)
from polarity_cli.data.label_options import build_rule
from polarity_cli.data.label_rules import LabelRule, is_comparison, parse_values
from polarity_cli.data.label_values import LabelTally, as_number, describe, normalise_label, order, show, strip_prefix
from polarity_cli.errors import DataError
from polarity_cli.formats.column_names import normalise_name
from polarity_cli.records import NEGATIVE, POSITIVE

__all__ = [
    "LabelRule",
    "LabelTally",
    "Labels",
    "check_both_classes",
    "normalise_label",
    "parse_values",
    "understand_labels",
]

_CLASSES: dict[int | None, str] = {NEGATIVE: "negative", POSITIVE: "positive"}


@dataclass(frozen=True)
class Labels:
    """What the values of a label column mean."""

    rule: LabelRule
    meanings: dict[str, int | None]
    """Each normalised value of the column: 0 negative, 1 positive, None neither. Rows without a label have no entry."""
    notes: tuple[str, ...]
    """Sentences for the user: how labels were read where that is not obvious, and which rows were left out."""


def understand_labels(
    tally: LabelTally,
    *,
    positive: tuple[str, ...] = (),
    negative: tuple[str, ...] = (),
    trained_rule: LabelRule | None = None,
) -> Labels:
    """Return what each value of a label column means: by the options, else by the rule of training, else by its form.

    `positive` and `negative` are entries of `parse_values`; `trained_rule` is the rule that the checkpoint was trained by.

    Raises:
        UsageError: a label of the options is on both sides, or not in the column.
        DataError: it is not clear which labels are positive.
    """
    if positive or negative:
        return _read_by_options(tally, positive, negative, trained_rule)
    if not any(tally.counts):
        return Labels(trained_rule or LabelRule(tally.column, (), ()), {}, ())
    return (trained_rule and _read_by_trained_rule(tally, trained_rule)) or _infer(tally, trained_rule)


def _read_by_options(
    tally: LabelTally, positive: tuple[str, ...], negative: tuple[str, ...], trained_rule: LabelRule | None
) -> Labels:
    rule = build_rule(tally, positive, negative, trained_rule)
    meanings = {value: rule.find_meaning(value) for value in tally.counts if value}
    is_completed = bool((rule.positive and not positive) or (rule.negative and not negative))
    return _make_labels(tally, rule, meanings, f"Labels of column {show(tally.column)}" if is_completed else None)


def _read_by_trained_rule(tally: LabelTally, trained_rule: LabelRule) -> Labels | None:
    """Return the labels as training read them, or None where its rule does not cover them.

    Raises:
        DataError: the column has another name, and the usual form of its labels contradicts the rule.
    """
    unknown = _list_unknown(tally, trained_rule)
    if len(unknown) == len(_list_values(tally)) or (unknown and not trained_rule.is_asked):
        return None
    try:
        meanings = {value: trained_rule.find_meaning(value) for value in _list_values(tally)}
    except KeyError:  # a number that both sides' comparisons hold for
        return None
    form = _find_clear_form(tally)
    by_form = None if form is None else {value: form.find_meaning(strip_prefix(value)) for value in meanings}
    if by_form is None and not _is_same_column(tally, trained_rule) and _compares(trained_rule) and not _are_stars(meanings):
        return None  # on another scale its comparisons mean something else
    if by_form is not None and not _is_same_column(tally, trained_rule):
        if any(by_form[value] != meanings[value] for value in meanings if value not in unknown):
            raise _make_contradiction(tally, meanings, by_form)
        if unknown:
            return None
    is_plain = form in PLAIN and by_form == meanings
    rule = replace(trained_rule, column=tally.column)
    return _make_labels(tally, rule, meanings, None if is_plain else "Labels are read as in training")


def _compares(rule: LabelRule) -> bool:
    return any(map(is_comparison, (*rule.positive, *rule.negative)))


def _are_stars(values: Iterable[str]) -> bool:
    numbers = [as_number(value) for value in values]
    return all(number is not None and 1 <= number <= 5 for number in numbers)


def _infer(tally: LabelTally, trained_rule: LabelRule | None) -> Labels:
    """Return the labels by the only form that they fit."""
    form = _find_clear_form(tally)
    unknown = _list_unknown(tally, trained_rule) if trained_rule else []
    if form is None:
        raise _make_refusal(tally, unknown)
    values = _list_values(tally)
    labels = {strip_prefix(value) for value in values}
    neutral = tuple(value for value in form.neutral if value in labels or not form.needs_poles)
    rule = LabelRule(tally.column, form.positive, form.negative, neutral)
    meanings = {value: form.find_meaning(strip_prefix(value)) for value in values}
    is_other = trained_rule is not None and _is_same_column(tally, trained_rule)
    opening = f"Labels of column {show(tally.column)}"
    if is_other:
        opening = f"Labels are not read as in training, whose rule does not know {list_some(unknown)}" if unknown else opening
    return _make_labels(tally, rule, meanings, None if form in PLAIN and not is_other else opening)


def _make_labels(tally: LabelTally, rule: LabelRule, meanings: dict[str, int | None], opening: str | None) -> Labels:
    """Return the labels with their notes; without an `opening` no note says how they were read."""
    notes = []
    if opening is not None and (reading := name_meanings(meanings, _CLASSES)):
        notes.append(f"{opening}: {reading}.")
    left_out = [value for value in order(meanings) if meanings[value] is None]
    if left_out:
        n_rows = sum(tally.counts[value] for value in left_out)
        name = show(tally.column).strip("'\"") or "label"
        words = f"whose {name} is {list_some(left_out, 'or')}, neither positive nor negative"
        notes.append(f"Left out {n_rows:,} row{'s' * (n_rows != 1)} {words}.")
    return Labels(rule, meanings, tuple(notes))


def _find_clear_form(tally: LabelTally) -> Form | None:
    """Return the form that a column's labels fit, or None where none fits or several disagree."""
    labels = {strip_prefix(value) for value in _list_values(tally)}
    groups = group_readings(find_forms(labels, tally.column, has_stars=tally.has_stars), labels)
    return groups[0][0] if len(groups) == 1 else None


def _make_refusal(tally: LabelTally, unknown: Sequence[str]) -> DataError:
    labels = {strip_prefix(value) for value in _list_values(tally)}
    groups = group_readings(find_forms(labels, tally.column, has_stars=tally.has_stars), labels)
    hint = suggest_readings(groups, labels) if groups else suggest_options(labels)
    message = f"Column {show(tally.column)}: it is not clear which labels are positive: {describe(tally)}."
    if unknown:
        message += f" The rule of training does not know {list_some(unknown)}."
    return DataError(message, hint=hint)


def _make_contradiction(tally: LabelTally, by_rule: Mapping[str, int | None], by_form: Mapping[str, int | None]) -> DataError:
    readings = ((by_rule, "as in training"), (by_form, "as they look"))
    parts = [f"{options} ({name})" for meanings, name in readings if (options := _write_options(meanings))]
    return DataError(
        f"Column {show(tally.column)}: training read such labels the other way: {describe(tally)}.",
        hint=f"Say which is meant: {', or '.join(parts)}.",
    )


def _write_options(meanings: Mapping[str, int | None]) -> str:
    """Return the options that give labels these meanings."""
    sides = {"--positive": POSITIVE, "--negative": NEGATIVE}
    lists = {
        flag: {strip_prefix(value) for value, meaning in meanings.items() if meaning == side} for flag, side in sides.items()
    }
    return " ".join(f"{flag} {list_for_shell(values)}" for flag, values in lists.items() if values)


def _list_values(tally: LabelTally) -> list[str]:
    return [value for value in tally.counts if value]


def _list_unknown(tally: LabelTally, trained_rule: LabelRule) -> list[str]:
    return [value for value in order(_list_values(tally)) if not trained_rule.is_known(value)]


def _is_same_column(tally: LabelTally, trained_rule: LabelRule) -> bool:
    return normalise_name(tally.column) == normalise_name(trained_rule.column)


def check_both_classes(counts: Mapping[int, int], where: str) -> None:
    """Raise DataError when a label has no reviews, since a classifier learns nothing from one class.

    Args:
        counts: reviews by label, 0 negative and 1 positive.
        where: the source, for the message.
    """
    if not any(counts.values()):
        raise DataError(
            f"{where}: its train split has no reviews left.",
            hint="Left out are rows without text or label, those that are neither positive nor negative, and those in test too.",
        )
    missing = [name for name, label in (("negative", NEGATIVE), ("positive", POSITIVE)) if not counts.get(label)]
    if missing:
        raise DataError(
            f"{where}: no {' and no '.join(missing)} reviews among the {sum(counts.values())} read.",
            hint="A split needs both. Read more of a file that is sorted by label with --rows all; "
            "say what its labels mean with --positive and --negative.",
        )
