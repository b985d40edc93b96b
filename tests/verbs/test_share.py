"""Shares of the inputs: whatever the files, each record is in one of them and in no other."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polarity_cli.verbs.plan_output import PredictInput, PredictOutput
from polarity_cli.verbs.share import take_share

Piece = tuple[str, int]


def plan(paths: list[Path], format: str = "csv") -> list[PredictOutput]:
    """Return an output in a folder for each of some files."""
    return [
        PredictOutput((PredictInput(path, format, is_file=True),), Path("out") / path.name, format, is_in_folder=True)
        for path in paths
    ]


def deal(planned: list[PredictOutput], n: int, sizes: dict[Path, int]) -> list[list[PredictOutput]]:
    """Return the outputs of each of `n` shares."""
    return [take_share(planned, (k, n), sizes.__getitem__) for k in range(1, n + 1)]


def list_pieces(shares: list[list[PredictOutput]], n_groups: dict[Path, int]) -> list[Piece]:
    """Return the row groups of all shares, by the file's name; of a file that is whole, all."""
    pieces = []
    for part in (part for share in shares for output in share for part in output.inputs):
        assert part.path is not None
        first, stop = part.row_groups or (0, n_groups[part.path])
        pieces += [(part.path.name, number) for number in range(first, stop)]
    return pieces


@pytest.mark.parametrize("seed", range(20))
def test_whole_files_are_dealt_out_once_each_and_evenly(seed: int) -> None:
    generator = random.Random(seed)
    n = generator.randrange(1, 20)
    paths = [Path(f"f{i}.csv") for i in range(generator.randrange(n, 200))]
    sizes = {path: int(generator.paretovariate(1.5) * 1000) for path in paths}
    shares = deal(plan(paths), n, sizes)
    names = [output.path for share in shares for output in share]
    assert sorted(map(str, names)) == sorted(str(Path("out") / path) for path in paths)
    assert all(share for share in shares)
    loads = [sum(sizes[part.path] for output in share for part in output.inputs if part.path) for share in shares]
    assert max(loads) - min(loads) <= max(sizes.values()) + len(paths)
    assert shares == deal(plan(paths), n, sizes)


@pytest.mark.parametrize(
    ("groups", "n"), [([7], 3), ([7], 7), ([2], 5), ([3, 1, 6], 4), ([1, 1], 3), ([4, 0], 6), ([20, 20], 64)]
)
def test_row_groups_of_few_files_are_each_in_one_share(tmp_path: Path, groups: list[int], n: int) -> None:
    paths = []
    for number, n_groups in enumerate(groups):
        paths.append(tmp_path / f"{number}.parquet")
        texts = [str(i) for i in range(100 * n_groups)]
        pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), paths[-1], row_group_size=100)
    counts = {path: pq.read_metadata(path).num_row_groups for path in paths}
    sizes = {path: path.stat().st_size for path in paths}
    shares = deal(plan(paths, "parquet"), n, sizes)
    expected = [(path.name, number) for path in paths for number in range(counts[path])]
    assert list_pieces(shares, counts) == expected  # each in one share, and in order: contiguous runs
    names = [str(output.path) for share in shares for output in share]
    assert len(set(names)) == len(names)


def test_part_of_a_file_says_so_in_its_name_and_a_whole_one_does_not(tmp_path: Path) -> None:
    big, small = tmp_path / "big.parquet", tmp_path / "small.parquet"
    pq.write_table(pa.table({"text": [str(i) for i in range(6000)]}), big, row_group_size=1000)
    pq.write_table(pa.table({"text": ["a"]}), small)
    sizes = {path: path.stat().st_size for path in (big, small)}
    shares = deal(plan([big, small], "parquet"), 3, sizes)
    names = [[output.path.name for output in share if output.path] for share in shares]
    assert names == [
        ["big.shard-01-of-03.parquet"],
        ["big.shard-02-of-03.parquet"],
        ["big.shard-03-of-03.parquet", "small.parquet"],
    ]


def test_files_that_cannot_be_divided_stay_whole_and_some_shares_are_empty() -> None:
    paths = [Path("a.csv"), Path("b.jsonl")]
    shares = deal(plan(paths), 5, {paths[0]: 100, paths[1]: 100})
    assert sum(len(share) for share in shares) == 2
    assert [len(share) for share in shares].count(0) == 3
    assert all(output.inputs[0].row_groups is None for share in shares for output in share)


def test_one_output_for_all_inputs_keeps_the_share_of_them() -> None:
    paths = [Path("a.csv"), Path("b.csv"), Path("c.csv")]
    planned = [PredictOutput(tuple(PredictInput(path, "csv", is_file=True) for path in paths), None, "csv")]
    shares = deal(planned, 2, dict(zip(paths, (10, 30, 10), strict=True)))
    assert [[str(part.path) for part in share[0].inputs] for share in shares] == [["b.csv"], ["a.csv", "c.csv"]]
