"""Which columns are read, and what labels mean."""

from __future__ import annotations

import pytest

from polarity_cli.data.columns import build_text, choose_label_column, choose_text_columns
from polarity_cli.data.labels import LabelTally, check_both_classes, understand_labels
from polarity_cli.errors import DataError


def tally(*values: object) -> LabelTally:
    counted = LabelTally("label")
    for number, value in enumerate(values, 1):
        counted.add(value, f"r.csv:{number}")
    return counted


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["label", "title", "content"], ("title", "content")),
        (["label", "content"], ("content",)),
        (["stars", "review", "title"], ("title", "review")),
        (["text", "label"], ("text",)),
    ],
)
def test_text_columns_are_found_by_name(columns: list[str], expected: tuple[str, ...]) -> None:
    assert choose_text_columns(columns, None, "r.csv:1") == expected


def test_asked_columns_come_before_preferred_and_found_ones() -> None:
    columns = ["title", "content", "summary"]
    assert choose_text_columns(columns, ("summary",), "r", preferred=("content",)) == ("summary",)
    assert choose_text_columns(columns, None, "r", preferred=("content",)) == ("content",)
    assert choose_text_columns(columns, None, "r", preferred=("absent",)) == ("title", "content")


@pytest.mark.parametrize(
    ("columns", "asked", "expected"),
    [
        (["a", "b"], None, "no column looks like the text; the columns are 'a', 'b'"),
        (["text", "content"], None, "several columns could be the text"),
        (["a"], ("title", "a"), "no column 'title', of --text title,a"),
    ],
)
def test_unclear_text_columns_are_refused_with_the_choices(
    columns: list[str], asked: tuple[str, ...] | None, expected: str
) -> None:
    with pytest.raises(DataError) as raised:
        choose_text_columns(columns, asked, "r.csv:1")
    assert expected in str(raised.value)


def test_label_column_is_found_or_refused() -> None:
    assert choose_label_column(["a", "sentiment"], None, "r") == "sentiment"
    assert choose_label_column(["a", "sentiment"], "a", "r") == "a"
    with pytest.raises(DataError, match="several columns could be the label"):
        choose_label_column(["label", "sentiment"], None, "r")
    with pytest.raises(DataError, match="no column 'stars'"):
        choose_label_column(["label"], "stars", "r")


def test_title_and_content_become_one_text() -> None:
    row: dict[str, object] = {"title": " Great ", "content": "a book\n", "stars": 5, "none": None}
    assert build_text(row, ("title", "content"), "r") == "Great: a book"
    assert build_text(row, ("none", "content"), "r") == "a book"
    assert build_text(row, ("stars",), "r") == "5"
    with pytest.raises(DataError, match="holds list, expected text"):
        build_text({"content": ["a"]}, ("content",), "r.jsonl:3")


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    text = build_text({"content": "good \ud83d product"}, ("content",), "r")
    assert text.encode() == "good \ufffd product".encode()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 1), {"0": 0, "1": 1}),
        (("1", "2"), {"1": 0, "2": 1}),
        ((1.0, 2.0), {"1": 0, "2": 1}),
        (("Negative", " POSITIVE "), {"negative": 0, "positive": 1}),
        (("neg", "pos"), {"neg": 0, "pos": 1}),
        (("__label__1", "__label__2"), {"__label__1": 0, "__label__2": 1}),
        (("positive",), {"positive": 1}),
    ],
)
def test_usual_labels_are_understood(values: tuple[object, ...], expected: dict[str, int]) -> None:
    assert understand_labels(tally(*values), None) == expected


def test_named_positive_value_decides() -> None:
    assert understand_labels(tally("bad", "good"), "Good") == {"bad": 0, "good": 1}
    assert understand_labels(tally(0, 1), "0") == {"0": 1, "1": 0}
    assert understand_labels(tally("1"), "1") == {"1": 1}


@pytest.mark.parametrize(
    ("values", "positive", "expected"),
    [
        (("1", "2", "3"), None, "3 different labels, expected two: '1' (1 rows, first at r.csv:1)"),
        (("1",), None, "not clear which label is positive"),
        (("good", "bad"), None, "not clear which label is positive"),
        (("neg", "positive"), None, "not clear which label is positive"),
        (("good", "bad"), "great", "--positive great: column 'label' has no such label"),
        ((0, None, 1, ""), None, "r.csv:2, r.csv:4: no label"),
    ],
)
def test_unclear_labels_are_refused_with_the_choices(values: tuple[object, ...], positive: str | None, expected: str) -> None:
    with pytest.raises(DataError) as raised:
        understand_labels(tally(*values), positive)
    assert expected in str(raised.value)


def test_one_class_is_refused_for_training() -> None:
    check_both_classes({0: 1, 1: 1}, "r.csv")
    with pytest.raises(DataError, match="no negative reviews among the 5"):
        check_both_classes({1: 5}, "r.csv")
