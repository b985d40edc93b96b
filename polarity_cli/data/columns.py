"""Which columns hold the text and the label. Next on the road: `data/labels`."""

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
"""Names, and their characters, that a message lists."""
_MOST_SUGGESTED = 3
_PLACE = re.compile(r"column_\d+")
"""What a column of a table without a header is called: its place, which says nothing of another file's columns."""


def choose_text_columns(
    columns: Collection[str],
    asked: Sequence[str] | None,
    where: str,
    *,
    preferred: Sequence[str] | None = None,
    samples: Samples | None = None,
) -> tuple[str, ...]:
    """Return the columns that make the text, in order, as the file spells them.

    Those asked for; else those preferred, without a title that is not there; else the title and a body by their names; else the
    only column whose values look like text. Names match without regard to case, punctuation or a dotted prefix.

    Raises:
        DataError: a column is missing, or there are none or several to choose from.
    """
    if asked:
        return tuple(_resolve(columns, asked, where, flag="--text"))
    by_place = bool(preferred) and all(map(_PLACE.fullmatch, preferred or ()))
    found = [] if by_place else [_find_alike(columns, name) for name in preferred or ()]
    if found and found[-1] is not None:
        return tuple(dict.fromkeys(name for name in found if name is not None))
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
    asked: str | None,
    where: str,
    *,
    samples: Samples | None = None,
    exclude: Collection[str] = (),
) -> str:
    """Return the label column: the one asked for, the one that is named best, or the only one whose values are usual labels.

    `exclude` are the text columns, which are taken only where one is asked for.

    Raises:
        DataError: it is missing, or there are none or several to choose from.
    """
    if asked:
        return _resolve(columns, [asked], where, flag="--label")[0]
    others = [name for name in columns if name not in exclude]
    labels = _find_best(others, label_rank)
    if not labels:
        from polarity_cli.data.column_values import has_labels

        unnamed = [name for name in others if not is_known_name(name) and not is_nameless(name)]
        labels = [name for name in unnamed if has_labels(name, (samples or {}).get(name, ()))]
    if len(labels) != 1:
        raise _refuse(columns, labels, "the label", where, hint=_suggest_labels(labels, others))
    return labels[0]


def build_text(fields: dict[str, object], columns: Sequence[str], where: str) -> str:
    """Return a row's text columns as one text; a column that is not there, null or NaN is blank.

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
    """Return the columns of the best tier that any is in."""
    ranks = {name: tier for name in columns if (tier := rank(name)) is not None}
    return [name for name, tier in ranks.items() if tier == min(ranks.values())]


def _find_alike(columns: Collection[str], name: str) -> str | None:
    """Return the column of this name, or the only one that differs in case, punctuation or dotted prefix alone."""
    if name in columns:
        return name
    wanted = normalise_name(name)
    alike = [column for column in columns if normalise_name(column) == wanted] if wanted else []
    return alike[0] if len(alike) == 1 else None


def _resolve(columns: Collection[str], asked: Sequence[str], where: str, *, flag: str) -> list[str]:
    found = [_find_alike(columns, name) for name in asked]
    missing = [name for name, column in zip(asked, found, strict=True) if column is None]
    if missing:
        alike = [column for column in columns if normalise_name(column) in map(normalise_name, missing)]
        several = f"; {_list(alike)} are spelled alike" if len(alike) > 1 else ""
        raise DataError(
            f"{where}: no column {', '.join(map(show, missing[:_MOST_LISTED]))}, of {flag} {','.join(asked)}{several}.",
            hint=f"The columns are {_list(columns)}; name others with {flag}.",
        )
    return [column for column in found if column is not None]


def _refuse(columns: Collection[str], candidates: Sequence[str], role: str, where: str, *, hint: str) -> DataError:
    found = f"several columns could be {role}: {_list(candidates)}" if candidates else f"no column looks like {role}"
    return DataError(f"{where}: {found}; the columns are {_list(columns)}.", hint=hint)


def _suggest_texts(candidates: Sequence[str], columns: Collection[str]) -> str:
    """Return how to name text columns, with columns that are there."""
    real = candidates or [name for name in columns if not is_nameless(name) and label_rank(name) is None]
    if not real:
        return "Name the text columns in reading order with --text."
    from polarity_cli.data.label_forms import list_for_shell

    chosen = list_for_shell(real[:2], in_order=False)
    return f"Name the text columns in reading order, e.g. --text {chosen}."


def _suggest_labels(candidates: Sequence[str], others: Collection[str]) -> str:
    real = candidates or [
        name for name in others if not is_nameless(name) and text_rank(name) is None and title_rank(name) is None
    ]
    if not real:
        return "Name the label column with --label."
    from polarity_cli.data.label_forms import join_words, list_for_shell

    return f"Name it: {join_words((f'--label {list_for_shell([name])}' for name in real[:_MOST_SUGGESTED]), 'or')}."


def _list(columns: Iterable[str]) -> str:
    """Return names for a message, some of them where there are many."""
    names = [show(name) for name in sorted(columns)]
    n_shown = next(
        (n for n in range(1, len(names)) if n == _MOST_LISTED or sum(map(len, names[: n + 1])) > _LONGEST_LIST), len(names)
    )
    shown = ", ".join(names[:n_shown])
    return shown + (f" and {len(names) - n_shown:,} more" if n_shown < len(names) else "") or "none"
