"""Streams of records: one in is one out, in order, whatever the bytes."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarity_cli.cli.terminal import format_terminal
from polarity_cli.errors import DataError
from polarity_cli.formats.on_error import Losses, settle
from polarity_cli.formats.record import Record
from polarity_cli.inference.read_ahead import CHUNK, ReadAhead
from polarity_cli.records import SilentObserver
from tests.helpers.streams import ANSWER, convert, read_pipe, read_records


def read_texts(data: bytes, format: str = "text") -> list[str]:
    return [record.text for record in read_records(data, format)]


def read_lazily(data: bytes, format: str) -> Iterator[Record]:
    """Yield the records of a pipe; what opening it raises comes when they are asked for."""
    yield from read_pipe(data, format, preferred=None).records


def test_line_keeps_its_bytes_and_loses_only_its_end() -> None:
    data = b"\xef\xbb\xbfgood\r\n\nbad\ttab\nnul\0x\n\xff\xfe\nlast"
    texts = [b"good", b"", b"bad\ttab", b"nul\0x", b"\xff\xfe", b"last"]
    assert convert(data, "text") == b"".join((b"positive\t0.99\t" if line else b"\t\t") + line + b"\n" for line in texts)
    assert read_texts(data) == ["good", "", "bad\ttab", "nul\0x", "��", "last"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=60))
def test_every_line_of_any_bytes_is_one_line_out_in_order(lines: list[bytes]) -> None:
    lines = [b"first", *lines]  # else it may begin as UTF-16 does, or as a gzip file
    out = convert(b"".join(line + b"\n" for line in lines), "text").split(b"\n")
    assert out.pop() == b""
    texts = [line.split(b"\t", 2)[2] for line in out]
    assert texts == [line.removesuffix(b"\r") for line in lines]


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
def test_half_a_surrogate_pair_in_json_is_written_as_a_replacement_character(escape: str) -> None:
    out = convert(b'{"content": "\\u%s good"}\n' % escape.encode(), "jsonl", "csv")
    assert out.decode() == "content,label,score\n\ufffd good,positive,0.987654\n"


def test_own_label_column_is_not_overwritten() -> None:
    assert convert(b"content,label\nx,1\n", "csv").splitlines()[0] == b"content,label,predicted_label,predicted_score"


@pytest.mark.parametrize(
    ("data", "format", "place", "n_before"),
    [
        (b"content,n\na,1\nb\n", "csv", "in:3", 1),
        (b'content\nok\n"open', "csv", "in:3", 1),
        (b"content,content\n", "csv", "in:1", 0),
        (b"content\tn\na\t1\t2\n", "tsv", "in:2", 0),
        (b'{"content": "a"}\n{"content": \n', "jsonl", "in:2", 1),
        (b'{"content": "a"}\n[1]\n', "jsonl", "in:2", 1),
        (b'{"content": ["a"]}\n', "jsonl", "in:1", 0),
        (b'{"id": 1}\n', "jsonl", "in:1", 0),
        (b"id,n\n1,2\n", "csv", "in:1", 0),
    ],
)
def test_broken_record_is_reported_with_its_line_after_those_before_it(
    data: bytes, format: str, place: str, n_before: int
) -> None:
    records = read_lazily(data, format)
    ahead = ReadAhead(settle(records, "fail", Losses(), SilentObserver()))
    seen = [record for chunk in ahead.chunks() for record in chunk.records]
    assert isinstance(ahead.failure, DataError)
    assert str(ahead.failure).startswith(f"{place}: ")
    assert len(seen) == n_before


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


def test_terminal_line_holds_no_control_characters_of_the_text() -> None:
    assert (
        format_terminal(Record({}, "", "in:1", text="good \x1b[31m\x07 thing\r"), ANSWER, colour=False)
        == "positive   99%  good  [31m  thing "
    )
