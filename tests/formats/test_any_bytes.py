"""Files from strangers, made by the thousand: a reader gives all rows or a PolarityError, and nothing else, and soon.

Valid files are made and damaged, by a seeded generator, so that a failure comes again; `N` says how many each test makes.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import itertools
import json
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.folder_check import find_weights
from polarity_cli.checkpoint.weights import read_header
from polarity_cli.config import DataConfig
from polarity_cli.data.reviews import read_reviews
from polarity_cli.data.sources import Source
from polarity_cli.errors import CheckpointError, DataError, PolarityError
from polarity_cli.formats.on_error import Losses, settle
from polarity_cli.formats.results import admit, make_writer, name_results
from polarity_cli.records import SilentObserver
from tests.helpers.reviews import make_reviews
from tests.helpers.streams import ANSWER, read_pipe, read_rows

N = {"damaged": 8000, "whole": 1600, "torn": 2400, "streams": 6000, "json": 2000, "headers": 2000}
"""Inputs of each test."""
SECONDS = 120
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstd.compress,
}
NASTY = [
    *(b"\0", b"\r", b"\n", b"\r\n", b"\t", b",", b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b":"),
    *(b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b"1e999", b"NaN", b"null", b"true", b"PAR1", b"\x1f\x8b\x08"),
    *(b"-" * 50, b"9" * 5000, b"[" * 2000, b'{"a":' * 500, b"__label__1 ", b"label", b"content", b"=1+1"),
    *(b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xfe\xff\xff\xff\xff\xff\xff\xff"),
]
WORDS = [
    *("great", "awful", "", " ", "two\nlines", 'a "quoted" word', "a, b", "tab\there"),
    *("naïve", "書評", "\U0001f600", "\u202e", "x" * 300),
]


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """End a test that hangs, wherever it hangs."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def make_rows(generator: random.Random) -> list[dict[str, str]]:
    n_rows = generator.randrange(2, 12)
    return [
        {"label": "01"[i % 2], "title": generator.choice(WORDS), "content": " ".join(generator.choices(WORDS, k=3)) + str(i)}
        for i in range(n_rows)
    ]


def encode(rows: list[dict[str, str]], suffix: str) -> bytes:
    """Return rows as a file; the formats of lines lose line breaks and tabs."""
    if suffix == ".parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink, compression=("snappy", "zstd", "none")[len(rows) % 3])
        return sink.getvalue()
    if suffix == ".csv":
        text = io.StringIO()
        csv.writer(text).writerows([list(rows[0]), *(list(row.values()) for row in rows)])
        return text.getvalue().encode()
    if suffix == ".json":
        return json.dumps(rows, ensure_ascii=False, indent=1).encode()
    if suffix == ".jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    flat = [{name: " ".join(value.split()) for name, value in row.items()} for row in rows]
    if suffix == ".tsv":
        return "".join("\t".join(line) + "\n" for line in [list(rows[0]), *(list(row.values()) for row in flat)]).encode()
    return "".join(f"__label__{int(row['label']) + 1} {row['title']}: {row['content']}\n" for row in flat).encode()


def damage(generator: random.Random, data: bytes) -> bytes:
    """Return bytes with one to four changes: cut, changed, repeated, or with something nasty put in."""
    changed = bytearray(data)
    for _ in range(generator.randrange(1, 5)):
        at, end = sorted((generator.randrange(len(changed) + 1), generator.randrange(len(changed) + 1)))
        match generator.randrange(6):
            case 0:
                del changed[at : min(end, at + generator.randrange(1, 40))]
            case 1:
                del changed[end:]
            case 2 if at < len(changed):
                changed[at] ^= 1 << generator.randrange(8)
            case 3:
                changed[at:at] = changed[at : min(end, at + 200)]
            case 4:
                changed[at : at + generator.randrange(8)] = generator.randbytes(generator.randrange(8))
            case _:
                changed[at:at] = generator.choice(NASTY)
    return bytes(changed)


def read(path: Path) -> list[dict[str, object]] | None:
    """Return a file's rows, or None where it is refused with its name."""
    try:
        return [dict(row.fields or {}) for row in read_rows(path)]
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017  its absence is no error
        return None


def read_labelled(path: Path) -> int | None:
    """Return the number of a file's reviews, or None where it is refused."""
    try:
        return sum(
            map(
                len, read_reviews(Source(path.name, {"train": (path,)}), DataConfig(rows="all"), SilentObserver()).splits.values()
            )
        )
    except PolarityError:
        return None


SUFFIXES = list(itertools.product((".csv", ".json", ".jsonl", ".parquet", ".tsv", ".txt"), COMPRESSIONS))


def test_damaged_file_gives_rows_or_an_error_with_its_name(tmp_path: Path) -> None:
    generator = random.Random(1)
    n_read = n_refused = 0
    for number, (suffix, compression) in zip(range(N["damaged"]), itertools.cycle(SUFFIXES), strict=False):
        path = tmp_path / f"r{suffix}{compression}"
        data = encode(make_rows(generator), suffix)
        pack = COMPRESSIONS[compression]
        how = number // len(SUFFIXES) % 4
        if how == 0:
            path.write_bytes(damage(generator, pack(data)))
        elif how == 1:
            path.write_bytes(generator.randbytes(generator.randrange(300)))
        else:
            path.write_bytes(pack(damage(generator, data)))
        refused = read(path) is None
        assert not refused or read_labelled(path) is None
        if not refused:
            read_labelled(path)
        n_read, n_refused = n_read + (not refused), n_refused + refused
    assert n_read + n_refused == N["damaged"]
    assert min(n_read, n_refused) > 500  # neither is the rule


