"""Parquet files, read in batches of rows that stay in Arrow. One module of the table in `formats`; needs the extra `parquet`.

What is written goes through `formats/arrow_sink`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from polarity_cli.errors import DataError
from polarity_cli.extras import require_extra
from polarity_cli.formats.arrow_rows import Row, RowBatch
from polarity_cli.formats.arrow_sink import ArrowSink
from polarity_cli.formats.compression import Growth
from polarity_cli.formats.record import Input, Record, Stream, check_names

_BATCH = 256
"""Rows read at once: each may hold the same long text."""
_BUFFER_BYTES = 1 << 20
"""A column of a row group is read by so many bytes at once: a row group may hold the whole file."""
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
        file = pq.ParquetFile(place, buffer_size=_BUFFER_BYTES)
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
    first, stop = source.row_groups or (0, file.num_row_groups)
    number = sum(file.metadata.row_group(group).num_rows for group in range(first))
    growth = Growth(source.path, source.n_compressed, name=source.name)
    columns = list(file.schema_arrow.names)
    with _report(source.name), file:
        for arrow in file.iter_batches(batch_size=_BATCH, row_groups=range(first, stop)):
            n_bytes = sum(map(_measure, arrow.columns))
            growth.add(n_bytes)
            size = n_bytes // max(1, arrow.num_rows) + 64
            batch = RowBatch(arrow, columns, classes=classes, name=source.name, first=number + 1)
            for index in range(arrow.num_rows):
                number += 1
                yield Record(Row(batch, index), "", f"{source.name}: row {number}", number, size)


def _measure(column: Any) -> int:
    """Return the bytes of a column's values, each entry of a dictionary as often as it is used."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    try:
        import pyarrow.compute as pc

        return int(pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0)
    except pa.ArrowException:  # entries of another type
        return int(column.nbytes)


def list_row_groups(path: Path) -> list[int]:
    """Return the rows of each row group of a Parquet file.

    Raises:
        DataError: it is damaged; UsageError: the extra is not installed.
    """
    require_extra("parquet", str(path))
    import pyarrow.parquet as pq

    with _report(str(path)):
        index = pq.read_metadata(path)
        return [index.row_group(group).num_rows for group in range(index.num_row_groups)]


def make_sink(
    format: str, stream: IO[bytes], columns: Sequence[str], *, added: Mapping[str, str], like: Stream | None, escaped: bool
) -> ArrowSink:
    """Return what writes rows with the types of the input's schema; see `output_file.make_sink`."""
    require_extra("parquet", "The format parquet")
    schema = None if like is None else like.schema
    return ArrowSink(stream, columns, added, schema, {} if schema is None else _find_classes(schema))
