"""One process's share of the inputs of `predict`, where many processes label them: `--shard 3/64`.

Each process divides all inputs by itself, and all come to the same shares: they depend on the files alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from polarity_cli.formats.compression import split_suffix
from polarity_cli.formats.parquet import list_row_groups
from polarity_cli.verbs.plan_output import PredictInput, PredictOutput


def take_share(outputs: Sequence[PredictOutput], shard: tuple[int, int], measure: Callable[[Path], int]) -> list[PredictOutput]:
    """Return what one process writes, without outputs that it has nothing for.

    Where there are at least as many inputs as shares they stay whole. Of fewer, Parquet files are divided into runs of row
    groups, and an output of a part of a file says so in its name: `reviews.shard-03-of-64.parquet`.

    Args:
        outputs: of all processes.
        shard: which of how many shares, from 1.
        measure: the size of a file in bytes.

    Raises:
        DataError: a Parquet file that is to be divided is damaged.
    """
    inputs = [part for output in outputs for part in output.inputs]
    sizes = [measure(part.path) if part.path is not None else 0 for part in inputs]
    own = _take_files(inputs, sizes, shard) if len(inputs) >= shard[1] else _take_groups(inputs, sizes, shard)
    left = iter(own)
    taken = []
    for output in outputs:
        parts = [part for part in (next(left) for _ in output.inputs) if part is not None]
        if not parts:
            continue
        path = output.path
        if output.is_in_folder and path is not None and parts[0].row_groups is not None:
            path = _name_part(path, shard)
        taken.append(replace(output, inputs=tuple(parts), path=path))
    return taken


def _take_files(inputs: Sequence[PredictInput], sizes: Sequence[int], shard: tuple[int, int]) -> list[PredictInput | None]:
    """Return each input that is of this share, else None: the largest are dealt out first, each to the share with the least."""
    shares = [(0, number) for number in range(1, shard[1] + 1)]
    own: list[PredictInput | None] = [None] * len(inputs)
    for index in sorted(range(len(inputs)), key=lambda index: -sizes[index]):
        n_bytes, number = heapq.heappop(shares)
        heapq.heappush(shares, (n_bytes + sizes[index] + 1, number))
        if number == shard[0]:
            own[index] = inputs[index]
    return own


def _take_groups(inputs: Sequence[PredictInput], sizes: Sequence[int], shard: tuple[int, int]) -> list[PredictInput | None]:
    """Return of each input what is of this share, else None.

    All row groups, and files that cannot be divided, lie on a line in order, each as long as its bytes; each belongs to the share
    in whose N-th of the line its middle is.
    """
    groups = [_weigh_groups(part, size) for part, size in zip(inputs, sizes, strict=True)]
    total = sum(map(sum, groups))
    begins = 0
    own: list[PredictInput | None] = []
    for part, weights in zip(inputs, groups, strict=True):
        mine = []
        for number, weight in enumerate(weights):
            # In whole numbers, so that all machines come to the same.
            if min(shard[1] - 1, (2 * begins + weight) * shard[1] // (2 * total)) == shard[0] - 1:
                mine.append(number)
            begins += weight
        is_whole = len(mine) == len(weights)
        own.append(None if not mine else part if is_whole else replace(part, row_groups=(mine[0], mine[-1] + 1)))
    return own


def _weigh_groups(part: PredictInput, size: int) -> list[int]:
    """Return the length of each row group of a Parquet file, of another file its own; none is 0."""
    is_divided = part.path is not None and part.is_file and part.format == "parquet" and not split_suffix(part.path)[1]
    if not is_divided or part.path is None:
        return [size + 1]
    n_rows = list_row_groups(part.path)
    return [1 + size * n // max(1, sum(n_rows)) for n in n_rows] or [size + 1]


def _name_part(path: Path, shard: tuple[int, int]) -> Path:
    suffix, compression = split_suffix(path)
    stem = path.name[: len(path.name) - len(suffix + compression)]
    width = max(2, len(str(shard[1])))
    return path.with_name(f"{stem}.shard-{shard[0]:0{width}}-of-{shard[1]:0{width}}{suffix}{compression}")
