"""Write Parquet in row groups. Rows that were read from Parquet keep their columns as Arrow holds them; others get types.

Made by `formats/parquet.make_sink`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from polarity_cli.errors import DataError
from polarity_cli.formats.arrow_rows import Row, RowBatch

GROUP_ROWS = 1 << 16
GROUP_BYTES = 1 << 26
"""A row group is written when it holds so many rows, or bytes of Arrow."""
_PACKED_ROWS = 1000
"""So many rows of values become Arrow at once, which takes less memory; the first ones tell the types where no schema does."""


@dataclass
class _Run:
    """Rows that follow each other: some of a batch from the index `start` on, or rows of values."""

    batch: RowBatch | None
    start: int = 0
    stop: int = 0
    rows: list[Mapping[str, object]] = field(default_factory=list)


class ArrowSink:
    """Write a Parquet file in row groups; its types are those of the input's schema, or of the first rows."""

    def __init__(
        self, stream: IO[bytes], columns: Sequence[str], added: Mapping[str, str], schema: Any, classes: Mapping[str, list[str]]
    ) -> None:
        """Take what is known before the first row.

        Args:
            stream: to write to.
            columns: the input's.
            added: the columns after them, by their Arrow types.
            schema: the Arrow schema of an input that is Parquet; None finds the types by the first rows.
            classes: the class names that this schema gives columns of numbers.
        """
        self._stream, self._columns, self._added, self._source, self._classes = stream, list(columns), added, schema, classes
        self._own: Any = schema
        self._writer: Any = None
        self._begin_group()

    def write(self, row: Mapping[str, object], answer: Mapping[str, object] | None = None) -> None:
        """Take one row, and the added columns, which may stand in the row itself."""
        for name, values in self._answers.items():
            values.append((row if answer is None else answer).get(name))
        if isinstance(row, Row) and self._source is not None:
            self._add(row)
        else:
            self._add_values(row)
        self._n_rows += 1
        if self._n_rows >= GROUP_ROWS or self._n_bytes >= GROUP_BYTES:
            self._write_group()

    def finish(self) -> None:
        """Write what is left, and the index."""
        self._write_group()
        self._writer.close()

    def _begin_group(self) -> None:
        self._runs: list[_Run] = []
        self._answers: dict[str, list[object]] = {name: [] for name in self._added}
        self._n_rows = self._n_bytes = 0

    def _add(self, row: Row) -> None:
        run = self._runs[-1] if self._runs else None
        if run is not None and run.batch is row.batch and run.stop == row.index:
            run.stop += 1
            return
        if run is None or run.batch is not row.batch:
            self._n_bytes += row.batch.arrow.nbytes
        self._runs.append(_Run(row.batch, row.index, row.index + 1))

    def _add_values(self, row: Mapping[str, object]) -> None:
        run = self._runs[-1] if self._runs else None
        if run is None or run.batch is not None:
            self._runs.append(run := _Run(None))
        run.rows.append(row)
        if len(run.rows) >= _PACKED_ROWS:
            self._pack(run)

    def _write_group(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        batches = [self._make_batch(run) for run in self._runs]
        own = self._find_own(())
        added = [pa.field(name, pa.type_for_alias(alias)) for name, alias in self._added.items()]
        schema = pa.schema([*own, *added], metadata=own.metadata)
        with _report_misfit():
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._stream, schema)
            if self._n_rows:
                columns = pa.Table.from_batches(batches, own).columns
                answers = [pa.array(self._answers[field.name], field.type) for field in added]
                self._writer.write_table(pa.Table.from_arrays([*columns, *answers], schema=schema), row_group_size=GROUP_ROWS)
        self._begin_group()

    def _find_own(self, rows: Sequence[Mapping[str, object]]) -> Any:
        """Return the schema of the columns that are not added: the input's, or that of the first rows."""
        import pyarrow as pa

        if self._own is None:
            fields = []
            for name in self._columns:
                values = [row.get(name) for row in rows]
                found = pa.array(values).type if any(value is not None for value in values) else pa.string()
                fields.append(pa.field(name, found))
            self._own = pa.schema(fields)
        return self._own

    def _pack(self, run: _Run) -> None:
        """Turn rows of values to a batch."""
        import pyarrow as pa

        with _report_misfit():
            own = self._find_own(run.rows)
            arrays = [pa.array([row.get(field.name) for row in run.rows], field.type) for field in own]
            batch = pa.RecordBatch.from_arrays(arrays, schema=own)
        run.batch = RowBatch(batch, own.names, classes=self._classes, name="", first=1)
        run.start, run.stop, run.rows = 0, batch.num_rows, []
        self._n_bytes += batch.nbytes

    def _make_batch(self, run: _Run) -> Any:
        """Return a run as a record batch of the file's types.

        Raises:
            DataError: its values do not fit them, or its numbers mean other classes.
        """
        import pyarrow as pa

        if run.batch is None:
            self._pack(run)
        assert run.batch is not None
        if run.batch.classes != self._classes:
            raise DataError(
                f"{run.batch.name}: its numbers mean other classes than those of the first input.",
                hint="Write each to a file of its own, --output FOLDER, or --format jsonl.",
            )
        part = run.batch.arrow.slice(run.start, run.stop - run.start)
        if part.schema.equals(self._own):
            return part
        with _report_misfit(run.batch.name):
            return pa.RecordBatch.from_arrays([part.column(field.name).cast(field.type) for field in self._own], schema=self._own)


class _report_misfit:  # noqa: N801  a context manager, named as the functions are
    """Turn the exceptions of Arrow inside the block into DataError."""

    def __init__(self, name: str = "") -> None:
        self._where = f"{name}: a row" if name else "A row"

    def __enter__(self) -> None:
        pass

    def __exit__(self, error_type: object, error: BaseException | None, trace: object) -> None:
        import pyarrow as pa

        if isinstance(error, pa.ArrowException | OverflowError | TypeError | KeyError | UnicodeError):
            raise DataError(
                f"{self._where} does not fit the column types of Parquet ({str(error)[:200]}).",
                hint="Write --format jsonl instead.",
            ) from error
