"""Reading rows of local files."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path

import pytest
from backports import zstd

from polarity_cli.errors import DataError
from tests.helpers.streams import read_rows

CSV = 'label,title,content\n1,Good,"a ""quoted"" word, and a comma"\n0,Bad,"two\nlines"\n'
ROWS = [
    {"label": "1", "title": "Good", "content": 'a "quoted" word, and a comma'},
    {"label": "0", "title": "Bad", "content": "two\nlines"},
]


def read(path: Path) -> list[dict[str, object]]:
    return [dict(row.fields) for row in read_rows(path) if row.fields]


@pytest.mark.parametrize(
    ("suffix", "compress"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".zst", zstd.compress)]
)
def test_csv_is_read_compressed_or_not(tmp_path: Path, suffix: str, compress: object) -> None:
    path = tmp_path / f"reviews.csv{suffix}"
    path.write_bytes(compress(CSV.encode()))  # type: ignore[operator]
    assert read(path) == ROWS


def test_row_names_the_line_it_begins_on(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(CSV + "1,a,b\n")
    assert [row.where for row in read_rows(path)] == [f"{path}:2", f"{path}:3", f"{path}:5"]


def test_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(b"\xef\xbb\xbf" + CSV.encode())
    assert read(path) == ROWS


def test_headless_layout_of_2015_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text('"2","Great","one\\ntwo ""three"""\n"1","Bad","no"\n')
    assert read(path) == [
        {"label": "2", "title": "Great", "content": 'one\ntwo "three"'},
        {"label": "1", "title": "Bad", "content": "no"},
    ]


def test_tsv_takes_quotes_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "r.tsv"
    path.write_text('label\ttext\n1\t"open quote\n0\tplain\n')
    assert read(path) == [{"label": "1", "text": '"open quote'}, {"label": "0", "text": "plain"}]


def test_json_array_and_json_lines_give_the_same_rows(tmp_path: Path) -> None:
    array, lines, short = tmp_path / "a.json", tmp_path / "b.jsonl", tmp_path / "c.json"
    array.write_text(json.dumps(ROWS, indent=1))
    lines.write_text("\n\n".join(map(json.dumps, ROWS)))
    short.write_text("\n".join(map(json.dumps, ROWS)))
    assert read(array) == read(lines) == read(short) == ROWS


def test_parquet_is_read_plain_and_compressed(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    plain, packed = tmp_path / "r.parquet", tmp_path / "r.parquet.gz"
    pq.write_table(pa.Table.from_pylist(ROWS), plain)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read(plain) == read(packed) == ROWS


def test_fasttext_line_is_divided_at_the_first_colon(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_text("__label__2 Great: a book: really\n__label__1 no title here\n")
    assert read(path) == [
        {"label": "__label__2", "title": "Great", "content": "a book: really"},
        {"label": "__label__1", "title": "", "content": "no title here"},
    ]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("r.csv", b"label,text\n1,a,b\n", "r.csv:2: 3 fields, expected 2"),
        ("r.csv", b"label,label\n1,a\n", "r.csv:1: the header names a column twice"),
        ("r.csv", b'label,text\n1,"never closed\n', "not valid CSV"),
        ("r.csv", b"label,text\n1,ok\n1,caf\xe9\n", "r.csv:3: not UTF-8"),
        ("r.jsonl", b'{"label": 1}\n{"label": \n', "r.jsonl:2: not valid JSON"),
        ("r.jsonl", b"[1, 2]\n", "r.jsonl:1: expected a JSON object"),
        ("r.jsonl", b"[" * 100_000, "r.jsonl:1: JSON nested too deep"),
        ("r.json", b"[1]", "object 1: expected a JSON object"),
        ("r.json", b"[" * 100_000, "JSON nested too deep"),
        ("r.txt", b"__label__1 good\nno label\n", "r.txt:2: no label, expected '__label__NAME'"),
        ("r.parquet", b"PAR1 nothing of the kind", "not a valid Parquet file"),
        ("r.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-12], "torn or damaged"),
        ("r.csv.gz", b"not gzip", "torn or damaged"),
        ("r.csv.bz2", b"not bzip2", "cannot be read"),
        ("r.csv.bz2", bz2.compress(CSV.encode())[:-4], "torn or damaged"),
        ("r.csv.zst", b"not zstd at all", "torn or damaged"),
        ("r.csv.zst", zstd.compress(CSV.encode())[:-4], "torn or damaged"),
        ("r.xls", b"", "unknown format '.xls'"),
        ("r", b"", "unknown format '(no suffix)'"),
    ],
)
def test_damaged_file_is_refused_with_its_place(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read(path)
    assert expected in str(raised.value)
    assert str(path) in str(raised.value)


def test_long_field_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("label,text\n1," + "x" * 1_000_000 + "\n")
    assert len(str(read(path)[0]["text"])) == 1_000_000


def test_public_layouts_of_the_data_set_hold_the_same_reviews(amazon_formats: Path) -> None:
    def normalise(row: dict[str, object]) -> str:
        return "".join(f"{row['title']}{row['content']}".split())

    csv_rows = read(amazon_formats / "zhang2015_style.csv")
    jsonl_rows = read(amazon_formats / "reviews.jsonl")
    text_rows = read(amazon_formats / "fasttext_style.ft.txt.bz2")
    assert len(csv_rows) == len(jsonl_rows) == len(text_rows) == 200
    assert list(map(normalise, csv_rows)) == list(map(normalise, jsonl_rows))
    assert [str(row["label"])[-1] for row in text_rows] == [row["label"] for row in csv_rows]
