"""Tables as Python programs hold them: their columns as lists, and the same kind of table with two columns more.

Dicts of columns, as Ray and the datasets library give them to a function; Arrow tables and batches; frames of pandas and polars.
Next: `api/predictor`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from polarity_cli.api.texts import is_column, is_of, list_values
from polarity_cli.errors import DataError
from polarity_cli.formats.record import check_names
from polarity_cli.formats.results import Names

WHERE = "the table"
"""What messages call it."""
Labels = Sequence[str]
Scores = Sequence[float | None]


class Table(Protocol):
    """A table in memory."""

    @property
    def columns(self) -> list[str]:
        """Return the names of its columns, each of which it has once."""

    @property
    def n_rows(self) -> int:
        """Return its number of rows."""

    def read(self, name: str, most: int | None = None) -> list[object]:
        """Return the values of a column, or its first ones."""

    def add(self, names: Names, labels: Labels, scores: Scores) -> Any:
        """Return a table of the same kind with two columns more; itself it stays as it is."""


def find_table(value: Any) -> Table | None:
    """Return a value as a table; None where it is none.

    Raises:
        TypeError: a dict holds something else than columns.
        ValueError: its columns are of different lengths.
        DataError: a column's name stands there twice.
    """
    table: Table | None = None
    if isinstance(value, Mapping):
        table = DictTable(_check_columns(value))
    elif is_of(value, "pyarrow", "Table", "RecordBatch"):
        table = ArrowTable(value)
    elif is_of(value, "pandas", "DataFrame"):
        table = PandasTable(value)
    elif is_of(value, "polars", "DataFrame"):
        table = PolarsTable(value)
    if table is not None:
        check_names(table.columns, WHERE)
    return table


def _check_columns(columns: Mapping[Any, Any]) -> dict[str, Any]:
    found = dict(columns)  # what datasets gives fills its values when they are asked for
    for name in found:
        value = columns[name]
        if not isinstance(name, str):
            raise TypeError(f"A column is called {name!r}; expected a text.")
        if not is_column(value):
            raise TypeError(
                f"Column {name!r} is {type(value).__name__}; expected a list or an array with a value for each row. "
                f"Give {{{name!r}: [value]}} for one row; in Ray call map_batches, in datasets map(..., batched=True)."
            )
        found[name] = value
    lengths = {name: len(value) for name, value in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The columns have different lengths: {lengths}.")
    return found


@dataclass(frozen=True)
class DictTable:
    """Columns by name: lists, or arrays."""

    data: dict[str, Any]

    @property
    def columns(self) -> list[str]:
        """Return the names."""
        return list(self.data)

    @property
    def n_rows(self) -> int:
        """Return the length of the columns."""
        return len(next(iter(self.data.values()), ()))

    def read(self, name: str, most: int | None = None) -> list[object]:
        """Return a column as a list."""
        return list_values(self.data[name][:most])

    def add(self, names: Names, labels: Labels, scores: Scores) -> dict[str, Any]:
        """Return a dict with two lists more, or two arrays where it holds arrays."""
        if not any(is_of(value, "numpy", "ndarray") for value in self.data.values()):
            return {**self.data, names.label: list(labels), names.score: list(scores)}
        import numpy as np

        filled = np.array([np.nan if score is None else score for score in scores], dtype=np.float64)
        return {**self.data, names.label: np.array(labels, dtype=np.str_), names.score: filled}


@dataclass(frozen=True)
class ArrowTable:
    """A `pyarrow.Table` or `pyarrow.RecordBatch`."""

    data: Any

    @property
    def columns(self) -> list[str]:
        """Return the names in the schema."""
        return list(self.data.schema.names)

    @property
    def n_rows(self) -> int:
        """Return the number of rows."""
        return int(self.data.num_rows)

    def read(self, name: str, most: int | None = None) -> list[object]:
        """Return a column as a list.

        Raises:
            DataError: its bytes are no text.
        """
        column = self.data.column(name)
        try:
            values: list[object] = (column if most is None else column.slice(0, most)).to_pylist()
        except UnicodeDecodeError as error:
            raise DataError(f"{WHERE}: column {name!r} holds bytes that are not UTF-8 ({error}).") from error
        return values

    def add(self, names: Names, labels: Labels, scores: Scores) -> Any:
        """Return a table, or a batch, with two columns more."""
        import pyarrow as pa

        schema = self.data.schema.append(pa.field(names.label, pa.string())).append(pa.field(names.score, pa.float64()))
        added = [pa.array(labels, pa.string()), pa.array(scores, pa.float64())]
        return type(self.data).from_arrays([*self.data.columns, *added], schema=schema)


@dataclass(frozen=True)
class PandasTable:
    """A `pandas.DataFrame`."""

    data: Any

    @property
    def columns(self) -> list[str]:
        """Return the names, as text."""
        return [str(name) for name in self.data.columns]

    @property
    def n_rows(self) -> int:
        """Return the number of rows."""
        return len(self.data)

    def read(self, name: str, most: int | None = None) -> list[object]:
        """Return a column as a list."""
        return list_values(self.data.iloc[:most, self.columns.index(name)])

    def add(self, names: Names, labels: Labels, scores: Scores) -> Any:
        """Return a frame with two columns more and the same index."""
        import numpy as np

        filled = np.array([np.nan if score is None else score for score in scores], dtype=np.float64)
        return self.data.assign(**{names.label: np.array(labels, dtype=object), names.score: filled})


@dataclass(frozen=True)
class PolarsTable:
    """A `polars.DataFrame`."""

    data: Any

    @property
    def columns(self) -> list[str]:
        """Return the names."""
        return list(self.data.columns)

    @property
    def n_rows(self) -> int:
        """Return the number of rows."""
        return int(self.data.height)

    def read(self, name: str, most: int | None = None) -> list[object]:
        """Return a column as a list."""
        column = self.data.get_column(name)
        return list_values(column if most is None else column.head(most))

    def add(self, names: Names, labels: Labels, scores: Scores) -> Any:
        """Return a frame with two columns more."""
        import polars as pl

        return self.data.with_columns(
            pl.Series(names.label, labels, dtype=pl.String), pl.Series(names.score, scores, dtype=pl.Float64)
        )
