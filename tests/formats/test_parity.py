"""Training and prediction read the same: the same bytes give both the same texts, in the same order, or the same refusal."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from polarity_cli.config import Context, DataConfig
from polarity_cli.data.reviews import read_reviews
from polarity_cli.data.sources import find_source
from polarity_cli.errors import PolarityError
from polarity_cli.records import SilentObserver
from tests.helpers.commands import Outcome

Polarity = Callable[..., Outcome]
GOOD = ["works fine", "love it, really", "great; value", 'a "must" have', "fünf Sterne"]
BAD = ["broke at once", "awful, truly", "want; a refund", 'so "cheap"', "nie wieder ö"]
ROWS = [(str(i % 2), f"{(BAD, GOOD)[i % 2][i // 2 % 5]} {i}") for i in range(20)]
TEXTS = [text for _, text in ROWS]


def make_csv(rows: list[tuple[str, ...]], **dialect: object) -> str:
    sink = io.StringIO()
    csv.writer(sink, **dialect).writerows(rows)  # type: ignore[arg-type]
    return sink.getvalue()


def zip_up(name: str, data: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, data)
        archive.writestr("__MACOSX/._x", b"")
    return sink.getvalue()


def make_parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    features = {"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}}
    table = pa.table({"label": [int(label) for label, _ in ROWS], "text": TEXTS})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), sink)
    return sink.getvalue()


def make_xlsx() -> bytes:
    import xlsxwriter

    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Reviews")
        for number, row in enumerate([("label", "text"), *ROWS]):
            sheet.write_row(number, 0, row)
    return sink.getvalue()


PLAIN = make_csv([("label", "text"), *ROWS])
OBJECTS = [{"label": label, "text": text} for label, text in ROWS]
BACKSLASHED = "label,text\n" + "".join('{},"{}"\n'.format(a, b.replace('"', '\\"')) for a, b in ROWS)
SAME: dict[str, str | bytes] = {
    "plain.csv": PLAIN,
    "crlf.csv": PLAIN.replace("\r\n", "\n").replace("\n", "\r\n"),
    "old-mac.csv": PLAIN.replace("\r\n", "\r"),
    "mark.csv": "\ufeff" + PLAIN,
    "utf-16.csv": PLAIN.encode("utf-16"),
    "semicolons.csv": make_csv([("label", "text"), *ROWS], delimiter=";"),
    "bars.csv": make_csv([("label", "text"), *ROWS], delimiter="|"),
    "tabs.csv": make_csv([("label", "text"), *ROWS], delimiter="\t"),
    "sep.csv": "sep=;\r\n" + make_csv([("label", "text"), *ROWS], delimiter=";"),
    "all-quoted.csv": make_csv([("label", "text"), *ROWS], quoting=csv.QUOTE_ALL),
    "backslashes.csv": BACKSLASHED,
    "spaces.csv": PLAIN.replace(",", ", ", 1).replace('0,"', '0, "').replace('1,"', '1, "'),
    "headless.csv": make_csv(list(ROWS)),
    "trailing.csv": PLAIN.replace("label,text", "label,text,,").replace("\r\n", ",,\r\n").replace("text,,,,", "text,,"),
    "index.csv": make_csv([("", "label", "text"), *((str(i), *row) for i, row in enumerate(ROWS))]),
    "row-names.csv": make_csv([("label", "text"), *((f"r{i}", *row) for i, row in enumerate(ROWS))]),
    "loud.csv": PLAIN.replace("label,text", "Reviews.Rating,Review Text"),
    "quoted.tsv": make_csv([("label", "text"), *ROWS], delimiter="\t"),
    "unquoted.tsv": "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in ROWS),
    "some.tab": "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in ROWS),
    "lines.jsonl": "\n".join(map(json.dumps, OBJECTS)),
    "lines.ndjson": "\n\n".join(json.dumps(row, ensure_ascii=False) for row in OBJECTS),
    "array.json": json.dumps(OBJECTS, indent=2),
    "wrapped.json": json.dumps({"meta": {"n": 20}, "reviews": OBJECTS}),
    "lines.json": "\n".join(map(json.dumps, OBJECTS)),
    "fast.txt": "".join(f"__label__{'pos' if label == '1' else 'neg'} {text}\n" for label, text in ROWS),
    "cells.txt": "".join(f"{text}\t{label}\n" for label, text in ROWS),
    "named.txt": "text\tlabel\n" + "".join(f"{text}\t{label}\n" for label, text in ROWS),
    "classes.parquet": make_parquet(),
    "sheet.xlsx": make_xlsx(),
    "packed.csv.gz": gzip.compress(PLAIN.encode()),
    "packed.csv.bz2": bz2.compress(PLAIN.encode()),
    "packed.csv.xz": lzma.compress(PLAIN.encode()),
    "packed.csv.zip": zip_up("inner.csv", PLAIN),
    "packed.zip": zip_up("inner.tsv", "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in ROWS)),
}
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "short.csv": (PLAIN + "1\r\n", "short.csv:22: 1 fields, expected 2"),
    "long.csv": (PLAIN + "1,a,b\r\n", "long.csv:22: 3 fields, expected 2"),
    "open.csv": (PLAIN + '1,"never closed\r\n', "open.csv:22: not valid CSV"),
    "twice.csv": (PLAIN.replace("label,text", "text,text"), "twice.csv:1: the header names a column twice"),
    "bad.jsonl": ("\n".join(map(json.dumps, OBJECTS)) + "\n{oops}\n", "bad.jsonl:21: not valid JSON"),
    "list.jsonl": (json.dumps(OBJECTS[0]) + "\n[1, 2]\n", "list.jsonl:2: expected a JSON object"),
    "nan.jsonl": ('{"label": 1, "text": NaN}\n', "nan.jsonl:1: not valid JSON"),
    "columns.json": (json.dumps({"label": [0, 1], "text": ["a", "b"]}), "expected rows"),
    "torn.csv.gz": (gzip.compress(PLAIN.encode())[:-9], "torn or damaged"),
    "really.csv": (gzip.compress(PLAIN.encode()), "gzip by its first bytes"),
    "pointer.csv": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "pointer of Git LFS"),
    "two.zip": (zip_up("a.csv", PLAIN)[:0] + b"", "torn or damaged"),
    "wide.csv": (PLAIN.encode("utf-16-le"), "--encoding utf-16-le"),
    "table.xls": (b"\xd0\xcf\x11\xe0", "unknown format '.xls'"),
    "book.xlsx": (b"PK\x03\x04 no workbook", "no workbook that can be read"),
    "none.csv": ("a,b\n1,2\n3,4\n", "no column looks like the text"),
}


def read_for_training(path: Path) -> list[str]:
    source = find_source(str(path), rows=None, context=Context(cache_dir=path.parent / "cache"))
    reviews = read_reviews(source, DataConfig(rows="all"), SilentObserver())
    return [review.text for review in reviews.splits["train"]]


@pytest.mark.parametrize("name", SAME)
def test_training_and_prediction_see_the_same_texts(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, name: str) -> None:
    data = SAME[name]
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    assert read_for_training(tmp_path / name) == TEXTS
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "--input", name, "--format", "text")
    assert outcome.code == 0, outcome.stderr
    predicted = [line.split("\t", 2) for line in outcome.stdout.splitlines()]
    if name == "lines.ndjson":  # in prediction a blank line is a record
        predicted = [cells for cells in predicted if cells[0]]
    assert [cells[2] for cells in predicted] == TEXTS
    assert all(cells[0] in ("negative", "positive") for cells in predicted)


@pytest.mark.parametrize("name", REFUSED)
def test_training_and_prediction_refuse_the_same(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, name: str) -> None:
    data, expected = REFUSED[name]
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(PolarityError) as raised:
        read_for_training(tmp_path / name)
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "--input", name)
    assert outcome.code == 2, outcome.stderr
    for message in (f"{raised.value} {raised.value.hint}", outcome.stderr):
        assert expected in message
        assert name in message


def test_bytes_of_another_encoding_are_refused_or_counted(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    texts = ["I don\u2019t like it", "it isn\u2019t good", "great: it\u2019s fine", "won\u2019t buy again"]
    rows = "label,text\n" + "".join(f"{i % 2},{text}\n" for i, text in enumerate(texts))
    (tmp_path / "w.csv").write_bytes(rows.encode("cp1252"))
    with pytest.raises(PolarityError, match=r"w\.csv:2: not UTF-8") as raised:
        read_for_training(tmp_path / "w.csv")
    assert "--encoding cp1252" in str(raised.value.hint)
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "--input", "w.csv", "--quiet", "-o", "o.csv")
    assert "4 records hold bytes that are not UTF-8, first at w.csv:2" in outcome.stderr
    assert (tmp_path / "o.csv").read_bytes().count("\u2019".encode("cp1252")) == 4
    whole = polarity("predict", "--checkpoint", tiny_checkpoint, "--input", "w.csv", "--encoding", "cp1252", "--format", "jsonl")
    assert [json.loads(line)["text"] for line in whole.stdout.splitlines()] == texts