def test_whole_file_gives_every_row(tmp_path: Path) -> None:
    generator = random.Random(2)
    for _, (suffix, compression) in zip(range(N["whole"]), itertools.cycle(SUFFIXES), strict=False):
        path = tmp_path / f"r{suffix}{compression}"
        rows = make_rows(generator)
        path.write_bytes(COMPRESSIONS[compression](encode(rows, suffix)))
        records = read(path)
        assert records is not None
        assert len(records) == len(rows)
        assert read_labelled(path) == len(rows)
        if suffix in (".csv", ".json", ".jsonl", ".parquet"):
            assert records == rows


def test_torn_or_changed_compressed_file_never_gives_some_of_its_rows(tmp_path: Path) -> None:
    generator = random.Random(3)
    refused = dict.fromkeys(COMPRESSIONS, 0)
    suffixes = [(suffix, compression) for suffix, compression in SUFFIXES if compression]
    for number, (suffix, compression) in zip(range(N["torn"]), itertools.cycle(suffixes), strict=False):
        path = tmp_path / f"r{suffix}{compression}"
        rows = make_rows(generator)
        data = bytearray(COMPRESSIONS[compression](encode(rows, suffix)))
        path.write_bytes(data)
        whole = read(path)
        torn = number % 2 == 0
        if torn:
            del data[generator.randrange(1, len(data)) :]
        else:
            data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(data)
        records = read(path)
        refused[compression] += records is None
        if torn:
            assert records is None
        elif compression != ".zst":  # whose checksum is left out as a rule
            assert records in (None, whole)
    assert min(refused[compression] for _, compression in suffixes) > N["torn"] // 8


def test_stream_of_any_bytes_gives_its_records_or_a_data_error() -> None:
    generator = random.Random(4)
    n_whole = 0
    cases = list(itertools.product(("csv", "jsonl", "text", "tsv"), ("fail", "skip", "keep")))
    for _, (format, on_error) in zip(range(N["streams"]), itertools.cycle(cases), strict=False):
        suffix = {"text": ".txt"}.get(format, f".{format}")
        data = damage(generator, encode(make_rows(generator), suffix))
        to = generator.choice((format, "jsonl"))
        n_records = 0
        try:
            reading = read_pipe(data, format, preferred=None, on_error=on_error)
            columns = reading.columns or ["text"]
            names = name_results(columns)
            writer = make_writer(to, io.BytesIO(), reading.stream, columns, names)
            fixed = frozenset(columns) if to in ("csv", "tsv") else None
            records = reading.records if to == "text" else (admit(record, names, fixed) for record in reading.records)
            for record in settle(records, on_error, Losses(), SilentObserver()):
                n_records += 1
                writer.write(record, ANSWER)
            writer.finish()
        except DataError as error:
            assert str(error)  # noqa: PT017  its absence is no error
            continue
        n_whole += 1
        n_lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
        if on_error == "keep" and format in ("text", "jsonl") and b"\n" in data:
            assert n_records == n_lines
    assert n_whole > N["streams"] // 5


def test_manifests_and_configs_of_any_bytes_are_read_or_refused(tmp_path: Path, tiny_checkpoint: Path) -> None:
    generator = random.Random(6)
    folder = tmp_path / "ckpt"
    folder.mkdir()
    for name in ("config.json", "polarity.json", "tokenizer_config.json", "tokenizer.json"):
        shutil.copy(tiny_checkpoint / name, folder)
    (folder / "shard.safetensors").touch()
    index = json.dumps({"metadata": {"total_size": 8}, "weight_map": {"a": "shard.safetensors"}})
    (folder / "model.safetensors.index.json").write_text(index)
    names = ("polarity.json", "tokenizer_config.json", "model.safetensors.index.json")
    n_refused = 0
    for _, name in zip(range(N["json"]), itertools.cycle(names), strict=False):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(damage(generator, before))
        try:
            checkpoint = Checkpoint.open(folder)
            assert checkpoint.manifest is not None
            assert checkpoint.text
            assert all(path.parent == folder for path in find_weights(folder))
        except CheckpointError as error:
            assert str(folder) in str(error)  # noqa: PT017  its absence is no error
            n_refused += 1
        (folder / name).write_bytes(before)
    assert N["json"] // 5 < n_refused < N["json"]


def test_weight_files_of_any_bytes_are_read_or_refused(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import load, save

    generator = random.Random(7)
    whole = save({"a.weight": np.ones((2, 3), np.float32), "b": np.arange(4), "c": np.ones(3, np.float16)}, {"format": "pt"})
    path = tmp_path / "model.safetensors"
    n_read = 0
    for _ in range(N["headers"]):
        length = int.from_bytes(whole[:8], "little")
        header = damage(generator, whole[8 : 8 + length]) if generator.random() < 0.5 else whole[8 : 8 + length]
        data = len(header).to_bytes(8, "little") + header + whole[8 + length :]
        data = data if generator.random() < 0.5 else damage(generator, data)
        path.write_bytes(data)
        try:
            tensors = read_header(path)
        except CheckpointError as error:
            assert str(path) in str(error)  # noqa: PT017  its absence is no error
            continue
        n_read += 1
        try:  # NumPy has no name for some types
            loaded = load(data)
        except KeyError:
            continue
        assert {name: array.shape for name, array in loaded.items()} == {name: tensor.shape for name, tensor in tensors.items()}
    assert 100 < n_read < N["headers"]


def test_rows_of_reviews_are_all_read(tmp_path: Path) -> None:
    rows = [dict(zip(("label", "title", "content"), row, strict=True)) for row in make_reviews(5000)]
    for suffix, compression in SUFFIXES:
        path = tmp_path / f"r{suffix}{compression}"
        path.write_bytes(COMPRESSIONS[compression](encode([{**row, "label": "0"} for row in rows], suffix)))
        records = read(path)
        assert records is not None
        assert len(records) == 5000
