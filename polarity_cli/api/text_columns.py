"""Choose the columns of a table that make the text, as the commands choose a file's, and join them. Below `api/predictor`."""

from __future__ import annotations

from collections.abc import Sequence

from polarity_cli.api.tables import WHERE, Table
from polarity_cli.data.columns import build_text, choose_text_columns
from polarity_cli.data.reading import LOOK_RECORDS
from polarity_cli.errors import DataError
from polarity_cli.records import Observer


def choose_text(
    table: Table, option: Sequence[str] | None, preferred: Sequence[str] | None, observer: Observer
) -> tuple[str, ...]:
    """Return the columns that make the text of a table that has rows: those named, those preferred, else those that look like it.

    The observer is told; it is warned where their values decided, which in another table may look otherwise.

    Raises:
        DataError: a column is missing, or there are none or several to choose from.
    """
    columns = table.columns
    samples = {name: table.read(name, LOOK_RECORDS) for name in columns}
    chosen = choose_text_columns(columns, option, WHERE, preferred=preferred, samples=samples)
    said = f"The text is {' and '.join(chosen)}"
    if _is_chosen_by_name(chosen, columns, option, preferred):
        observer.note(f"{said}.")
    else:
        observer.warn(f"{said}, by its values: name it, so that it is the same for every table: text={list(chosen)!r}.")
    return chosen


def _is_chosen_by_name(
    chosen: tuple[str, ...], columns: Sequence[str], option: Sequence[str] | None, preferred: Sequence[str] | None
) -> bool:
    try:
        return choose_text_columns(columns, option, WHERE, preferred=preferred) == chosen
    except DataError:
        return False


def join_columns(table: Table, names: tuple[str, ...]) -> list[str]:
    """Return the text of each row, its columns joined as everywhere in the program; none where no columns are named.

    Raises:
        DataError: a value is no text.
    """
    values = [table.read(name) for name in names]
    rows = enumerate(zip(*values, strict=True), 1)
    return [build_text(dict(zip(names, row, strict=True)), names, f"{WHERE}, row {number}") for number, row in rows]
