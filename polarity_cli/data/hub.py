"""Fetch rows of a Hub data set into the cache as Parquet, once; `data/sources` then reads them as a local folder.

No more is fetched than the rows need, so a part of a set costs a part of its download.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from polarity_cli.cache.entries import Entry, Manifest, Place, find_entry
from polarity_cli.cache.new_entry import open_or_begin
from polarity_cli.cache.publish import report_unwritable
from polarity_cli.config import Context
from polarity_cli.data.hub_sets import Selection, find_builder
from polarity_cli.errors import DataError, HubError, UsageError
from polarity_cli.extras import require_extra
from polarity_cli.hub import connect, find_revision, is_of_content
from polarity_cli.hub.files import fetch_files
from polarity_cli.hub.retries import CONTENT_HINT, TRIES_AT_CONTENT, Retries, first_line

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 3
"""Raised when what is written changes, so that older rows are fetched again."""
_BATCH = 1000
"""Rows in a batch of a set that is not Parquet."""
_BLOCK_BYTES = 1 << 20
"""Bytes fetched at once: about seven row groups of Amazon Polarity."""


def fetch_rows(name: str, *, rows: int | None, context: Context, splits: Sequence[str] | None = None) -> tuple[Entry, str]:
    """Return a cache entry with a Parquet file for each split, and the commit that the set is at.

    Args:
        name: of the set on the Hub, with a configuration behind a colon where there are several: `nyu-mll/glue:sst2`.
        rows: read the first so many rows of a split, None for all. Without `splits`, a number of rows is read of the train split
            alone, and None reads the train, validation and test splits, as far as the set has them.
        context: the cache, and who is shown the progress.
        splits: read only the first of these that the set has. The entry's manifest holds its name as `split`, and the names of
            all splits of the set as `splits`.

    Raises:
        UsageError: the name cannot be a set's.
        DataError: it has no such configuration or split, or several configurations and none is named.
        HubError: the Hub is out of reach, or has no such data set.
        CacheError: the cache cannot be written.
    """
    repo, colon, config = name.partition(":")
    if colon and not config:
        raise UsageError(f"{name}: a configuration is missing after the colon.", hint=f"Leave the colon out: {repo}")
    revision = find_revision(repo, repo_type="dataset", context=context)
    amount = f"first-{rows}" if rows else "all"
    parts = [amount if splits is None else f"{'-or-'.join(splits)}-{amount}", *([quote(config, safe="")] if config else [])]
    place = Place(context.cache_dir, "hub", f"{repo.replace('/', '--')}/{revision}/{'--'.join(parts)}")
    key = {
        "format": FORMAT,
        "repo": repo,
        "config": config or None,
        "revision": revision,
        "rows": rows,
        "splits": splits and list(splits),
    }

    if context.offline:
        entry = find_entry(place, key)
        if entry is None:
            raise HubError(f"{name}: these rows are not in the cache, or not whole.", hint="Run once without --offline.")
        return entry, revision
    opened = open_or_begin(place, key, context.observer)
    if isinstance(opened, Entry):
        return opened, revision
    with opened:
        with report_unwritable(place.folder):
            about = _download(Selection(repo, config or None, revision, rows, splits), opened.folder, context)
        return opened.commit(about), revision


def _download(selection: Selection, folder: Path, context: Context) -> Manifest:
    """Write a file for each selected split, and return the fields of the entry's manifest.

    Raises:
        UsageError: the library that reads data sets of the Hub is not installed.
    """
    require_extra("train", f"The Hub's data set {selection.name}", for_hub_set=True)
    import datasets

    datasets.disable_progress_bars()
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # a request to a host that is not the Hub
    # The library reads the card from the Hub's cache, so what lies there has been checked.
    fetch_files(selection.repo, selection.revision, ["README.md"], repo_type="dataset", context=context)
    with connect(selection.repo, context.observer):
        builder = find_builder(selection)
        there = list(map(str, builder.config.data_files or {}))
        names = selection.choose(there)
        for name in names:
            total = selection.rows or _count(builder, name)
            which = f" ({name})" if len(names) > 1 or name != "train" else ""
            with context.observer.track(f"Reading {selection.name}{which}", total) as advance:
                tables = _read_tables(builder, name, selection.rows, Retries(selection.repo, context.observer))
                _write(_name_classes(tables, builder.info.features, advance), folder / f"{name}.parquet")
    return {} if selection.splits is None else {"split": names[0], "splits": there}


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
    """Yield Parquet files row group by row group, and fetch little more than what is read.

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
    """Return the exceptions that Arrow raises for damaged content."""
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
