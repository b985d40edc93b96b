"""What the label column means: which of its values are positive, which negative. Next on the road: `data/sources`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from polarity_cli.data.label_forms import (
    FORMS,
    PLAIN,
    Form,
    find_forms,
    group_readings,
    list_for_shell,
    list_some,
    say,
    suggest_options,
    suggest_readings,
)
from polarity_cli.data.label_options import make_asked_rule
from polarity_cli.data.label_rules import LabelRule, is_comparison, parse_values
from polarity_cli.data.label_values import LabelTally, as_number, describe, normalise_label, order, show, strip_prefix
from polarity_cli.errors import DataError
from polarity_cli.formats.column_names import normalise_name
from polarity_cli.records import NEGATIVE, POSITIVE

__all__ = [
    "FORMS",
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
    """Each value seen, normalised: 0 negative, 1 positive, None neither. What has no label is not among them."""
    notes: tuple[str, ...]
    """What the user should know: how labels were read where that is not plain, and what was left out."""


def understand_labels(
    tally: LabelTally,
    *,
    positive: tuple[str, ...] = (),
    negative: tuple[str, ...] = (),
    known: LabelRule | None = None,
) -> Labels:
    """Return what each value of a label column means: as asked, else as in training, else by the usual forms.

    `positive` and `negative` are what `parse_values` gave, `known` the rule that a checkpoint was trained by.

    Raises:
        UsageError: a label that was asked for is on both sides, or nowhere.
        DataError: it is not clear which labels are positive.
    """
    if positive or negative:
        return _read_as_asked(tally, positive, negative, known)
    if not any(tally.counts):
        return Labels(known or LabelRule(tally.column, (), ()), {}, ())
    return (known and _read_as_known(tally, known)) or _infer(tally, known)


def _read_as_asked(tally: LabelTally, positive: tuple[str, ...], negative: tuple[str, ...], known: LabelRule | None) -> Labels:
    rule = make_asked_rule(tally, positive, negative, known)
    meanings = {value: rule.find_meaning(value) for value in tally.counts if value}
    is_completed = bool((rule.positive and not positive) or (rule.negative and not negative))
    return _make_labels(tally, rule, meanings, f"Labels of column {show(tally.column)}" if is_completed else None)


def _read_as_known(tally: LabelTally, known: LabelRule) -> Labels | None:
    """Return the labels as training read them, or None where its rule says nothing of them.

    Raises:
        DataError: the column has another name, and its labels look otherwise than the rule says.
    """
    unknown = _list_unknown(tally, known)
    if len(unknown) == len(_list_values(tally)) or (unknown and not known.is_asked):
        return None
    try:
        meanings = {value: known.find_meaning(value) for value in _list_values(tally)}
    except KeyError:  # a number that both sides' comparisons hold for
        return None
    form = _find_clear_form(tally)
    looks = None if form is None else {value: form.find_meaning(strip_prefix(value)) for value in meanings}
    if looks is None and not _is_same_column(tally, known) and _compares(known) and not _are_stars(meanings):
        return None  # on another scale its comparisons mean something else
    if looks is not None and not _is_same_column(tally, known):
        if any(looks[value] != meanings[value] for value in meanings if value not in unknown):
            raise _make_contradiction(tally, meanings, looks)
        if unknown:
            return None
    is_plain = form in PLAIN and looks == meanings
    rule = replace(known, column=tally.column)
    return _make_labels(tally, rule, meanings, None if is_plain else "Labels are read as in training")


def _compares(rule: LabelRule) -> bool:
    return any(map(is_comparison, (*rule.positive, *rule.negative)))


def _are_stars(values: Iterable[str]) -> bool:
    numbers = [as_number(value) for value in values]
    return all(number is not None and 1 <= number <= 5 for number in numbers)


def _infer(tally: LabelTally, known: LabelRule | None) -> Labels:
    """Return the labels by the only form that they can be of."""
    form = _find_clear_form(tally)
    unknown = _list_unknown(tally, known) if known else []
    if form is None:
        raise _make_refusal(tally, unknown)
    values = _list_values(tally)
    seen = {strip_prefix(value) for value in values}
    neutral = tuple(value for value in form.neutral if value in seen or not form.needs_poles)
    rule = LabelRule(tally.column, form.positive, form.negative, neutral)
    meanings = {value: form.find_meaning(strip_prefix(value)) for value in values}
    is_other = known is not None and _is_same_column(tally, known)
    opening = f"Labels of column {show(tally.column)}"
    if is_other:
        opening = f"Labels are not read as in training, whose rule does not know {list_some(unknown)}" if unknown else opening
    return _make_labels(tally, rule, meanings, None if form in PLAIN and not is_other else opening)


def _make_labels(tally: LabelTally, rule: LabelRule, meanings: dict[str, int | None], opening: str | None) -> Labels:
    """Return the labels with their notes; `opening` begins the one that says how they were read."""
    notes = []
    if opening is not None and (said := say(meanings, _CLASSES)):
        notes.append(f"{opening}: {said}.")
    left_out = [value for value in order(meanings) if meanings[value] is None]
    if left_out:
        n_rows = sum(tally.counts[value] for value in left_out)
        name = show(tally.column).strip("'\"") or "label"
        words = f"whose {name} is {list_some(left_out, 'or')}, neither positive nor negative"
        notes.append(f"Left out {n_rows:,} row{'s' * (n_rows != 1)} {words}.")
    return Labels(rule, meanings, tuple(notes))


def _find_clear_form(tally: LabelTally) -> Form | None:
    """Return the form of a column's labels where all that are possible say the same."""
    seen = {strip_prefix(value) for value in _list_values(tally)}
    groups = group_readings(find_forms(seen, tally.column, has_stars=tally.has_stars), seen)
    return groups[0][0] if len(groups) == 1 else None


