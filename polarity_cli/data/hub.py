"""Rows of a Hub data set, read once into the cache as Parquet; from there they are a local folder like any other.

Reads no more than the rows asked for need, so that a part of a set costs a part of its download. Next: `data/sources`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache import report_unwritable
from polarity_cli.cache.entries import Entry, Manifest, Place, find_entry, get_entry
from polarity_cli.config import Context
from polarity_cli.errors import DataError, HubError
from polarity_cli.hub import connect, find_revision

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 2
"""Raised when what is written changes, so that older rows are fetched again."""
_BATCH = 1000
"""Rows in a batch of a set that is not Parquet."""
_BLOCK_BYTES = 1 << 20
"""Bytes fetched at once: about seven row groups of Amazon Polarity."""


def fetch_rows(repo: str, *, rows: int | None, context: Context) -> tuple[Entry, str]:
    """Return an entry with `train.parquet` (and `test.parquet`, where all rows are asked and the set has one), and the revision.

    A number of rows is the first so many of the train split; its test split is then not downloaded.

    Raises:
        HubError: the Hub is out of reach, or has no such data set.
        CacheError: the cache cannot be written.
    """
    revision = find_revision(repo, kind="dataset", context=context)
    name = f"{repo.replace('/', '--')}/{revision}/{f'first-{rows}' if rows else 'all'}"
    place = Place(context.cache_dir, "hub", name)
    key = {"format": FORMAT, "repo": repo, "revision": revision, "rows": rows}

    def fetch(work: Path) -> Manifest:
        with report_unwritable(place.folder):
            _download(repo, revision, rows, work, context)
        return {}

    if not context.offline:
        return get_entry(place, key, fetch, context.observer), revision
    entry = find_entry(place, key)
    if entry is None:
        raise HubError(f"{repo}: these rows are not in the cache, or not whole.", hint="Run once without --offline.")
    return entry, revision


def _download(repo: str, revision: str, rows: int | None, folder: Path, context: Context) -> None:
    import datasets

    datasets.disable_progress_bars()
    with connect(repo):
        builder = _find_builder(repo, revision)
        files: dict[str, list[str]] = builder.config.data_files or {}
        if "train" not in files:
            raise DataError(f"{repo}: no train split; its splits are {', '.join(map(str, files)) or 'not named'}.")
        names = ["train"] if rows else [name for name in ("train", "validation", "test") if name in files]
        for name in names:
            total = rows or _count(builder, name)
            with context.observer.track(f"Reading {repo}" + (f" ({name})" if len(names) > 1 else ""), total) as advance:
                tables = _read_tables(builder, name, rows)
                _write(_name_classes(tables, builder.info.features, advance), folder / f"{name}.parquet")


def _find_builder(repo: str, revision: str) -> Any:
    import datasets

    try:
        return datasets.load_dataset_builder(repo, revision=revision)
    except (datasets.exceptions.DatasetsError, ValueError, RuntimeError) as error:
        # A set with several configurations, with code instead of data, or without files of a known format.
        raise DataError(f"{repo}: not a data set that can be read ({str(error).splitlines()[0]}).") from error


def _count(builder: Any, split: str) -> int | None:
    declared = (builder.info.splits or {}).get(split)
    return declared.num_examples if declared else None


def _read_tables(builder: Any, split: str, rows: int | None) -> Iterator[pa.Table]:
    """Yield the first `rows` rows of a split as Arrow tables."""
    urls = [str(url) for url in builder.config.data_files[split]]
    parquet = all(url.endswith(".parquet") for url in urls)
    n_left = rows
    for table in _read_row_groups(urls) if parquet else builder.as_streaming_dataset(split).with_format("arrow").iter(_BATCH):
        part = table if n_left is None else table.slice(0, n_left)
        yield part
        if n_left is not None and (n_left := n_left - part.num_rows) == 0:
            return


def _read_row_groups(urls: list[str]) -> Iterator[pa.Table]:
    """Yield Parquet files row group by row group, and fetch little more than what is taken.

    Streaming by the datasets library fetches up to 39 MB for the first 100 rows, since Arrow joins neighbouring groups into large
    reads; and its reading threads abort or hang a process that ends soon after (pyarrow 26).
    """
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem

    files = HfFileSystem()
    for url in urls:
        with files.open(url, "rb", block_size=_BLOCK_BYTES) as remote:
            parquet = pq.ParquetFile(remote, pre_buffer=False)
            for group in range(parquet.num_row_groups):
                yield parquet.read_row_group(group, use_threads=False)


def _name_classes(tables: Iterator[pa.Table], features: Any, advance: Callable[[int], None]) -> Iterator[pa.Table]:
    """Yield tables with class numbers replaced by their names."""
    import datasets
    import pyarrow as pa

    names = {key: feature.names for key, feature in (features or {}).items() if isinstance(feature, datasets.ClassLabel)}
    for table in tables:
        for column, classes in names.items():
            values = [None if n is None or n < 0 else classes[n] for n in table[column].to_pylist()]
            table = table.set_column(table.column_names.index(column), column, pa.array(values, pa.string()))
        yield table
        advance(table.num_rows)


def _write(tables: Iterator[pa.Table], path: Path) -> None:
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    try:
        for table in tables:
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise DataError(f"{path.stem}: the split is empty.")
