"""Compressed files that grow without end, and lines that never end."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from polarity_cli.config import DataConfig
from polarity_cli.data.reviews import read_reviews
from polarity_cli.data.sources import Source
from polarity_cli.errors import DataError
from polarity_cli.formats import compression as opening
from polarity_cli.formats import json_document
from polarity_cli.formats.compression import LONGEST_RECORD, open_bytes
from polarity_cli.formats.decoding import Lines
from polarity_cli.formats.on_error import Losses, settle
from polarity_cli.records import SilentObserver
from tests.helpers.streams import read_pipe, read_rows


def zip_up(data: bytes) -> bytes:
    """Return an archive that holds bytes as one file of JSON lines."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r.jsonl", data)
    return sink.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstd.compress,
    ".xz": lzma.compress,
    ".zip": zip_up,
}
LINE = b'{"label": "1", "content": "' + b"good " * 200 + b'"}\n'


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test reaches in no time; the real ones are a gigabyte and 64 MiB."""
    monkeypatch.setattr(opening, "GROWTH_BYTES", 1 << 20)
    monkeypatch.setattr(opening, "LONGEST_RECORD", 10_000)
    monkeypatch.setattr("polarity_cli.formats.decoding.LONGEST_RECORD", 10_000)
    monkeypatch.setattr("polarity_cli.formats.rows.LONGEST_RECORD", 10_000)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("suffix", PACKED)
def test_bomb_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r.jsonl{suffix}"
    path.write_bytes(PACKED[suffix](LINE * 4000))
    read: list[object] = []
    with pytest.raises(DataError, match="which is no text but a bomb") as raised:
        read.extend(read_rows(path))
    assert str(path) in str(raised.value)
    assert "decompress it yourself" in str(raised.value.hint)
    assert len(read) < 2000


def test_bomb_of_the_real_size_is_stopped_after_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "r.csv.zst"
    path.write_bytes(zstd.compress(bytes(1 << 24)) * 70)  # 1.17 GB in 40 KB
    sizes: list[int] = []
    with open_bytes(path) as stream, pytest.raises(DataError, match="became more than 1,073,741,824"):
        sizes.extend(map(len, iter(lambda: stream.read(1 << 20), b"")))
    assert 0.99 * (1 << 30) < sum(sizes) <= 1 << 30


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("suffix", PACKED)
def test_text_that_compresses_well_is_no_bomb(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r.jsonl{suffix}"
    lines = b"".join(b'{"label": "%d", "content": "%s %d"}\n' % (i % 2, os.urandom(8).hex().encode(), i) for i in range(60_000))
    path.write_bytes(PACKED[suffix](lines))
    assert len(lines) > 1 << 20
    assert sum(1 for _ in read_rows(path)) == 60_000


def test_parquet_with_one_long_value_over_and_over_is_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr(opening, "GROWTH_BYTES", 1 << 22)
    plain = pa.table({"label": ["1"] * 5000, "content": ["x" * 10_000] * 5000})
    categories = plain.set_column(1, "content", plain["content"].dictionary_encode())
    for table in (plain, categories):
        pq.write_table(table, tmp_path / "r.parquet")
        assert (tmp_path / "r.parquet").stat().st_size < 100_000
        with pytest.raises(DataError, match="bomb"):
            list(read_rows(tmp_path / "r.parquet"))


def test_parquet_with_a_column_twice_or_of_lists_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "r.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["1"]), pa.array(["2"])], names=["label", "label"]), path)
    with pytest.raises(DataError, match="'label'"):
        list(read_rows(path))
    for column in ("content", "label"):
        values = {"content": ["good"], "label": ["1"]} | {column: [{"a": [[1]]}] if column == "content" else [[1]]}
        pq.write_table(pa.table(values), path)
        with pytest.raises(DataError, match=f"row 1: column '{column}'"):
            read_reviews(Source("r", {"train": (path,)}), DataConfig(), SilentObserver())


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.csv", b"label,content\n1,good\n1," + b"x" * 20_000 + b"\n"),
        ("r.csv", b"label,content\n1,good\n" + b'"a\na",' * 3000 + b"\n"),
        ("r.tsv", b"label\tcontent\n1\tgood\n1\t" + b"x" * 20_000),
        ("r.jsonl", b'{"label": 1, "content": "good"}\n\n{"a": "' + b"x" * 20_000),
        ("r.txt", b"__label__1 good\n\n__label__1 " + b"x" * 20_000),
    ],
)
def test_record_without_an_end_is_refused_with_its_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"more than 10,000 characters") as raised:
        list(read_rows(path))
    assert f"{path}:" in str(raised.value)
    format = {"r.txt": "text"}.get(name, name[2:])
    with pytest.raises(DataError, match=r"in:\d+: "):
        list(settle(read_pipe(content, format).records, "fail", Losses(), SilentObserver()))


def test_json_array_too_large_to_be_read_whole_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_document, "LARGEST_DOCUMENT", 1000)
    (tmp_path / "r.json").write_text("[" + '{"label": 1, "content": "good"},' * 100)
    with pytest.raises(DataError, match="read whole, and this one is too large") as raised:
        list(read_rows(tmp_path / "r.json"))
    assert ".jsonl" in str(raised.value.hint)


def test_line_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    assert LONGEST_RECORD > 60_000_000
    text = "x" * 10_000_000
    (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress(b'{"label": 1, "content": "%s"}\n' % text.encode(), 1))
    assert [(row.fields or {})["content"] for row in read_rows(tmp_path / "r.jsonl.gz")] == [text]
    (tmp_path / "r.csv").write_text(f"label,content\n1,{text}\n")
    assert [(row.fields or {})["content"] for row in read_rows(tmp_path / "r.csv")] == [text]
    assert [len(line) for line in Lines(io.BytesIO(text.encode() + b"\nb"), "in")] == [10_000_001, 1]


@pytest.mark.usefixtures("small_limits")
def test_compressed_pipe_has_no_size_and_no_limit(tmp_path: Path) -> None:
    path = tmp_path / "pipe.jsonl.gz"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(gzip.compress(LINE * 4000),))
    writer.start()
    with open_bytes(path) as stream:
        assert sum(1 for _ in Lines(stream, "pipe")) == 4000
    writer.join()
