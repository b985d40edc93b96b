"""Rows of a Hub data set, read once into the cache as Parquet; from there they are a local folder like any other.

Reads the first rows by streaming, so that a part of a set costs a part of its download. Next: `data/sources`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache import publish, read_json, write_json
from polarity_cli.config import Context
from polarity_cli.errors import DataError, HubError
from polarity_cli.hub import connect, find_revision

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1000
"""Rows in a batch from the Hub."""


def fetch_rows(repo: str, *, rows: int | None, context: Context) -> tuple[Path, str]:
    """Return a folder with `train.parquet` (and `test.parquet`, where all rows are asked and the set has one), and the revision.

    A number of rows is the first so many of the train split; its test split is then not downloaded.

    Raises:
        HubError: the Hub is out of reach, or has no such data set.
    """
    revision = find_revision(repo, kind="dataset", context=context)
    folder = context.cache_dir / "hub" / repo.replace("/", "--") / revision / (f"first-{rows}" if rows else "all")
    if read_json(folder / "manifest.json") is None:
        if context.offline:
            raise HubError(f"{repo}: these rows are not in the cache.", hint="Run once without --offline.")
        with publish(folder) as work:
            _download(repo, revision, rows, work, context)
            write_json(work / "manifest.json", {"repo": repo, "revision": revision, "rows": rows})
    return folder, revision


def _download(repo: str, revision: str, rows: int | None, folder: Path, context: Context) -> None:
    import datasets

    datasets.disable_progress_bars()
    with connect(repo):
        splits = datasets.load_dataset(repo, revision=revision, streaming=True)
        if "train" not in splits:
            raise DataError(f"{repo}: no train split; its splits are {', '.join(sorted(splits))}.")
        names = ["train"] if rows else [name for name in ("train", "validation", "test") if name in splits]
        for name in names:
            stream = splits[name].take(rows) if rows else splits[name]
            task = f"Reading {repo}" + (f" ({name})" if len(names) > 1 else "")
            with context.observer.track(task, rows or _count(splits[name])) as advance:
                _write(_tables(stream, advance), folder / f"{name}.parquet")


def _count(split: Any) -> int | None:
    declared = (split.info.splits or {}).get(str(split.split))
    return declared.num_examples if declared else None


def _tables(stream: Any, advance: Any) -> Iterator[pa.Table]:
    """Yield a split's rows as Arrow tables, class numbers replaced by their names."""
    import datasets
    import pyarrow as pa

    names = {key: f.names for key, f in (stream.features or {}).items() if isinstance(f, datasets.ClassLabel)}
    for table in stream.with_format("arrow").iter(batch_size=_BATCH):
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
