"""Choose the columns that hold the text and the label. Next on the road: `data/reading`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal

from polarity_cli.data.label_values import show
from polarity_cli.errors import DataError
from polarity_cli.formats.column_names import is_known_name, is_nameless, label_rank, normalise_name, text_rank, title_rank
from polarity_cli.text import join_text

Samples = Mapping[str, Sequence[object]]
"""The values of the first rows by column."""
_MOST_LISTED = 20
_LONGEST_LIST = 400
"""A message lists so many names, of so many characters together."""
_MOST_SUGGESTED = 3
_PLACE = re.compile(r"column_\d+")
"""The name of a column in a table without a header. It is only a place, which may hold something else in another file."""


def choose_text_columns(
    columns: Collection[str],
    option: Sequence[str] | None,
    where: str,
    *,
    preferred: Sequence[str] | None = None,
    samples: Samples | None = None,
) -> tuple[str, ...]:
    """Return the columns that make the text, in order, as the file spells them.

    In this order: the columns that `--text` names (`option`); those that are `preferred`, without a title that the file lacks;
    the title and a body by their names; the only column whose values look like text. Names match without regard to case,
    punctuation or a dotted prefix.

    Raises:
        DataError: a column is missing, or there are none or several to choose from.
    """
    if option:
        return tuple(_resolve(columns, option, where, flag="--text"))
    by_place = bool(preferred) and all(map(_PLACE.fullmatch, preferred or ()))
    matches = [] if by_place else [_find_alike(columns, name) for name in preferred or ()]
    if matches and matches[-1] is not None:
        return tuple(dict.fromkeys(name for name in matches if name is not None))
    bodies = _find_best(columns, text_rank)
    titles = _find_best(columns, title_rank)
    if not bodies:
        from polarity_cli.data.column_values import has_texts, has_words

        others = [name for name in columns if title_rank(name) is None and not is_nameless(name)]
        bodies = [name for name in others if has_texts((samples or {}).get(name, ()))]
        if not bodies and not titles:
            short = [name for name in others if has_words(name, (samples or {}).get(name, ()))]
            bodies = short if len(short) == 1 else []
    if len(bodies) != 1 and not titles and by_place and all(name in columns for name in preferred or ()):
        return tuple(preferred or ())
    if len(titles) > 1 and len(bodies) <= 1:
        raise _refuse(columns, titles, "the title", where, hint=_suggest_texts([*titles[:1], *bodies], columns))
    if len(bodies) > 1 or not (bodies or titles):
        raise _refuse(columns, bodies, "the text", where, hint=_suggest_texts(bodies, columns))
    return (*titles, *bodies)


def choose_label_column(
    columns: Collection[str],
    option: str | None,
    where: str,
    *,
    samples: Samples | None = None,
    exclude: Collection[str] = (),
) -> str:
    """Return the label column: the one that `--label` names (`option`), the best by name, or the only one with usual labels.

    `exclude` are the text columns; only `option` can choose one of them.

    Raises:
        DataError: it is missing, or there are none or several to choose from.
    """
    if option:
        return _resolve(columns, [option], where, flag="--label")[0]
    others = [name for name in columns if name not in exclude]
    labels = _find_best(others, label_rank)
    if not labels:
        from polarity_cli.data.column_values import has_labels

        unnamed = [name for name in others if not is_known_name(name) and not is_nameless(name)]
        labels = [name for name in unnamed if has_labels(name, (samples or {}).get(name, ()))]
    if len(labels) != 1:
        raise _refuse(columns, labels, "the label", where, hint=_suggest_labels(labels, others))
    return labels[0]


def build_text(fields: Mapping[str, object], columns: Sequence[str], where: str) -> str:
    """Return a row's text columns as one text; a column that is missing, null or NaN is blank.

    Raises:
        DataError: a value is neither text, a number, a date nor empty.
    """
    return join_text(_as_text(fields.get(name), name, where) for name in columns)


def _as_text(value: object, name: str, where: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float | Decimal):
        text = str(value)
        return "" if "nan" in text.casefold() else text  # what pandas writes for a missing text
    if isinstance(value, int | date | time):
        try:
            return str(value)
        except ValueError as error:  # of more digits than Python writes
            raise DataError(f"{where}: column {show(name)} holds a number that is too long, expected text.") from error
    raise DataError(f"{where}: column {show(name)} holds {type(value).__name__}, expected text.")


def _find_best(columns: Iterable[str], rank: Callable[[str], int | None]) -> list[str]:
    """Return the columns of the best rank that any column has."""
    ranks = {name: tier for name in columns if (tier := rank(name)) is not None}
    return [name for name, tier in ranks.items() if tier == min(ranks.values())]


def _find_alike(columns: Collection[str], name: str) -> str | None:
    """Return the column of this name, or the only one that differs in case, punctuation or dotted prefix alone."""
    if name in columns:
        return name
    normalised = normalise_name(name)
    alike = [column for column in columns if normalise_name(column) == normalised] if normalised else []
    return alike[0] if len(alike) == 1 else None


def _resolve(columns: Collection[str], names: Sequence[str], where: str, *, flag: str) -> list[str]:
    matches = [_find_alike(columns, name) for name in names]
    missing = [name for name, column in zip(names, matches, strict=True) if column is None]
    if missing:
        alike = [column for column in columns if normalise_name(column) in map(normalise_name, missing)]
        several = f"; {_list(alike)} are spelled alike" if len(alike) > 1 else ""
        raise DataError(
            f"{where}: no column {', '.join(map(show, missing[:_MOST_LISTED]))}, of {flag} {','.join(names)}{several}.",
            hint=f"The columns are {_list(columns)}; name others with {flag}.",
        )
    return [column for column in matches if column is not None]


def _refuse(columns: Collection[str], candidates: Sequence[str], role: str, where: str, *, hint: str) -> DataError:
    problem = f"several columns could be {role}: {_list(candidates)}" if candidates else f"no column looks like {role}"
    return DataError(f"{where}: {problem}; the columns are {_list(columns)}.", hint=hint)


def _suggest_texts(candidates: Sequence[str], columns: Collection[str]) -> str:
    """Return a hint how to name the text columns, with columns of this file."""
    real = candidates or [name for name in columns if not is_nameless(name) and label_rank(name) is None]
    if not real:
        return "Name the text columns in reading order with --text."
    from polarity_cli.data.label_forms import list_for_shell

    names = list_for_shell(real[:2], in_order=False)
    return f"Name the text columns in reading order, e.g. --text {names}."


def _suggest_labels(candidates: Sequence[str], others: Collection[str]) -> str:
    real = candidates or [
        name for name in others if not is_nameless(name) and text_rank(name) is None and title_rank(name) is None
    ]
    if not real:
        return "Name the label column with --label."
    from polarity_cli.data.label_forms import join_words, list_for_shell

    return f"Name it: {join_words((f'--label {list_for_shell([name])}' for name in real[:_MOST_SUGGESTED]), 'or')}."


def _list(columns: Iterable[str]) -> str:
    """Return sorted names for a message, cut where there are many."""
    names = [show(name) for name in sorted(columns)]
    n_shown = next(
        (n for n in range(1, len(names)) if n == _MOST_LISTED or sum(map(len, names[: n + 1])) > _LONGEST_LIST), len(names)
    )
    shown = ", ".join(names[:n_shown])
    return shown + (f" and {len(names) - n_shown:,} more" if n_shown < len(names) else "") or "none"
