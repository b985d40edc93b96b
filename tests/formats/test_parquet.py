"""Parquet in and out: every column comes back as it was, bit by bit, and only texts become strings on the way."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polarity_cli.config import ReadOptions
from polarity_cli.data.reading import read_texts
from polarity_cli.errors import DataError
from polarity_cli.formats import arrow_sink, open_path
from polarity_cli.formats.arrow_rows import Row
from polarity_cli.formats.record import Stream
from polarity_cli.formats.results import make_writer, name_results
from polarity_cli.records import Prediction

N_ROWS = 2500
CLASSES = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}, "text": {"dtype": "string", "_type": "Value"}}
METADATA = {
    b"huggingface": json.dumps({"info": {"features": CLASSES}}).encode(),
    b"pandas": b'{"index_columns": []}',
    b"own": b"x",
}


def make_table(n_rows: int = N_ROWS) -> pa.Table:
    """Return a table of the types that are lost on the way through Python."""
    nanoseconds = 1_700_000_000_123_456_789
    each = range(n_rows)
    columns = {
        "text": pa.array([None if i % 97 == 0 else f"great {i}" for i in each]),
        "category": pa.array([("x", "y", None)[i % 3] for i in each]).dictionary_encode(),
        "price": pa.array([Decimal(i) / 4 for i in each], pa.decimal128(30, 2)),
        "when": pa.array([nanoseconds + i for i in each], pa.timestamp("ns", "Europe/Berlin")),
        "utc": pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * n_rows, pa.timestamp("ms", "UTC")),
        "day": pa.array([date(2024, 2, 29)] * n_rows),
        "nested": pa.array([{"a": [i, None], "b": {"c": str(i)}} for i in each]),
        "map": pa.array([[("k", i)] for i in each], pa.map_(pa.string(), pa.int32())),
        "label": pa.array([(-1, 0, 1)[i % 3] for i in each], pa.int8()),
        "single": pa.array([1.5] * n_rows, pa.float32()),
        "bytes": pa.array([b"\xff\x00"] * n_rows),
        "large": pa.array(["z"] * n_rows, pa.large_string()),
        "most": pa.array([2**64 - 1] * n_rows, pa.uint64()),
        "nothing": pa.nulls(n_rows),
        "took": pa.array([i + 1 for i in each], pa.duration("ns")),
    }
    fields = [pa.field(name, array.type, metadata={"of": name}) for name, array in columns.items()]
    return pa.table(list(columns.values()), schema=pa.schema(fields, metadata=METADATA))


def copy(paths: list[Path], format: str = "parquet", *, leave_out: int = 0) -> bytes:
    """Return what is written of the records of some files, with a made answer; each `leave_out`-th one is not."""
    out = io.BytesIO()
    writer: Any = None
    for path in paths:
        stream = open_path(path, ReadOptions())
        reading = read_texts(stream, option=["text"])
        names = name_results(reading.columns)
        writer = writer or make_writer(format, out, stream, reading.columns, names)
        for number, record in enumerate(reading.records, 1):
            if not leave_out or number % leave_out:
                writer.write(record, Prediction("positive", 0.75) if record.text else Prediction("", None))
        stream.close()
    writer.finish()
    return out.getvalue()


def split(data: bytes, source: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return a written table's own columns and the added ones."""
    table = pq.read_table(io.BytesIO(data))
    own = table.select(source.schema.names)
    return own, table.select([name for name in table.schema.names if name not in source.schema.names])


def test_all_types_and_metadata_come_back_as_they_were(tmp_path: Path) -> None:
    pq.write_table(make_table(), tmp_path / "r.parquet", row_group_size=700)
    source = pq.read_table(tmp_path / "r.parquet")  # what Parquet keeps of Arrow's types
    own, added = split(copy([tmp_path / "r.parquet"]), source)
    assert own.equals(source)
    assert own.schema.equals(source.schema, check_metadata=True)
    assert added.schema.names == ["predicted_label", "predicted_score"]
    assert added.schema.types == [pa.string(), pa.float64()]
    assert added.column(0).to_pylist() == ["" if i % 97 == 0 else "positive" for i in range(N_ROWS)]
    assert added.column(1).null_count == len(range(0, N_ROWS, 97))


def test_rows_that_are_left_out_leave_the_others_as_they_were(tmp_path: Path) -> None:
    pq.write_table(make_table(), tmp_path / "r.parquet", row_group_size=700)
    source = pq.read_table(tmp_path / "r.parquet")
    own, _ = split(copy([tmp_path / "r.parquet"], leave_out=3), source)
    assert own.equals(source.take([i for i in range(N_ROWS) if (i + 1) % 3]))


def test_groups_are_cut_by_rows_and_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_table()
    pq.write_table(source, tmp_path / "r.parquet")
    monkeypatch.setattr(arrow_sink, "GROUP_ROWS", 1000)
    file = pq.ParquetFile(io.BytesIO(copy([tmp_path / "r.parquet"])))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [1000, 1000, 500]
    monkeypatch.setattr(arrow_sink, "GROUP_BYTES", 1)
    data = copy([tmp_path / "r.parquet"])
    assert pq.ParquetFile(io.BytesIO(data)).num_row_groups > 3
    assert split(data, source)[0].num_rows == N_ROWS


