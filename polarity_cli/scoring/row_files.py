"""Write reviews with what was found of them to a file, each with its own columns: mistakes, predictions, suspects.

Used by `evaluate` and `train`, for `--errors`, `--predictions` and `--suspects`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from polarity_cli.data.own_columns import NumberedReviews
from polarity_cli.errors import UsageError
from polarity_cli.formats.output_file import check_extra, find_output_format, write_table


def check_row_file(path: Path | None, flag: str) -> None:
    """Refuse a file that reviews cannot be written to, before any work is done.

    Raises:
        UsageError: it is a folder or in none, its format is none of rows, or the format's extra is not installed.
    """
    if path is None:
        return
    check_place(path, flag)
    format = find_output_format(path, None, "csv", flag=flag)
    if format == "text":
        raise UsageError(f"{flag} {path}: reviews have columns.", hint="Choose .csv, .tsv, .jsonl, .parquet or .xlsx.")
    check_extra(format)


def check_place(path: Path, flag: str) -> None:
    """Refuse a file that cannot be where it is asked for.

    Raises:
        UsageError: it is a folder, or in none.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{flag} {path}: it is a folder, or its folder does not exist.")


def write_rows(
    path: Path,
    reviews: NumberedReviews,
    numbers: Sequence[int],
    added: Sequence[Mapping[str, object]],
    *,
    flag: str,
    escaped: bool,
) -> None:
    """Write some reviews in the order of `numbers`: their own columns, where they stand, and what is added to them.

    Args:
        path: the output file; its suffix chooses the format.
        reviews: all that were scored.
        numbers: of those that are written.
        added: a mapping for each of them, all with the same names; a name that a column has gets `polarity_` before it.
        flag: that asked for the file, for messages.
        escaped: whether cells that a spreadsheet would run get an apostrophe.

    Raises:
        UsageError: the file cannot be written.
    """
    own = reviews.read_columns(numbers)
    names = {name: _find_free(name, own.columns) for name in ("row", *(added[0] if added else ()))}
    is_several = len(reviews.files) > 1 or not own.columns
    where = _find_free("where", own.columns)
    rows = []
    for number, values in zip(numbers, added, strict=True):
        fields = own.rows.get(number) or {"text": reviews.get_text(number)}
        place = {where: reviews.get_where(number)} if is_several else {}
        new = {names[name]: value for name, value in {"row": reviews.get_row(number), **values}.items()}
        rows.append({**fields, **place, **new})
    header = [*(own.columns or ["text"]), *([where] if is_several else []), *names.values()]
    write_table(path, header, rows, flag=flag, escaped=escaped)


def _find_free(name: str, columns: Iterable[str]) -> str:
    """Return a name, with `polarity_` before it while a column has it."""
    used = set(columns)
    while name in used:
        name = f"polarity_{name}"
    return name
