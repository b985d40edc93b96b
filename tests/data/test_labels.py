"""What labels mean: by their forms, as asked, and as in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from polarity_cli.data.labels import LabelRule, LabelTally, check_both_classes, understand_labels
from polarity_cli.errors import DataError, PolarityError, UsageError

N_FUZZED = 6000


def tally(*values: object, column: str = "label") -> LabelTally:
    counted = LabelTally(column)
    for number, value in enumerate(values, 1):
        counted.add(value, f"r.csv:{number}")
    return counted


def refuse(counted: LabelTally, error_type: type[PolarityError] = DataError, **options: Any) -> str:
    """Return the message and hint with which labels are refused."""
    with pytest.raises(error_type) as raised:
        understand_labels(counted, **options)
    assert type(raised.value) is error_type
    return f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("label", (0, 1), {"0": 0, "1": 1}),
        ("label", (0,), {"0": 0}),
        ("stars", (0, 1), {"0": 0, "1": 1}),
        ("label", ("1", "2"), {"1": 0, "2": 1}),
        ("label", (1.0, 2.0), {"1": 0, "2": 1}),
        ("label", (2,), {"2": 1}),
        ("target", (0, 4), {"0": 0, "4": 1}),
        ("target", (0, 2, 4), {"0": 0, "2": None, "4": 1}),
        ("label", (-1, 1), {"-1": 0, "1": 1}),
        ("label", ("-1", "0", "+1"), {"-1": 0, "0": None, "1": 1}),
        ("label", (-1,), {"-1": 0}),
        ("label", ("neg", "pos"), {"neg": 0, "pos": 1}),
        ("label", ("neg", "neu", "pos"), {"neg": 0, "neu": None, "pos": 1}),
        ("label", ("Negative", " POSITIVE "), {"negative": 0, "positive": 1}),
        ("label", ("positive",), {"positive": 1}),
        ("label", ("neg", "positive"), {"neg": 0, "positive": 1}),
        ("label", ("positive", "neutral", "mixed", "negative"), {"positive": 1, "neutral": None, "mixed": None, "negative": 0}),
        ("label", ("very positive", "Extremely Negative"), {"very positive": 1, "extremely negative": 0}),
        ("liked", (True, False), {"true": 1, "false": 0}),
        ("label", ("__label__1", "__label__2"), {"__label__1": 0, "__label__2": 1}),
        ("label", ("__label__0", "__label__1"), {"__label__0": 0, "__label__1": 1}),
        ("label", ("__label__NEG", "__label__pos"), {"__label__neg": 0, "__label__pos": 1}),
        ("rating", (1, 2, 3, 4, 5), {"1": 0, "2": 0, "3": None, "4": 1, "5": 1}),
        ("label", (1, 2, 3, 4, 5), {"1": 0, "2": 0, "3": None, "4": 1, "5": 1}),
        ("reviews.rating", (1.5, 4.5, 3.5), {"1.5": 0, "4.5": 1, "3.5": None}),
        ("label", (5,), {"5": 1}),
        ("label", (4,), {"4": 1}),
        ("label", (2, 4), {"2": 0, "4": 1}),
        ("label", ("1 star", "2 stars"), {"1": 0, "2": 0}),
        ("label", ("5.0 out of 5 stars", "1.0 out of 5 stars"), {"5": 1, "1": 0}),
        ("label", ("★☆☆☆☆", "★★★★"), {"1": 0, "4": 1}),
        ("label", ("3 stars",), {"3": None}),
        ("label", (0, None, 1, ""), {"0": 0, "1": 1}),
        ("label", (None, "nan"), {}),
    ],
)
def test_usual_labels_are_understood_by_themselves(
    column: str, values: Sequence[object], expected: dict[str, int | None]
) -> None:
    labels = understand_labels(tally(*values, column=column))
    assert labels.meanings == expected
    assert not labels.rule.is_asked
    assert labels.rule.column == column
    assert all(labels.rule.find_meaning(value) == meaning for value, meaning in expected.items())


TWO_BAD_STARS = (
    '--positive ">=4" --negative "<=2" (1 and 2 are negative',
    "--positive 2 --negative 1 (1 is negative, 2 is positive",
)


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (
            "label",
            (1,),
            ("--positive 1 --negative 0 (1 is positive, as in 0/1", "--positive 2 --negative 1 (1 is negative, as in 1/2"),
        ),
        ("stars", (1,), ('--positive ">=4" --negative "<=2" (1 is negative', "--positive 1 --negative 0 (1 is positive")),
        ("label", ("__label__1",), ("--positive 1 --negative 0", "--positive 2 --negative 1")),
        ("rating", (1, 2), TWO_BAD_STARS),
        ("review.Overall", (2, 1), TWO_BAD_STARS),
        ("score", (2,), ("2 is negative, as in stars of 5", "2 is positive, as in 1/2")),
        ("label", (1, 2, 3), ('--positive ">=4" --negative "<=2"', "--positive 3 --negative 1")),
        ("rating", (1, 3), ("3 is left out, as in stars", "3 is positive")),
        ("label", (0, 1, 2), ("--positive 2 --negative 0 (1 is left out)",)),
        ("label", (0, 1, 2, 3, 4), ("--positive 3,4 --negative 0,1 (2 is left out)",)),
        ("rating", (0, 1, 2, 3, 4, 5), ('--positive ">=4" --negative "<=2"',)),
        ("rating", tuple(range(1, 11)), ('--positive ">=7" --negative "<=4"', "and 1 more")),
        ("rating", (4.3, 4.7, 2), ('--positive ">=4" --negative "<=2"',)),
        ("score", (-1, -0.4, 0.9), ('--positive ">0" --negative "<0"',)),
        ("score", (0.1, 0.6, 1), ('--positive ">0.5" --negative "<0.5"',)),
        ("score", (10, 60, 100), ('--positive ">=70" --negative "<=40"',)),
        ("score", (10, 60, 1000), ('--positive ">=HIGH" --negative "<=LOW"',)),
        ("label", (-1, 0), ("--positive -1 --negative 0, or --positive 0 --negative -1",)),
        ("label", ("nein", "ja"), ("--positive ja --negative nein, or --positive nein --negative ja",)),
        ("label", ("rotten", "fresh"), ("--positive fresh --negative rotten, or --positive rotten --negative fresh",)),
        ("label", ("yes", "no"), ("--positive no --negative yes, or --positive yes --negative no",)),
        ("label", ("not bad", "bad"), ('--positive bad --negative "not bad", or --positive "not bad" --negative bad',)),
        ("label", ("good",), ("--positive good, or --negative good",)),
        ("label", ("a", "b", "b", "c"), ("'b' (2 rows, first at r.csv:2)", "--positive A,B --negative C")),
        ("label", ("positive", "negative", "irrelevant"), ("--positive positive --negative negative",)),
        ("label", (0, 1, "label"), ("--positive 1 --negative 0",)),
        ("label", (">50k", "<=50k"), ("cannot be typed",)),
        ("label", ("1", "one,two"), ("cannot be typed",)),
        ("label", tuple(f"x{n}" for n in range(40)), ("and 32 more",)),
    ],
)
def test_unclear_labels_are_refused_with_every_reading(column: str, values: Sequence[object], expected: Sequence[str]) -> None:
    message = refuse(tally(*values, column=column))
    assert "it is not clear which labels are positive" in message
    for phrase in expected:
        assert phrase in message


@pytest.mark.parametrize(
    ("values", "positive", "negative", "expected"),
    [
        (("bad", "good"), ("good",), (), {"bad": 0, "good": 1}),
        (("bad", "good"), (), ("bad",), {"bad": 0, "good": 1}),
        ((0, 1), ("0",), (), {"0": 1, "1": 0}),
        (("1",), ("1",), (), {"1": 1}),
        ((1, 2, 3, 4, 5), ("5",), ("1",), {"1": 0, "2": None, "3": None, "4": None, "5": 1}),
        ((1, 3, 5, 9, "n"), (">=5",), ("<3",), {"1": 0, "3": None, "5": 1, "9": 1, "n": None}),
        ((1, 5), ("4", "5"), ("1", "2"), {"1": 0, "5": 1}),
        (("good",), ("good",), ("bad",), {"good": 1}),
        (("bad",), ("good",), ("bad",), {"bad": 0}),
        (("bad", "neutral"), ("good",), ("bad",), {"bad": 0, "neutral": None}),
        (("good", "neutral", "bad"), ("good",), (), {"good": 1, "neutral": None, "bad": 0}),
        (("good", "mixed"), ("good",), (), {"good": 1, "mixed": None}),
        ((1, 2), (">=4",), ("<=2",), {"1": 0, "2": 0}),
        (("__label__ja", "__label__nein"), ("ja",), ("nein",), {"__label__ja": 1, "__label__nein": 0}),
        ((3.9, 4.0), (">3.9",), ("<=3.9",), {"3.9": 0, "4": 1}),
        ((None,), ("good",), ("bad",), {}),
    ],
)
def test_labels_asked_for_decide(
    values: Sequence[object], positive: tuple[str, ...], negative: tuple[str, ...], expected: dict[str, int | None]
) -> None:
    labels = understand_labels(tally(*values), positive=positive, negative=negative)
    assert labels.meanings == expected
    assert labels.rule.is_asked
    assert LabelRule.from_json(labels.rule.to_json()) == labels.rule


@pytest.mark.parametrize(
    ("values", "positive", "negative", "expected"),
    [
        (("good", "bad"), ("great",), (), ("--positive great: column 'label' has no such label", "'bad' (1 row")),
        (("good", "bad"), ("god",), ("bad",), ("--positive god: ",)),
        (("good", "bad"), ("good",), ("bat",), ("--negative bat: ",)),
        (("good",), ("god",), (), ("--positive god:", "'good' (1 row, first at r.csv:1)")),
        (("bad",), ("good",), (), ("--positive good:", "where bad is negative, add --negative bad")),
        (("good",), (), ("bad",), ("--negative bad:", "where good is positive, add --positive good")),
        (("x",), ("good",), ("bad",), ("--positive good: ",)),
        ((1, 2, 3), ("4", "5"), ("1",), ("--positive 4,5: ",)),
        (("a", "b"), (">=4",), (), ("--positive \">=4\": no label of column 'label' is a number",)),
        ((1, 5), ("4", "5"), ("1", "5"), ("--positive 4,5 --negative 1,5: '5' is in both",)),
        ((1, 5), ("4",), ("<=4",), ("'4' is in both",)),
        ((1, 3, 5), (">=3",), ("<=3",), ("'3' is in both",)),
    ],
)
def test_labels_asked_for_in_vain_are_refused(
    values: Sequence[object], positive: tuple[str, ...], negative: tuple[str, ...], expected: Sequence[str]
) -> None:
    message = refuse(tally(*values), UsageError, positive=positive, negative=negative)
    for phrase in expected:
        assert phrase in message


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ((1, 2, 3, 4, 5), {"positive": ("5",)}, '--negative "<=2" (3 and 4 are left out), or --negative "<5" (none is)'),
        ((1, 2, 3, 4, 5), {"positive": ("4", "5")}, "--negative 1,2 (3 is left out), or --negative 1,2,3 (none is)"),
        ((1, 2, 3, 4, 5), {"positive": (">=4",)}, "--negative 1,2 (3 is left out), or --negative 1,2,3 (none is)"),
        ((1, 2, 3, 4, 5), {"negative": ("1",)}, '--positive ">=4" (2 and 3 are left out), or --positive ">1" (none is)'),
        ((0, 1, 2), {"positive": ("2",)}, "--negative 0 (1 is left out), or --negative 0,1 (none is)"),
        ((-1, 0, 1), {"positive": ("1",)}, "--negative -1 (0 is left out), or --negative -1,0 (none is)"),
        (("a", "b", "c"), {"positive": ("a",)}, "--negative b,c for all of them, or some"),
        (("good", ">50k"), {"positive": ("good",)}, "begin with < or >"),
        (("good", "x" * 2000), {"positive": ("good",)}, "too long"),
    ],
)
def test_one_side_is_not_enough_where_the_rest_is_not_clear(
    values: Sequence[object], options: dict[str, Any], expected: str
) -> None:
    assert expected in refuse(tally(*values), **options)


def test_what_every_refusal_suggests_is_accepted() -> None:
    for column, values in (("rating", (1, 2)), ("label", (1, 2, 3)), ("label", (1,)), ("label", (2, 7))):
        message = refuse(tally(*values, column=column))
        suggestions = [part.split(" (")[0].rstrip(".") for part in message.split("--positive ")[1:]]
        assert len(suggestions) >= 2
        for options in suggestions:
            positive, negative = (side.strip().strip('",') for side in options.split(" --negative "))
            understand_labels(tally(*values, column=column), positive=(positive,), negative=(negative.removesuffix(", or"),))


def test_notes_say_how_labels_were_read_and_what_was_left_out() -> None:
    assert understand_labels(tally(0, 1)).notes == ()
    assert understand_labels(tally("pos", "neg")).notes == ()
    labels = understand_labels(tally(*[3] * 1234, 1, 5, 4, column="rating"))
    assert labels.notes == (
        "Labels of column 'rating': 1 is negative, 4 and 5 are positive.",
        "Left out 1,234 rows whose rating is 3, neither positive nor negative.",
    )
    labels = understand_labels(tally(1, 2, 3, 4, 5), positive=("5",), negative=("1",))
    assert labels.notes == ("Left out 3 rows whose label is 2, 3 or 4, neither positive nor negative.",)
    labels = understand_labels(tally("good", "bad"), positive=("good",))
    assert labels.notes == ("Labels of column 'label': bad is negative, good is positive.",)


def test_one_class_is_refused_for_training() -> None:
    check_both_classes({0: 1, 1: 1}, "r.csv")
    with pytest.raises(DataError, match="no negative reviews among the 5"):
        check_both_classes({1: 5}, "r.csv")
    with pytest.raises(DataError, match="no reviews left"):
        check_both_classes({}, "r.csv")
