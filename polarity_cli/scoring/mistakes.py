"""Write the reviews that a checkpoint gets wrong to a file, with their own columns. Used by the verb `evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarity_cli.config import ReadOptions
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.formats import open_path
from polarity_cli.formats.output_file import write_table
from polarity_cli.records import LABEL_NAMES

_ADDED = ("row", "expected", "predicted", "score")


@dataclass(frozen=True)
class ScoredSplit:
    """A split with predictions, and the files that it was read from."""

    split: TokenizedSplit
    files: tuple[Path, ...]
    """In the order in which they were read; empty where they are no longer known."""


def write_mistakes(
    path: Path,
    parts: Sequence[ScoredSplit],
    y_true: NDArray[np.int64],
    y_score: NDArray[np.float64],
    confidence: NDArray[np.float64],
    *,
    read: ReadOptions,
    escaped: bool,
) -> None:
    """Write the mistakes, the most confident first: the row's own columns, its number, and what was expected and predicted.

    Args:
        path: the output file; its suffix chooses the format.
        parts: the splits in the order of the arrays, together N reviews.
        y_true: `(N,) int64`, 0 negative, 1 positive.
        y_score: `(N,) float64`, the probability of positive.
        confidence: `(N,) float64`, the score of the likelier class, by which the mistakes are sorted.
        read: the options with which the files were read.
        escaped: whether cells that a spreadsheet would run get an apostrophe.
    """
    y_pred = (y_score >= 0.5).astype(np.int64)
    wrong = np.flatnonzero(y_pred != y_true)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")].tolist()
    places = [(part, index) for part in parts for index in range(len(part.split))]
    own = {number: dict[str, object]() for number in order}
    columns = _read_own(parts, places, own, read)
    names = {name: _find_free(name, columns) for name in _ADDED}
    is_several = len({file for part in parts for file in part.files}) > 1 or not columns
    where = _find_free("where", columns)
    rows = []
    for number in order:
        part, index = places[number]
        added = {
            names["row"]: part.split.get_place(index)[1],
            names["expected"]: LABEL_NAMES[int(y_true[number])],
            names["predicted"]: LABEL_NAMES[int(y_pred[number])],
            names["score"]: round(float(confidence[number]), 6),
        }
        fields = own[number] or {"text": part.split.get_text(index)}
        rows.append({**fields, **({where: part.split.get_where(index)} if is_several else {}), **added})
    header = [*(columns or ["text"]), *([where] if is_several else []), *names.values()]
    write_table(path, header, rows, flag="--errors", escaped=escaped)


def _find_free(name: str, columns: Iterable[str]) -> str:
    """Return a name, with `polarity_` before it while a column has it."""
    used = set(columns)
    while name in used:
        name = f"polarity_{name}"
    return name


def _read_own(
    parts: Sequence[ScoredSplit], places: Sequence[tuple[ScoredSplit, int]], own: dict[int, dict[str, object]], read: ReadOptions
) -> list[str]:
    """Fill `own` with the rows' own columns, by reading their files again, and return the names of all columns."""
    numbers: dict[Path, dict[int, list[int]]] = {}
    for number in own:
        part, index = places[number]
        file, row = part.split.get_place(index)
        if file < len(part.files):
            numbers.setdefault(part.files[file], {}).setdefault(row, []).append(number)
    columns: dict[str, None] = {}
    for path, rows in numbers.items():
        with closing(open_path(path, read)) as stream:
            columns |= dict.fromkeys(stream.columns or ())
            for record in stream.records:
                for number in rows.get(record.row, ()):
                    own[number] = record.fields or {}
                    columns |= dict.fromkeys(own[number])
    return list(columns)
