"""Which columns hold the text and the label. Next on the road: `data/labels`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from polarity_cli.errors import DataError
from polarity_cli.records import join_text

TITLE = "title"
BODIES = ("body", "content", "review", "sentence", "text")
LABELS = ("label", "labels", "polarity", "sentiment")


def choose_text_columns(
    columns: Collection[str], asked: Sequence[str] | None, where: str, *, preferred: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return the columns that make the text, in order: those asked for, those preferred, or the title and a body.

    Preferred columns are taken where all are there; a body is the one column named like one.

    Raises:
        DataError: a column is missing, or there are none or several to choose from.
    """
    if asked:
        _require(columns, asked, where, flag="--text")
        return tuple(asked)
    if preferred and all(name in columns for name in preferred):
        return tuple(preferred)
    bodies = [name for name in BODIES if name in columns]
    if len(bodies) != 1:
        found = "several columns could be the text" if bodies else "no column looks like the text"
        raise DataError(
            f"{where}: {found}; the columns are {_list(columns)}.",
            hint="Name the text columns in reading order, e.g. --text title,content.",
        )
    return (TITLE, *bodies) if TITLE in columns else tuple(bodies)


def choose_label_column(columns: Collection[str], asked: str | None, where: str) -> str:
    """Return the label column: the one asked for, or the one that is named like a label.

    Raises:
        DataError: it is missing, or there are none or several to choose from.
    """
    if asked:
        _require(columns, [asked], where, flag="--label")
        return asked
    labels = [name for name in LABELS if name in columns]
    if len(labels) != 1:
        found = "several columns could be the label" if labels else "no column looks like the label"
        raise DataError(f"{where}: {found}; the columns are {_list(columns)}.", hint="Name it, e.g. --label sentiment.")
    return labels[0]


def build_text(fields: dict[str, object], columns: Sequence[str], where: str) -> str:
    """Return a row's text columns as one text.

    Raises:
        DataError: a value is neither text, a number nor empty.
    """
    return join_text(_as_text(fields.get(name), name, where) for name in columns)


def _as_text(value: object, name: str, where: str) -> str:
    if isinstance(value, str):
        return value
    if value is None or value != value:  # NaN is what pandas writes for a missing text
        return ""
    if isinstance(value, int | float):
        return str(value)
    raise DataError(f"{where}: column {name!r} holds {type(value).__name__}, expected text.")


def _require(columns: Collection[str], asked: Sequence[str], where: str, *, flag: str) -> None:
    missing = [name for name in asked if name not in columns]
    if missing:
        raise DataError(
            f"{where}: no column {', '.join(repr(name) for name in missing)}, of {flag} {','.join(asked)}.",
            hint=f"The columns are {_list(columns)}; name others with {flag}.",
        )


def _list(columns: Collection[str]) -> str:
    names = [repr(name) for name in sorted(columns)]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "") or "none"
