"""Streams of records: one in is one out, in order, whatever the bytes."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarity_cli.cli.terminal import format_terminal
from polarity_cli.errors import DataError, UsageError
from polarity_cli.formats import find_format
from polarity_cli.formats.on_error import Losses, settle
from polarity_cli.formats.output_file import find_output_format
from polarity_cli.formats.record import Record
from polarity_cli.inference.read_ahead import CHUNK, ReadAhead
from polarity_cli.records import SilentObserver
from tests.helpers.streams import ANSWER, Notes, convert, read_pipe, read_records


def read_texts(data: bytes, kind: str = "text") -> list[str]:
    return [record.text for record in read_records(data, kind)]


def read_lazily(data: bytes, kind: str) -> Iterator[Record]:
    """Yield the records of a pipe; what opening it raises comes when they are asked for."""
    yield from read_pipe(data, kind, preferred=None).records


def test_line_keeps_its_bytes_and_loses_only_its_end() -> None:
    data = b"\xef\xbb\xbfgood\r\n\nbad\ttab\nnul\0x\n\xff\xfe\nlast"
    kept = [b"good", b"", b"bad\ttab", b"nul\0x", b"\xff\xfe", b"last"]
    assert convert(data, "text") == b"".join((b"positive\t0.99\t" if line else b"\t\t") + line + b"\n" for line in kept)
    assert read_texts(data) == ["good", "", "bad\ttab", "nul\0x", "��", "last"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=60))
def test_every_line_of_any_bytes_is_one_line_out_in_order(lines: list[bytes]) -> None:
    lines = [b"first", *lines]  # else it may begin as UTF-16 does, or as a gzip file
    out = convert(b"".join(line + b"\n" for line in lines), "text").split(b"\n")
    assert out.pop() == b""
    kept = [line.split(b"\t", 2)[2] for line in out]
    assert kept == [line.removesuffix(b"\r") for line in lines]


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=30))
def test_csv_rows_keep_their_columns_and_gain_two(rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([("id", "title", "content"), *rows])
    out = list(csv.reader(io.StringIO(convert(text.getvalue().encode(), "csv").decode(), newline="")))
    assert out[0] == ["id", "title", "content", "label", "score"]
    assert [tuple(row[:3]) for row in out[1:]] == rows
    assert all(row[3:] in (["positive", "0.987654"], ["", ""]) for row in out[1:])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(["content", "id", "label", "n"]), CELLS | st.integers() | st.none()), max_size=20)
)
def test_json_objects_keep_their_fields_and_gain_two(rows: list[dict[str, object]]) -> None:
    rows = [{"content": "x", **row} for row in rows]
    out = [json.loads(line) for line in convert("\n".join(map(json.dumps, rows)).encode(), "jsonl").splitlines()]
    assert len(out) == len(rows)
    names = ("predicted_label", "predicted_score") if rows and "label" in rows[0] else ("label", "score")
    for row, answered in zip(rows, out, strict=True):
        if "label" in row and names[0] == "label":
            assert "it has a field 'label', which the first record had not" in answered["error"]
            continue
        assert {key: answered[key] for key in row} == row
        assert set(answered) == {*row, *names}


def test_tsv_rows_are_lines_and_quotes_are_themselves() -> None:
    data = b'id\tcontent\n1\t"open\n\n2\tgood\n'
    assert (
        convert(data, "tsv") == b'id\tcontent\tlabel\tscore\n1\t"open\tpositive\t0.987654\n\t\t\t\n2\tgood\tpositive\t0.987654\n'
    )


def test_quoted_line_break_stays_inside_its_record() -> None:
    data = b'content,n\n"two\nlines",1\r\nplain,2'
    assert read_texts(data, "csv") == ["two\nlines", "plain"]
    assert convert(data, "csv") == b'content,n,label,score\n"two\nlines",1,positive,0.987654\nplain,2,positive,0.987654\n'
    assert convert(data, "csv", "text") == b"positive\t0.99\ttwo lines\npositive\t0.99\tplain\n"


def test_headless_layout_stays_without_a_header() -> None:
    assert convert(b'"2","Good","a book"\n', "csv") == b"2,Good,a book,positive,0.987654\n"


def test_json_line_is_kept_as_it_was_written() -> None:
    data = b'{"content": "x",  "n": 1.50e3, "u": "\\u00e9"}\n\n{}\n'
    expected = [
        b'{"content": "x",  "n": 1.50e3, "u": "\\u00e9", "label": "positive", "score": 0.987654}',
        b'{"label": "", "score": null}',
    ]
    assert convert(data.removesuffix(b"{}\n"), "jsonl").splitlines() == expected


def test_text_becomes_rows_and_objects() -> None:
    assert convert(b"good, very\n", "text", "csv") == b'text,label,score\n"good, very",positive,0.987654\n'
    assert convert(b"caf\xe9\n", "text", "jsonl").decode() == '{"text": "caf\ufffd", "label": "positive", "score": 0.987654}\n'
    assert convert(b"a\tb\n", "text", "tsv") == b"text\tlabel\tscore\na b\tpositive\t0.987654\n"


def test_table_without_records_keeps_its_header() -> None:
    assert convert(b"title,content\n", "csv") == b"title,content,label,score\n"
    assert convert(b"title,content\n", "csv", "jsonl") == b""


def test_blank_rows_are_records_and_blank_lines_before_the_header_are_not() -> None:
    assert convert(b"\ncontent\na\n\nb\n", "csv") == (
        b'content,label,score\na,positive,0.987654\n"",,\nb,positive,0.987654\n'.replace(b'"",,', b",,")
    )
    assert convert(b'\n{"content": "a"}\n', "jsonl", "csv") == b"content,label,score\n,,\na,positive,0.987654\n"
    assert convert(b"\n", "jsonl", "csv") == b"label,score\n,\n"


def test_headless_row_is_read_as_in_training() -> None:
    assert read_texts(b'"2","Good","two\\nlines"\n', "csv") == ["Good: two\nlines"]
    assert read_texts(b"label, title , content\n1,Good,book\n", "csv") == ["Good: book"]


@pytest.mark.parametrize("escape", ["d800", "dc80", "DCFF"])
def test_half_a_surrogate_pair_in_json_is_no_byte(escape: str) -> None:
    out = convert(b'{"content": "\\u%s good"}\n' % escape.encode(), "jsonl", "csv")
    assert out.decode() == "content,label,score\n\ufffd good,positive,0.987654\n"


def test_half_a_surrogate_pair_in_json_is_written_as_a_replacement_character() -> None:
    assert (
        convert(b'{"content": "\\ud800 good"}\n', "jsonl", "csv").decode()
        == "content,label,score\n\ufffd good,positive,0.987654\n"
    )


def test_output_format_is_asked_or_the_suffixes_or_the_inputs() -> None:
    assert find_output_format(None, None, "csv") == "csv"
    assert find_output_format(Path("out.tsv"), None, "csv") == "tsv"
    assert find_output_format(Path("out.tsv"), "jsonl", "csv") == "jsonl"
    assert find_output_format(Path("out.tsv.gz"), None, "csv") == "tsv"
    assert find_output_format(Path("out.parquet"), None, "csv") == "parquet"
    assert find_output_format(None, None, "parquet") == "csv"
    assert find_output_format(None, None, "json") == "jsonl"
    for name in ("out.json", "out.dat", "out", "out.csv.rar"):
        with pytest.raises(UsageError, match=rf"--output {name}"):
            find_output_format(Path(name), None, "csv")


def test_own_label_column_is_not_overwritten() -> None:
    assert convert(b"content,label\nx,1\n", "csv").splitlines()[0] == b"content,label,predicted_label,predicted_score"


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        (b"content,n\na,1\nb\n", "csv", "in:3: 1 fields, expected 2"),
        (b'content\nok\n"open', "csv", "in:3: not valid CSV"),
        (b"content,content\n", "csv", "in:1: the header names a column twice"),
        (b"content\tn\na\t1\t2\n", "tsv", "in:2: 3 fields, expected 2"),
        (b'{"content": "a"}\n{"content": \n', "jsonl", "in:2: not valid JSON"),
        (b'{"content": "a"}\n[1]\n', "jsonl", "in:2: expected a JSON object"),
        (b'{"content": ["a"]}\n', "jsonl", "in:1: column 'content' holds list"),
        (b'{"id": 1}\n', "jsonl", "in:1: no column looks like the text"),
        (b"id,n\n1,2\n", "csv", "in:1: no column looks like the text"),
    ],
)
def test_broken_record_is_reported_with_its_line_after_those_before_it(data: bytes, kind: str, expected: str) -> None:
    records = read_lazily(data, kind)
    ahead = ReadAhead(settle(records, "fail", Losses(), SilentObserver()))
    seen = [record for chunk in ahead.chunks() for record in chunk.records]
    assert isinstance(ahead.failure, DataError)
    assert expected in str(ahead.failure)
    n_before = max(0, expected.count("in:3") + expected.count("in:2") * (kind == "jsonl"))
    assert len(seen) == n_before


def settle_all(data: bytes, kind: str, on_error: str, to: str | None = None) -> tuple[bytes, list[str]]:
    observer = Notes()
    return convert(data, kind, to, on_error=on_error, observer=observer), observer.notes


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


@pytest.mark.parametrize("kind", sorted(BROKEN))
@pytest.mark.parametrize("to", ["csv", "document", "jsonl", "text", "tsv"])
def test_kept_records_are_as_many_in_every_format(kind: str, to: str) -> None:
    data = (
        BROKEN[kind].replace(b', "n": 1', b"").replace(b'{"id": 7}\n', b"")
    )  # columns that a table has no place for are refused
    n_records = {"csv": 6, "tsv": 4, "jsonl": 4}[kind]
    out, _ = settle_all(data, kind, "keep", to)
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


def test_slow_stream_is_answered_line_by_line_and_a_fast_one_in_chunks() -> None:
    asked: list[int] = []

    def trickle() -> Iterator[Record]:
        for number in range(3):
            asked.append(number)
            yield Record(None, str(number), "in:1", text=str(number))
            # The next record comes only when this one has been taken up.
            while len(taken) <= number:
                pass

    taken: list[str] = []
    for chunk in ReadAhead(trickle()).chunks():
        assert not chunk.more_ready
        taken.extend(record.text for record in chunk.records)
    assert taken == ["0", "1", "2"]
    ahead = ReadAhead(Record(None, "x", "in:1", text="x") for _ in range(9 * CHUNK))
    time.sleep(0.3)  # a reader that is fast is ahead by now
    sizes = [len(chunk.records) for chunk in ahead.chunks()]
    assert sum(sizes) == 9 * CHUNK
    assert sizes[0] <= 16
    assert max(sizes) == CHUNK


def test_long_records_make_small_chunks() -> None:
    sizes = [
        len(chunk.records)
        for chunk in ReadAhead(Record(None, "", "in:1", size=400_000, text="x" * 400_000) for _ in range(40)).chunks()
    ]
    assert sum(sizes) == 40
    assert max(sizes) <= 3


def test_format_follows_the_suffix_unless_said(tmp_path: Path) -> None:
    assert find_format(Path("r.csv.gz")) == "csv"
    assert find_format(Path("R.TAB")) == "tsv"
    assert find_format(Path("r.tsv"), asked="jsonl") == "jsonl"
    os.mkfifo(tmp_path / "pipe")
    assert find_format(tmp_path / "pipe") == "text"
    for name in ("notes.log", "r", "r.xls"):
        with pytest.raises(UsageError, match=rf"--input {name}: unknown format"):
            find_format(Path(name), flag="--input")


def test_terminal_line_holds_no_control_characters_of_the_text() -> None:
    assert (
        format_terminal(Record({}, "", "in:1", text="good \x1b[31m\x07 thing\r"), ANSWER, colour=False)
        == "positive   99%  good  [31m  thing "
    )
