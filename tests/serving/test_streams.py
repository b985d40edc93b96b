"""Streams of records: one in is one out, in order, whatever the bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarity_cli.errors import DataError, UsageError
from polarity_cli.predict import WINDOW, _collect
from polarity_cli.records import Prediction
from polarity_cli.serving.outputs import find_output_format
from polarity_cli.serving.readers import Record, find_format, make_chooser, read_records
from polarity_cli.serving.writers import WRITERS, format_terminal

ANSWER = Prediction("positive", 0.98765432)
BLANK = Prediction("", None)


def read(data: bytes, kind: str = "text") -> list[Record]:
    return list(read_records(io.BytesIO(data), kind=kind, name="in", choose=make_chooser(None, ("title", "content"))))


def read_texts(data: bytes, kind: str = "text") -> list[str]:
    return [record.text for record in read(data, kind) if not record.is_header]


def convert(data: bytes, kind: str, to: str | None = None) -> bytes:
    stream = io.BytesIO()
    writer = WRITERS[to or kind](stream)
    for record in read(data, kind):
        writer.write(record, ANSWER if record.text.strip() else BLANK)
    writer.finish()
    return stream.getvalue()


def test_line_keeps_its_bytes_and_loses_only_its_end() -> None:
    data = b"\xef\xbb\xbfgood\r\n\nbad\ttab\nnul\0x\n\xff\xfe\nlast"
    kept = [b"good", b"", b"bad\ttab", b"nul\0x", b"\xff\xfe", b"last"]
    assert convert(data, "text") == b"".join((b"positive\t0.99\t" if line else b"\t\t") + line + b"\n" for line in kept)
    assert read_texts(data) == ["good", "", "bad\ttab", "nul\0x", "��", "last"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=60))
def test_every_line_of_any_bytes_is_one_line_out_in_order(lines: list[bytes]) -> None:
    out = convert(b"".join(line + b"\n" for line in lines), "text").split(b"\n")
    assert out.pop() == b""
    kept = [line.split(b"\t", 2)[2] for line in out]
    first = [lines[0].removeprefix(b"\xef\xbb\xbf"), *lines[1:]] if lines else []
    assert kept == [line.removesuffix(b"\r") for line in first]


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
    for row, answered in zip(rows, out, strict=True):
        names = ("predicted_label", "predicted_score") if "label" in row else ("label", "score")
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


def test_half_a_surrogate_pair_in_json_is_written_as_a_replacement_character() -> None:
    assert (
        convert(b'{"content": "\\ud800 good"}\n', "jsonl", "csv").decode()
        == "content,label,score\n\ufffd good,positive,0.987654\n"
    )


def test_output_format_is_asked_or_the_suffixes_or_the_inputs() -> None:
    assert find_output_format(None, None, "csv") == "csv"
    assert find_output_format(Path("out.dat"), None, "csv") == "csv"
    assert find_output_format(Path("out.tsv"), None, "csv") == "tsv"
    assert find_output_format(Path("out.tsv"), "jsonl", "csv") == "jsonl"
    for name in ("out.json", "out.csv.gz"):
        with pytest.raises(UsageError, match=f"--output {name}"):
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
    windows = _collect(read_records(io.BytesIO(data), kind=kind, name="in", choose=make_chooser(None, None)))
    seen: list[list[Record]] = []
    with pytest.raises(DataError) as raised:
        seen.extend(windows)
    assert expected in str(raised.value)
    n_before = max(0, expected.count("in:3") + expected.count("in:2") * (kind == "jsonl"))
    assert sum(not record.is_header for window in seen for record in window) == n_before


def test_slow_stream_is_answered_line_by_line_and_a_fast_one_in_windows() -> None:
    asked: list[int] = []

    def trickle() -> Iterator[Record]:
        for number in range(3):
            asked.append(number)
            yield Record(str(number), str(number))
            # The next record comes only when this one has been taken up.
            while len(taken) <= number:
                pass

    taken: list[str] = []
    for window in _collect(trickle()):
        taken.extend(record.text for record in window)
    assert taken == ["0", "1", "2"]
    sizes = [len(window) for window in _collect(Record("x", "x") for _ in range(5 * WINDOW))]
    assert sum(sizes) == 5 * WINDOW
    assert max(sizes) <= WINDOW


def test_format_follows_the_suffix_unless_said() -> None:
    assert find_format(Path("r.csv.gz"), None) == "csv"
    assert find_format(Path("r.tsv"), "jsonl") == "jsonl"
    assert find_format(Path("notes.log"), None) == "text"
    assert find_format(None, None) == "text"
    with pytest.raises(UsageError, match="are not streamed"):
        find_format(Path("r.parquet"), None)


def test_terminal_line_holds_no_control_characters_of_the_text() -> None:
    assert format_terminal(Record("good \x1b[31m\x07 thing\r", ""), ANSWER, colour=False) == "positive   99%  good  [31m  thing "
