"""Broken records: skipped or kept, named and counted, and none of them costs another."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.helpers.streams import Notes, convert


def settle_all(data: bytes, format: str, on_error: str, to: str | None = None) -> tuple[bytes, list[str]]:
    observer = Notes()
    return convert(data, format, to, on_error=on_error, observer=observer), observer.notes


BROKEN = {
    "csv": b'id,content\n1,good\n2,"open\n3,fine\n4\n5,a,b,c\n6,last\n',
    "tsv": b"id\tcontent\n1\tgood\n4\n5\ta\tb\tc\n6\tlast\n",
    "jsonl": b'{"content": "good"}\n{"content": \n[1]\n{"content": "last", "n": 1}\n{"id": 7}\n',
}


def test_skipped_records_are_named_and_counted_and_cost_no_other() -> None:
    out, notes = settle_all(BROKEN["csv"], "csv", "skip")
    assert [line.split(b",")[0] for line in out.splitlines()] == [b"id", b"1", b"3", b"6"]
    assert [note.split(":")[1] for note in notes[:-1]] == ["3", "5", "6"]
    assert notes[-1] == "3 broken records were left out."
    out, notes = settle_all(BROKEN["tsv"], "tsv", "skip")
    assert [line.split(b"\t")[0] for line in out.splitlines()] == [b"id", b"1", b"6"]
    out, notes = settle_all(BROKEN["jsonl"], "jsonl", "skip")
    assert len(out.splitlines()) == 3
    assert [note.split(":")[1] for note in notes[:-1]] == ["2", "3"]


def test_kept_records_lose_nothing_and_have_no_label() -> None:
    out, notes = settle_all(BROKEN["csv"], "csv", "keep")
    rows = list(csv.reader(io.StringIO(out.decode(), newline="")))
    assert rows[2] == ['2,"open', "", "", ""]
    assert rows[4:6] == [["4", "", "", ""], ["5", "a,b,c", "", ""]]
    assert notes[-1] == "3 broken records were kept without a label."
    out, _ = settle_all(BROKEN["tsv"], "tsv", "keep")
    assert out.splitlines()[2:4] == [b"4\t\t\t", b"5\ta b c\t\t"]
    out, _ = settle_all(BROKEN["jsonl"], "jsonl", "keep")
    answers = list(map(json.loads, out.splitlines()))
    assert [answer["label"] for answer in answers] == ["positive", "", "", "positive", ""]
    assert answers[1]["line"] == '{"content":'
    assert "in:2: not valid JSON" in answers[1]["error"]
    assert answers[4] == {"id": 7, "label": "", "score": None}


@pytest.mark.parametrize("format", sorted(BROKEN))
@pytest.mark.parametrize("to", ["csv", "document", "jsonl", "text", "tsv"])
def test_kept_records_are_as_many_in_every_format(format: str, to: str) -> None:
    data = (
        BROKEN[format].replace(b', "n": 1', b"").replace(b'{"id": 7}\n', b"")
    )  # columns that a table has no place for are refused
    n_records = {"csv": 6, "tsv": 4, "jsonl": 4}[format]
    out, _ = settle_all(data, format, "keep", to)
    if to == "document":
        assert len(json.loads(out)["predictions"]) == n_records
    else:
        assert out.count(b"\n") == n_records + (to in ("csv", "tsv"))


def test_broken_first_line_waits_for_the_columns() -> None:
    out, _ = settle_all(b'{"content"\n\n{"content": "a"}\n', "jsonl", "keep", "csv")
    assert out == b'content,label,score\n"{""content""",,\n,,\na,positive,0.987654\n'


def test_many_broken_records_are_counted_but_not_all_named() -> None:
    _, notes = settle_all(b"[]\n" * 50, "jsonl", "skip")
    assert len(notes) == 11
    assert notes[-1] == "50 broken records were left out."


def test_quote_that_nothing_closes_costs_its_own_line() -> None:
    lines = [b"content,n"] + [b'"open %d,x' % i if i % 7 == 0 else b"plain,%d" % i for i in range(1, 400)]
    out, _ = settle_all(b"\n".join(lines), "csv", "keep")
    rows = list(csv.reader(io.StringIO(out.decode(), newline="")))
    numbers = [int(row[1]) for row in rows[1:] if row[1].isdigit()]
    assert numbers == sorted(numbers)
    assert set(numbers) >= {i for i in range(1, 400) if i % 7}
