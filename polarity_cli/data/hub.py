"""Rows of a Hub data set, read once into the cache as Parquet; from there they are a local folder like any other.

Reads no more than the rows asked for need, so that a part of a set costs a part of its download. Next: `data/sources`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache import report_unwritable
from polarity_cli.cache.entries import Entry, Manifest, Place, find_entry, get_entry
from polarity_cli.config import Context
from polarity_cli.errors import DataError, HubError
from polarity_cli.hub import connect, find_revision, is_of_content
from polarity_cli.hub.files import fetch_files
from polarity_cli.hub.retries import CONTENT_HINT, TRIES_AT_CONTENT, Retries, first_line

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
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # a request to a host that is not the Hub
    # The library reads the card from the Hub's cache, so what lies there has been checked.
    fetch_files(repo, revision, ["README.md"], kind="dataset", context=context)
    with connect(repo, context.observer):
        builder = _find_builder(repo, revision)
        files: dict[str, list[str]] = builder.config.data_files or {}
        if "train" not in files:
            raise DataError(f"{repo}: no train split; its splits are {', '.join(map(str, files)) or 'not named'}.")
        names = ["train"] if rows else [name for name in ("train", "validation", "test") if name in files]
        for name in names:
            total = rows or _count(builder, name)
            with context.observer.track(f"Reading {repo}" + (f" ({name})" if len(names) > 1 else ""), total) as advance:
                tables = _read_tables(builder, name, rows, Retries(repo, context.observer))
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


def _read_tables(builder: Any, split: str, rows: int | None, retries: Retries) -> Iterator[pa.Table]:
    """Yield the first `rows` rows of a split as Arrow tables."""
    urls = [str(url) for url in builder.config.data_files[split]]
    parquet = all(url.endswith(".parquet") for url in urls)
    n_left = rows
    tables = _read_row_groups(urls, retries) if parquet else _stream(builder, split, retries.name)
    for table in tables:
        part = table if n_left is None else table.slice(0, n_left)
        yield part
        if n_left is not None and (n_left := n_left - part.num_rows) == 0:
            return


def _stream(builder: Any, split: str, repo: str) -> Iterator[pa.Table]:
    """Yield the rows of files that are not Parquet."""
    import datasets

    try:
        yield from builder.as_streaming_dataset(split).with_format("arrow").iter(_BATCH)
    except (datasets.exceptions.DatasetsError, ValueError) as error:
        raise DataError(f"{repo}: its {split} split cannot be read ({first_line(error)}).") from error


def _read_row_groups(urls: list[str], retries: Retries) -> Iterator[pa.Table]:
    """Yield Parquet files row group by row group, and fetch little more than what is taken.

    A group that cannot be read is fetched again. Streaming by the datasets library fetches up to 39 MB for the first 100 rows,
    since Arrow joins neighbouring groups into large reads; and its reading threads abort or hang a process that ends soon after
    (pyarrow 26).
    """
    for url in urls:
        n_read, n_groups = 0, None
        while n_groups is None or n_read < n_groups:
            try:
                with _open_parquet(url) as parquet:
                    n_groups = parquet.num_row_groups
                    while n_read < n_groups:
                        table = parquet.read_row_group(n_read, use_threads=False)
                        n_read += 1
                        retries.restart()
                        yield table
            except _unreadable() as error:
                if isinstance(error, OSError) and not is_of_content(error):
                    raise
                name, cause = url.rpartition("/")[2], first_line(error)
                retries.wait(f"{name} came with content that is not Parquet ({cause})", tries=TRIES_AT_CONTENT, hint=CONTENT_HINT)


@contextmanager
def _open_parquet(url: str) -> Iterator[Any]:
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem

    with HfFileSystem().open(url, "rb", block_size=_BLOCK_BYTES) as remote:
        yield pq.ParquetFile(remote, pre_buffer=False, page_checksum_verification=True)


def _unreadable() -> tuple[type[Exception], ...]:
    """Return what Arrow raises where content is wrong."""
    import pyarrow as pa

    return pa.lib.ArrowException, OSError


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
