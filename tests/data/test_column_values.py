"""Which columns are read where their names say nothing: by their first values."""

from __future__ import annotations

import pytest

from polarity_cli.data.columns import choose_label_column, choose_text_columns
from polarity_cli.errors import DataError

WORDS = ["I liked it very much.", "It broke after one day!", "Not what I had hoped for"]
SAMPLES: dict[str, list[object]] = {
    "": [0, 1, 0],
    "what they said": [*WORDS],
    "chinese": ["这本书非常好看", "质量太差了", "很喜欢"],
    "when": ["3 May 2012", "4 May 2013", "5 May 2014"],
    "link": ["https://a.example/good-book", "https://a.example/b", None],
    "shop": ["The Corner Book Shop"] * 3,
    "opinion": ["good", "bad", "good"],
    "mood": ["pos", "neg", "neg"],
    "flag": [True, False, None],
    "rank": [1, 2, 3],
    "votes": [0, 12, 3],
    "order_id": [1, 0, 1],
    "tags": [["a"], ["b"], []],
    "given": ["Rated 5 out of 5 stars", "Rated 1 out of 5 stars", "Rated 4 out of 5 stars"],
    "same": ["pos", "pos", "pos"],
}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["", "what they said", "when", "link", "shop", "mood", "votes"], ("what they said",)),
        (["chinese", "mood"], ("chinese",)),
        (["title", "what they said"], ("title", "what they said")),
        (["title", "when", "mood"], ("title",)),
        (["given", "what they said"], ("what they said",)),
    ],
)
def test_only_column_of_texts_is_the_text(columns: list[str], expected: tuple[str, ...]) -> None:
    assert choose_text_columns(columns, None, "r", samples=SAMPLES) == expected


def test_text_of_a_name_that_labels_have_is_found_by_its_values() -> None:
    samples: dict[str, list[object]] = {"feedback": [*WORDS], "sentiment": ["neg", "pos", "neg"]}
    assert choose_text_columns(list(samples), None, "r", samples=samples) == ("feedback",)
    assert choose_label_column(list(samples), None, "r", samples=samples, exclude=("feedback",)) == "sentiment"


def test_name_comes_before_values() -> None:
    assert choose_text_columns(["text", "what they said"], None, "r", samples={"text": ["ok"], "what they said": WORDS}) == (
        "text",
    )
    assert choose_label_column(["label", "mood"], None, "r", samples={"label": ["a"], "mood": SAMPLES["mood"]}) == "label"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["", "what they said", "mood", "votes", "rank", "order_id", "tags", "same", "when"], "mood"),
        (["what they said", "flag"], "flag"),
        (["what they said", "given", "rank"], "given"),
    ],
)
def test_only_column_of_usual_labels_is_the_label(columns: list[str], expected: str) -> None:
    samples = {**SAMPLES, "given": [*SAMPLES["given"], "5 stars"]}
    assert choose_label_column(columns, None, "r", samples=samples, exclude=("what they said",)) == expected


def test_several_columns_of_texts_or_labels_are_refused() -> None:
    samples: dict[str, list[object]] = {**SAMPLES, "reply": ["We thank you so much", "Sorry to hear that", "Please write to us"]}
    with pytest.raises(DataError, match="the text: 'reply', 'what they said'") as raised:
        choose_text_columns(["reply", "what they said", "mood"], None, "r", samples=samples)
    assert raised.value.hint == 'Name the text columns in reading order, e.g. --text "reply,what they said".'
    with pytest.raises(DataError, match="the label: 'flag', 'mood'"):
        choose_label_column(["flag", "mood"], None, "r", samples=SAMPLES)
    with pytest.raises(DataError, match="the text"):
        choose_text_columns(["when", "link", "shop", "mood"], None, "r", samples=SAMPLES)
