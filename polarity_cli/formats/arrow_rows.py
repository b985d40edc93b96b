"""Rows of a Parquet file that stay in Arrow: a column becomes Python values when it is first asked for.

Made by `formats/parquet`, and taken back by `formats/arrow_sink`, which writes the columns as they were read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polarity_cli.errors import DataError


class RowBatch:
    """Some rows of a file, which share their columns."""

    def __init__(self, arrow: Any, columns: Sequence[str], *, classes: Mapping[str, list[str]], name: str, first: int) -> None:
        """Take an Arrow record batch.

        Args:
            arrow: the record batch.
            columns: the names of its columns.
            classes: the class names of columns of numbers, by column.
            name: the file's, for messages.
            first: the number in the file of its first row, from 1.
        """
        self.arrow, self.columns, self.classes, self.name, self.first = arrow, columns, classes, name, first
        self._values: dict[str, list[object]] = {}

    def list_values(self, column: str) -> list[object]:
        """Return a column's values, class names in place of numbers; where one cannot be read, an error in its place.

        Raises:
            KeyError: there is no such column.
        """
        if column not in self._values:
            values = self._read(
                self.arrow.column(self.columns.index(column)) if column in self.columns else _miss(column), column
            )
            names = self.classes.get(column)
            if names is not None:
                values = [names[v] if isinstance(v, int) and 0 <= v < len(names) else None for v in values]
            self._values[column] = values
        return self._values[column]

    def cut(self, index: int) -> RowBatch:
        """Return one of its rows as a batch of its own, which holds no others."""
        alone = self.arrow.take([index])
        return RowBatch(alone, self.columns, classes=self.classes, name=self.name, first=self.first + index)

    def _read(self, array: Any, column: str) -> list[object]:
        import pyarrow as pa

        is_dictionary = pa.types.is_dictionary(array.type)
        try:
            if not is_dictionary:
                values: list[object] = array.to_pylist()
                return values
            entries = array.dictionary.to_pylist()
            return [None if index is None else entries[index] for index in array.indices.to_pylist()]
        except (pa.ArrowException, ValueError, OverflowError, LookupError):  # of some value; the others can be read
            return [self._read_cell(array, column, index) for index in range(len(array))]

    def _read_cell(self, array: Any, column: str, index: int) -> object:
        import pyarrow as pa

        try:
            return array[index].as_py()
        except (pa.ArrowException, ValueError, OverflowError, LookupError) as error:
            where = f"{self.name}: row {self.first + index}"
            return DataError(f"{where}: column {column!r} holds a value that cannot be read ({str(error)[:200]}).")


class Row(Mapping[str, object]):
    """One row of a batch, as a mapping from column to value."""

    __slots__ = ("batch", "index")

    def __init__(self, batch: RowBatch, index: int) -> None:
        self.batch, self.index = batch, index

    def __getitem__(self, column: str) -> object:
        """Return a value.

        Raises:
            KeyError: there is no such column.
            DataError: the value cannot be read.
        """
        value = self.batch.list_values(column)[self.index]
        if isinstance(value, DataError):
            raise DataError(str(value))
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.batch.columns)

    def __len__(self) -> int:
        return len(self.batch.columns)

    def __contains__(self, column: object) -> bool:
        return column in self.batch.columns

    def detach(self) -> Row:
        """Return the same row without the others of its batch, for who keeps few of many."""
        return Row(self.batch.cut(self.index), 0)


def _miss(column: str) -> Any:
    raise KeyError(column)
