"""One label, however it is written; and labels counted in bounded memory."""

from __future__ import annotations

from datetime import date

import pytest

from polarity_cli.data.labels import LabelTally, normalise_label
from polarity_cli.errors import DataError
from tests.data.test_label_rules import VALUES


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 1.0, "1", " 1 ", '"1"', "'1'", b"1", "1.0", "+1", "01", "1.", "\u201c1\u201d", "\ufeff1"), "1"),
        ((-1, "-1.0", "\u22121"), "-1"),
        ((0, -0.0, "-0", "00", ".0"), "0"),
        ((4.5, "4.50", "+4.5"), "4.5"),
        ((0.5, ".5"), "0.5"),
        ((10**16, 1e16), "10000000000000000"),
        ((True, "TRUE"), "true"),
        ((None, float("nan"), "", " ", "NaN", "None", "null", "N/A", "na", "NaT", "<NA>", "__label__", "'nan'"), ""),
        (
            ("5 stars", "5-star", "5.0 out of 5 stars", "Rated 5 out of 5 stars", "5/5", "5 / 5", "Five Stars", "5 star rating"),
            "5",
        ),
        (("1 star", "one star", "★", "★☆☆☆☆", "1.0 out of 5", "⭐"), "1"),
        (("★★★☆☆", "★ ★ ★", "three stars", "⭐️⭐️⭐️"), "3"),
        (("4.5 out of 5 stars", "4.5/5"), "4.5"),
        (("__label__Good", " __label__good", "__label____label__good"), "__label__good"),
        (("__label__1.0", "__label__ 1"), "__label__1"),
        (("Very  Good",), "very  good"),
        (("4/10",), "4/10"),
        (("7 stars",), "7 stars"),
        (("★★★★★★",), "★★★★★★"),
        (("1,5",), "1,5"),
        ((date(2024, 1, 31),), "2024-01-31"),
        ((b"\xff",), "\ufffd"),
        (("\ud800",), "\ufffd"),
    ],
)
def test_label_is_one_however_it_is_written(values: tuple[object, ...], expected: str) -> None:
    for value in values:
        assert normalise_label(value) == expected, value


def test_normalised_label_stays_as_it_is() -> None:
    for value in VALUES:
        once = normalise_label(value)
        assert normalise_label(once) == once


def test_labels_are_counted_with_their_first_places() -> None:
    counted = LabelTally("label")
    for number, value in enumerate(["good", None, " Good", "bad", *[""] * 50], 2):
        counted.add(value, f"r.csv:{number}")
    assert counted.counts == {"good": 2, "": 51, "bad": 1}
    assert counted.first["good"] == "r.csv:2"


def test_true_is_not_one() -> None:
    counted = LabelTally("label")
    assert [counted.add(value, "r") for value in (1, True, 1.0, "1")] == ["1", "true", "1", "1"]


def test_list_is_no_label() -> None:
    with pytest.raises(DataError, match=r"r.jsonl:3: column 'label' holds list, expected a label"):
        LabelTally("label").add([1], "r.jsonl:3")
