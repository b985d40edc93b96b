"""Texts and numbers as the page shows them."""

from __future__ import annotations

import pytest

from polarity_cli.scoring.report import numbers
from polarity_cli.scoring.report.words import MOST_CHARACTERS, mark_words, shorten, show
from polarity_cli.scoring.values import Mistake


def make_mistake(*words: tuple[str, float]) -> Mistake:
    return Mistake(" ".join(text for text, _ in words), "x.csv:2", "negative", "positive", 0.9, words)


def test_text_is_one_line_without_marks_that_hide_or_turn() -> None:
    assert show("a\n\n b\t\u202ec\x00 \ud800") == "a b \ufffdc\ufffd \ufffd"
    assert show("") == ""


def test_long_text_is_cut_with_a_count() -> None:
    assert shorten("x" * MOST_CHARACTERS) == "x" * MOST_CHARACTERS
    assert shorten("x" * 1_234_567, 10) == "xxxxxxxxxx … (1,234,557 more characters)"


def test_words_are_as_strong_as_their_weight_beside_the_strongest() -> None:
    marked = mark_words(make_mistake(("good", 2.0), ("bad", -1.0), ("the", 0.1)))
    assert marked is not None
    assert [(word.text, word.strength) for word in marked.words] == [("good", 1.0), ("bad", 0.5), ("the", 0.0)]
    assert (marked.for_positive, marked.for_negative) == (("good +2.00",), ("bad \u22121.00",))


def test_words_that_hardly_matter_look_so() -> None:
    marked = mark_words(make_mistake(("a", 0.0), ("b", 0.1), ("c", 0.01)))
    assert marked is not None
    assert [word.strength for word in marked.words] == [0.0, pytest.approx(0.2), 0.0]


def test_no_words_and_words_of_no_weight_mark_nothing() -> None:
    assert mark_words(make_mistake()) is None
    marked = mark_words(make_mistake(("a", 0.0)))
    assert marked is not None
    assert marked.words[0].strength == 0
    assert marked.for_positive == marked.for_negative == ()


def test_only_the_strongest_words_of_a_long_review_are_marked_and_the_rest_is_counted() -> None:
    marked = mark_words(make_mistake(*((f"word{n}", 1 + n / 1_000) for n in range(1_000))))
    assert marked is not None
    assert len(marked.words) + marked.n_left_out == 1_000
    assert marked.n_left_out > 0
    assert sum(len(word.text) + 1 for word in marked.words) <= MOST_CHARACTERS
    all_marked = mark_words(make_mistake(*((f"w{n}", 1 + n / 1_000) for n in range(100))))
    assert all_marked is not None
    assert sum(word.strength > 0 for word in all_marked.words) == 24


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (1.0, "1.0000"),
        (0.99999, "0.9999"),
        (0.00001, "<0.0001"),
        (0.0, "0.0000"),
        (17.2, "17.2000"),
        (-0.5, "-0.5000"),
    ],
)
def test_fractions_round_to_one_or_nothing_only_where_they_are(value: float | None, text: str) -> None:
    assert numbers.format_fraction(value) == text


def test_shares_signs_and_p_values() -> None:
    assert [numbers.format_share(x) for x in (0, 0.0001, 0.5, 0.99999, 1, None)] == [
        "0%",
        "<0.1%",
        "50.0%",
        ">99.9%",
        "100%",
        "-",
    ]
    assert [numbers.format_signed(x, 2) for x in (1, -1, 0.001, None)] == ["+1.00", "\u22121.00", "0.00", "-"]
    assert [numbers.format_p(x) for x in (0.0, 0.0004, 0.0421, 1.3)] == ["p < 0.001", "p < 0.001", "p = 0.042", "p = 1.000"]
    assert numbers.format_interval((0.5, 1.0)) == "0.5000 to 1.0000"
    assert numbers.format_interval(None) == "-"
    assert (numbers.format_large(28_944_386), numbers.format_large(999)) == ("28.9 million", "999")
    assert (numbers.count_of(1, "review"), numbers.count_of(2_000, "review")) == ("1 review", "2,000 reviews")
