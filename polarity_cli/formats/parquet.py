"""Parquet files, read in batches and written in row groups. One module of the table in `formats`; needs the extra `parquet`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from polarity_cli.errors import DataError
from polarity_cli.extras import require_extra
from polarity_cli.formats.compression import Growth
from polarity_cli.formats.record import Input, Record, Stream, check_names

_BATCH = 256
"""Rows read at once: each may hold the same long text."""
_LARGEST_PIPE = 1 << 31
"""The most bytes of a file from a pipe or compressed, which is read whole, since its index is at its end."""


def read(source: Input) -> Stream:
    """Return the rows of a Parquet file as a stream, with class numbers replaced by the names in its schema.

    Raises:
        DataError: it is damaged, or names a column twice; UsageError: the extra is not installed.
    """
    require_extra("parquet", source.name)
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _report(source.name):
        place: Any = source.path
        if place is None:
            data = source.stream.read(_LARGEST_PIPE + 1)
            if len(data) > _LARGEST_PIPE:
                raise DataError(f"{source.name}: too large to be read from a pipe or compressed.", hint="Give the plain file.")
            place = pa.BufferReader(data)
        file = pq.ParquetFile(place)
        schema = file.schema_arrow
        check_names(schema.names, source.name)
        classes = _find_classes(schema)
    stream = Stream(source.name, source.format, _read_rows(source, file, classes), columns=list(schema.names), is_file=True)
    stream.header, stream.schema = list(schema.names), schema
    stream.notes = [f"{column} as {', '.join(names[:8])}" for column, names in classes.items()]
    return stream


class _report:  # noqa: N801  a context manager, named as the functions are
    """Turn the exceptions of Arrow inside the block into DataError."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, error_type: object, error: BaseException | None, trace: object) -> None:
        import pyarrow as pa

        # A lookup fails where it names a time zone that there is not.
        if isinstance(error, pa.ArrowException | ValueError | OverflowError | LookupError):
            raise DataError(f"{self._name}: not a valid Parquet file ({str(error)[:300]}).") from error


def _find_classes(schema: Any) -> dict[str, list[str]]:
    """Return the class names of columns of numbers, as the datasets library keeps them in a schema."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        classes = {
            name: [str(name) for name in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    import pyarrow as pa

    return {
        name: names for name, names in classes.items() if name in schema.names and pa.types.is_integer(schema.field(name).type)
    }


def _read_rows(source: Input, file: Any, classes: dict[str, list[str]]) -> Iterator[Record]:
    import pyarrow as pa

    number, growth = 0, Growth(source.path, source.n_compressed, name=source.name)
    with _report(source.name), file:
        for batch in file.iter_batches(batch_size=_BATCH):
            columns = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns]
            n_bytes = sum(column.nbytes for column in columns)
            growth.add(n_bytes)
            size = n_bytes // max(1, batch.num_rows) + 64
            for fields in pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist():
                number += 1
                for column, names in classes.items():
                    value = fields[column]
                    fields[column] = names[value] if value is not None and 0 <= value < len(names) else None
                yield Record(fields, "", f"{source.name}: row {number}", number, size)


def make_sink(
    format: str, stream: IO[bytes], columns: Sequence[str], *, added: Mapping[str, str], like: Stream | None, escaped: bool
) -> TableSink:
    """Return what writes rows with the types of the input's schema; see `output_file.make_sink`."""
    require_extra("parquet", "The format parquet")
    return TableSink(stream, columns, added, None if like is None else like.schema)


class TableSink:
    """Write a Parquet file in row groups; its types are those of the input's schema, or of the first rows."""

    _GROUP = 1000

    def __init__(self, stream: IO[bytes], columns: Sequence[str], added: Mapping[str, str], schema: Any) -> None:
        """Take the input's columns, the `added` ones by their Arrow types, and the input's schema or None."""
        self._stream, self._columns, self._added, self._source = stream, list(columns), added, schema
        self._rows: list[Mapping[str, object]] = []
        self._writer: Any = None

    def write(self, row: Mapping[str, object]) -> None:
        """Take one row."""
        self._rows.append(row)
        if len(self._rows) >= self._GROUP:
            self._write_group()

    def finish(self) -> None:
        """Write what is left, and the index."""
        self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            if self._writer is None:
                self._schema = self._make_schema(pa)
                self._writer = pq.ParquetWriter(self._stream, self._schema)
            arrays = [pa.array([row.get(f.name) for row in self._rows], f.type) for f in self._schema]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        except (pa.ArrowException, OverflowError, TypeError) as error:
            raise DataError(
                f"A row does not fit the column types of Parquet ({str(error)[:200]}).", hint="Write --format jsonl instead."
            ) from error
        self._rows = []

    def _make_schema(self, pa: Any) -> Any:
        own = {field.name: field.type for field in self._source or ()}
        fields = []
        for name in self._columns:
            column_type = own.get(name)
            if column_type is None or pa.types.is_integer(column_type) or pa.types.is_dictionary(column_type):
                values = [row.get(name) for row in self._rows]
                column_type = pa.array(values).type if any(value is not None for value in values) else column_type or pa.string()
            fields.append(pa.field(name, column_type))
        return pa.schema([*fields, *(pa.field(name, pa.type_for_alias(alias)) for name, alias in self._added.items())])
