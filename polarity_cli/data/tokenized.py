"""Write and read tokenized splits: one Arrow file a split, which `datasets.Dataset.from_file` reads too. Next: `data/batches`.

Columns: `input_ids` (list of int32, special tokens included, no padding), `label` (int8), `text`, `where` (file and
line), `file` and `row` (numbers of its file among those of its split, and of its row in that).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polarity_cli.data.tokenizing import ReviewTokenizer
from polarity_cli.errors import CacheError
from polarity_cli.records import Review
from polarity_cli.text import clean_text

_BATCH = 1024
"""Reviews tokenized and written together."""

_SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("label", pa.int8()),
        ("text", pa.large_string()),
        ("where", pa.string()),
        ("file", pa.int32()),
        ("row", pa.int64()),
    ]
)


@dataclass(frozen=True)
class TokenizedSplit:
    """One split's reviews as arrays over the whole of it."""

    tokens: NDArray[np.int32]
    """`(n_tokens,)`: all reviews' token ids, one after the other."""
    offsets: NDArray[np.int64]
    """`(N + 1,)`: review `i` is `tokens[offsets[i] : offsets[i + 1]]`."""
    labels: NDArray[np.int64]
    """`(N,)`: 0 negative, 1 positive."""
    table: pa.Table

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """`(N,)`: tokens in each review."""
        return np.diff(self.offsets)

    def get_ids(self, indices: Iterable[int]) -> list[NDArray[np.int32]]:
        """Return the token ids of some reviews, without copying."""
        return [self.tokens[self.offsets[i] : self.offsets[i + 1]] for i in indices]

    def get_text(self, index: int) -> str:
        """Return a review's text."""
        return str(self.table["text"][index])

    @property
    def texts(self) -> Sequence[str]:
        """All reviews' texts, each read when it is asked for."""
        return _Texts(self.table["text"])

    def iterate_texts(self) -> Iterator[str]:
        """Yield all reviews' texts in order."""
        yield from self.texts

    def get_where(self, index: int) -> str:
        """Return the file and row that a review was read from, for messages."""
        return str(self.table["where"][index])

    def get_place(self, index: int) -> tuple[int, int]:
        """Return the number of a review's file, counted from 0, and of its row in that file, counted from 1."""
        return int(self.table["file"][index].as_py()), int(self.table["row"][index].as_py())


class _Texts(Sequence[str]):
    """The texts of a split, which stay in the file until they are asked for."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return _Texts(self._column[index]) if isinstance(index, slice) else str(self._column[index])

    def __iter__(self) -> Iterator[str]:
        for chunk in self._column.chunks:
            yield from map(str, chunk)


def write_split(
    path: Path, reviews: Sequence[Review], tokenizer: ReviewTokenizer, advance: Callable[[int], None]
) -> dict[str, int]:
    """Tokenize reviews and write them to `path`; return counts for the manifest."""
    n_tokens = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as writer:
        for start in range(0, len(reviews), _BATCH):
            part = reviews[start : start + _BATCH]
            ids = tokenizer.encode([review.text for review in part])
            n_tokens += sum(map(len, ids))
            columns = [ids, [r.label for r in part], [r.text for r in part], [clean_text(Path(r.where).name) for r in part]]
            columns += [[r.file for r in part], [r.row for r in part]]
            writer.write_batch(
                pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA)
            )
            advance(len(part))
    n_positive = sum(review.label for review in reviews)
    return {
        "n_rows": len(reviews),
        "n_positive": n_positive,
        "n_negative": len(reviews) - n_positive,
        "n_tokens": n_tokens,
    }


def read_split(path: Path) -> TokenizedSplit:
    """Return a split that `write_split` wrote.

    Raises:
        CacheError: the file is damaged or missing.
    """
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
            table = reader.read_all()
        _check(table)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise CacheError(
            f"{path}: cannot be read ({error}).", hint="Remove its folder from the cache; it is made again."
        ) from error
    ids = table["input_ids"].combine_chunks()
    return TokenizedSplit(
        tokens=ids.flatten().to_numpy(zero_copy_only=False),
        offsets=ids.offsets.to_numpy().astype(np.int64) - ids.offsets[0].as_py(),
        labels=table["label"].to_numpy().astype(np.int64),
        table=table,
    )


def _check(table: pa.Table) -> None:
    """Raise ValueError or ArrowException where a table is not one that `write_split` makes; its offsets are checked too."""
    if table.schema != _SCHEMA:
        raise ValueError(f"its columns are {', '.join(map(str, table.schema.names))}")
    table.validate(full=True)
    values = [*table.columns, *(chunk.flatten() for chunk in table["input_ids"].chunks)]
    if table.num_rows == 0 or any(column.null_count for column in values):
        raise ValueError("values are missing")
    if not all(label in (0, 1) for label in table["label"].unique().to_pylist()):
        raise ValueError("a label is neither 0 nor 1")