def test_only_columns_that_are_asked_for_become_values(tmp_path: Path) -> None:
    pq.write_table(make_table(600), tmp_path / "r.parquet")
    stream = open_path(tmp_path / "r.parquet", ReadOptions())
    rows = [record.fields for record in read_texts(stream, option=["text"]).records]
    last = rows[-1]
    assert isinstance(last, Row)
    assert set(last.batch._values) == {"text"}
    assert last["label"] == "pos"
    assert rows[0] is not None
    assert rows[0]["label"] is None
    with pytest.raises(KeyError):
        last["no such column"]


def test_some_row_groups_keep_their_row_numbers(tmp_path: Path) -> None:
    pq.write_table(make_table(), tmp_path / "r.parquet", row_group_size=700)
    records = list(open_path(tmp_path / "r.parquet", ReadOptions(), row_groups=(1, 3)).records)
    assert [record.row for record in records] == list(range(701, 2101))
    assert records[0].where.endswith("row 701")


def test_other_outputs_print_values_and_class_names(tmp_path: Path) -> None:
    pq.write_table(make_table(4), tmp_path / "r.parquet")
    rows = list(map(json.loads, copy([tmp_path / "r.parquet"], "jsonl").splitlines()))
    assert [row["label"] for row in rows] == [None, "neg", "pos", None]
    assert rows[1]["nested"] == {"a": [1, None], "b": {"c": "1"}}
    assert rows[1]["predicted_label"] == "positive"
    lines = copy([tmp_path / "r.parquet"], "csv").decode().splitlines()
    assert lines[2].startswith("great 1,y,0.25,")


def test_value_that_cannot_be_read_breaks_its_row_alone(tmp_path: Path) -> None:
    texts = pa.array([b"fine", b"\xff\xfe", b"good"]).cast(pa.binary())
    broken = pa.StringArray.from_buffers(3, texts.buffers()[1], texts.buffers()[2])
    pq.write_table(pa.table({"text": broken, "id": [1, 2, 3]}), tmp_path / "r.parquet")
    stream = open_path(tmp_path / "r.parquet", ReadOptions())
    records = list(read_texts(stream, option=["text"]).records)
    assert [record.text for record in records] == ["fine", "", "good"]
    assert "row 2: column 'text' holds a value that cannot be read" in str(records[1].error)
    assert [record.error for record in records if record.row != 2] == [None, None]


def test_files_of_other_types_are_fitted_or_refused_in_words(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "n": pa.array([1], pa.int64())}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["b"], "n": pa.array([2], pa.int8())}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"text": ["c"], "n": ["much"]}), tmp_path / "c.parquet")
    table = pq.read_table(io.BytesIO(copy([tmp_path / "a.parquet", tmp_path / "b.parquet"])))
    assert table.column("n").to_pylist() == [1, 2]
    assert table.schema.field("n").type == pa.int64()
    with pytest.raises(DataError, match=r"c\.parquet: a row does not fit the column types of Parquet"):
        copy([tmp_path / "a.parquet", tmp_path / "c.parquet"])


def test_files_whose_numbers_mean_other_classes_are_not_mixed(tmp_path: Path) -> None:
    def write(path: Path, names: list[str]) -> Path:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        pq.write_table(pa.table({"text": ["a"], "label": [0]}).replace_schema_metadata(metadata), path)
        return path

    first, turned = write(tmp_path / "a.parquet", ["neg", "pos"]), write(tmp_path / "b.parquet", ["pos", "neg"])
    with pytest.raises(DataError, match="its numbers mean other classes"):
        copy([first, turned])
    assert [json.loads(line)["label"] for line in copy([first, turned], "jsonl").splitlines()] == ["neg", "pos"]


def test_values_after_a_table_of_text_are_its_names_not_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,neg\n")
    pq.write_table(make_table(3).select(["text", "label"]), tmp_path / "b.parquet")
    table = pq.read_table(io.BytesIO(copy([tmp_path / "a.csv", tmp_path / "b.parquet"])))
    assert table.column("label").to_pylist() == ["neg", None, "neg", "pos"]


def test_file_without_rows_keeps_its_schema(tmp_path: Path) -> None:
    pq.write_table(make_table().slice(0, 0), tmp_path / "r.parquet")
    source = pq.read_table(tmp_path / "r.parquet")
    own, added = split(copy([tmp_path / "r.parquet"]), source)
    assert own.schema.equals(source.schema, check_metadata=True)
    assert added.num_rows == 0


def test_a_row_is_kept_without_its_neighbours(tmp_path: Path) -> None:
    pq.write_table(make_table(500), tmp_path / "r.parquet")
    row = list(open_path(tmp_path / "r.parquet", ReadOptions()).records)[100].fields
    assert isinstance(row, Row)
    alone = row.detach()
    assert alone.batch.arrow.num_rows == 1
    assert alone.batch.arrow.get_total_buffer_size() < 2000
    assert alone["text"] == row["text"] == "great 100"


def test_stream_is_one_of_the_table(tmp_path: Path) -> None:
    pq.write_table(make_table(1), tmp_path / "r.parquet")
    stream = open_path(tmp_path / "r.parquet", ReadOptions())
    assert isinstance(stream, Stream)
    assert stream.schema.names == stream.columns
