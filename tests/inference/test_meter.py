"""How far the labelling of files has come: by bytes up to the last labelled record, compressed or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from polarity_cli.config import ReadOptions
from polarity_cli.formats import find_format, open_path
from polarity_cli.formats.compression import COMPRESSIONS, create_bytes
from polarity_cli.formats.record import Record
from polarity_cli.inference.meter import Lines, Meter
from polarity_cli.records import Advance, SilentObserver


class Watching(SilentObserver):
    """Keep what a bar would show."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, float | None]] = []
        self.n_bars = 0

    @property
    def shows_progress(self) -> bool:
        return True

    @contextmanager
    def track(self, task: str, total: int | None = None, *, unit: str = "") -> Iterator[Advance]:
        self.n_bars += 1

        def advance(n: int, /, *, done: float | None = None, text: str = "") -> None:
            self.shown.append((n, done))

        yield advance
        self.n_bars -= 1


def follow(paths: list[Path]) -> list[float | None]:
    """Return the share of the bytes of some files after each record."""
    shares: list[float | None] = []
    with Meter(paths, Watching()) as meter:
        for path in paths:
            stream = open_path(path, ReadOptions())
            meter.begin(path, stream.format)
            if isinstance(meter._places, Lines):
                meter._places.wait()
            shares += [meter.find_share(record) for record in stream.records]
            meter.end()
            stream.close()
    return shares


def list_shares(lines: list[bytes]) -> list[float]:
    """Return the share of the bytes up to the end of each line."""
    sizes = [len(line) for line in lines]
    return [sum(sizes[: number + 1]) / sum(sizes) for number in range(len(sizes))]


@pytest.mark.parametrize("compression", ["", *COMPRESSIONS])
def test_share_goes_by_bytes_whatever_the_lengths_of_lines(tmp_path: Path, compression: str) -> None:
    lines = [b"good\n"] * 300 + [b"long " * 40_000 + b"\n"] * 5 + [b"a somewhat longer line of words\n"] * 300
    path = tmp_path / f"in.txt{compression}"
    with create_bytes(path, compression=compression, member="in.txt") as file:
        file.write(b"".join(lines))
    assert follow([path]) == pytest.approx(list_shares(lines), abs=0.07)  # a block of 64 KiB, of a million


def test_share_of_a_small_file_goes_by_its_lines(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"one\ntwo\nthree\nfour")  # the last line has no end
    assert follow([tmp_path / "in.txt"]) == pytest.approx([1 / 3, 2 / 3, 1, 1])


def test_rows_of_a_table_over_several_lines_are_found(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('id,content\n1,"a\nb\nc"\n2,d\n3,e\n')
    assert follow([tmp_path / "in.csv"]) == pytest.approx([2 / 6, 5 / 6, 1])


def test_share_of_several_files_goes_by_their_sizes(tmp_path: Path) -> None:
    for name, n in (("a.txt", 3), ("b.txt", 1)):
        (tmp_path / name).write_text("word\n" * n)
    assert follow([tmp_path / "a.txt", tmp_path / "b.txt"]) == pytest.approx([0.25, 0.5, 0.75, 1])


def test_rows_of_parquet_and_texts_of_a_folder_are_counted(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"content": ["a", "b", "c", "d"]}), tmp_path / "in.parquet")
    assert follow([tmp_path / "in.parquet"]) == pytest.approx([0.25, 0.5, 0.75, 1])
    for name in ("neg", "pos"):
        (tmp_path / "classes" / name).mkdir(parents=True)
        (tmp_path / "classes" / name / "1.txt").write_text("text")
    assert follow([tmp_path / "classes"]) == pytest.approx([0.5, 1])


@pytest.mark.parametrize(
    ("name", "content"),
    [("in.json", b'[{"content": "a"}, {"content": "b"}]'), ("in.txt", b"one line without an end"), ("old.txt", b"a\rb\rc")],
)
def test_share_is_unknown_where_nothing_tells_how_much_there_is(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert set(follow([tmp_path / name])) == {None}
    (tmp_path / "b.txt").write_bytes(b"x\n" * (len(content) // 2))
    both = follow([tmp_path / name, tmp_path / "b.txt"])
    assert both[0] == 0  # it counts once it is done
    assert both[-1] == pytest.approx(1)


def test_damaged_and_empty_files_and_pipes_have_no_share_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "torn.txt.gz").write_bytes(b"\x1f\x8b\x08torn")
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    os.mkfifo(tmp_path / "fifo")
    record = Record(None, "x", "f:1", 1)
    for name in ("torn.txt.gz", "empty.txt", "torn.parquet", "fifo"):
        path = tmp_path / name
        with Meter([path], Watching()) as meter:
            meter.begin(path, "text" if name == "fifo" else find_format(path))
            if isinstance(meter._places, Lines):
                meter._places.wait()
            assert meter.find_share(record) is None


def test_one_bar_for_all_files_ends_with_the_block_and_none_is_drawn_unseen(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("a\nb\n")
    observer = Watching()
    with pytest.raises(ValueError, match="failed"), Meter([path, path], observer) as meter:  # noqa: PT012
        for _ in range(2):
            meter.begin(path, "text")
            meter.advance(2, Record(None, "b", f"{path}:2", 2))
            assert observer.n_bars == 1
            meter.end()
        raise ValueError("failed")
    assert [n for n, _ in observer.shown] == [0, 2, 2]
    with Meter([path], SilentObserver()) as meter:
        meter.begin(path, "text")
        assert not isinstance(meter._places, Lines)  # nobody looks, so the file is not read twice
        meter.advance(2, Record(None, "b", f"{path}:2", 2))
        meter.end()