def _make_refusal(tally: LabelTally, unknown: Sequence[str]) -> DataError:
    seen = {strip_prefix(value) for value in _list_values(tally)}
    groups = group_readings(find_forms(seen, tally.column, has_stars=tally.has_stars), seen)
    hint = suggest_readings(groups, seen) if groups else suggest_options(seen)
    found = f"Column {show(tally.column)}: it is not clear which labels are positive: {describe(tally)}."
    if unknown:
        found += f" The rule of training does not know {list_some(unknown)}."
    return DataError(found, hint=hint)


def _make_contradiction(tally: LabelTally, trained: Mapping[str, int | None], looks: Mapping[str, int | None]) -> DataError:
    readings = ((trained, "as in training"), (looks, "as they look"))
    parts = [f"{options} ({name})" for meanings, name in readings if (options := _write_options(meanings))]
    return DataError(
        f"Column {show(tally.column)}: training read such labels the other way: {describe(tally)}.",
        hint=f"Say which is meant: {', or '.join(parts)}.",
    )


def _write_options(meanings: Mapping[str, int | None]) -> str:
    """Return the options that ask for these meanings."""
    sides = {"--positive": POSITIVE, "--negative": NEGATIVE}
    lists = {flag: {strip_prefix(value) for value, found in meanings.items() if found == side} for flag, side in sides.items()}
    return " ".join(f"{flag} {list_for_shell(values)}" for flag, values in lists.items() if values)


def _list_values(tally: LabelTally) -> list[str]:
    return [value for value in tally.counts if value]


def _list_unknown(tally: LabelTally, known: LabelRule) -> list[str]:
    return [value for value in order(_list_values(tally)) if not known.is_known(value)]


def _is_same_column(tally: LabelTally, known: LabelRule) -> bool:
    return normalise_name(tally.column) == normalise_name(known.column)


def check_both_classes(counts: Mapping[int, int], where: str) -> None:
    """Raise DataError when all reviews have one label, since a classifier learns nothing from them."""
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
