"""The rule that a checkpoint keeps: typed, written, read from anywhere, and applied to a new file."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from polarity_cli.data.labels import LabelRule, LabelTally, parse_values, understand_labels
from polarity_cli.errors import DataError, PolarityError, UsageError
from tests.data.test_labels import N_FUZZED, refuse, tally

TYPED_RULE = LabelRule("label", ("0",), ("1",), is_asked=True)
INFERRED = LabelRule("label", ("2",), ("1",))
STARS = LabelRule("rating", (">=4",), ("<=2",), is_asked=True)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["4,5"], ("4", "5")),
        (["4", "5.0"], ("4", "5")),
        ([" Good , 'great' "], ("good", "great")),
        ([">=4"], (">=4",)),
        (["> 3.50, 1"], (">3.5", "1")),
        (["≥4"], (">=4",)),
        (["<=-1"], ("<=-1",)),
        (["5 stars,4/5"], ("5", "4")),
        (["__label__2"], ("2",)),
        (["a,A,a"], ("a",)),
        ([], ()),
    ],
)
def test_typed_labels_become_entries(typed: list[str], expected: tuple[str, ...]) -> None:
    assert parse_values(typed, "--positive") == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("4,,5", "--positive '4,,5': there is an empty label in it"),
        ("", "--positive '': there is an empty label"),
        ("a,nan", "--positive 'a,nan': 'nan' means that a label is missing"),
        (">=", "'>=' is no comparison, expected >=, <=, > or < and a number"),
        ("=>4", "'=>4' is no comparison"),
        ("=4", "'=4' is no comparison"),
        (">=x", "--positive '>=x': '>=x' is no comparison"),
        (">nan", "'>nan' is no comparison"),
        ("__label__>x", "is no comparison"),
        ("x" * 1001, "is longer than a label may be"),
    ],
)
def test_labels_that_cannot_be_are_refused_with_the_flag(typed: str, expected: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_values([typed], "--positive")
    assert str(raised.value).startswith("--positive ")
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("value", "expected"), [("5", 1), ("4", 1), ("4.5", 1), ("2", 0), ("-7", 0), ("3", None), ("x", None), ("__label__5", 1)]
)
def test_comparisons_are_numeric(value: str, expected: int | None) -> None:
    assert STARS.find_meaning(value) == expected


def test_inferred_rule_knows_its_own_labels_only() -> None:
    rule = LabelRule("label", ("pos",), ("neg",), ("neutral",))
    assert [rule.find_meaning(value) for value in ("pos", "neg", "neutral")] == [1, 0, None]
    with pytest.raises(KeyError):
        rule.find_meaning("other")
    with pytest.raises(KeyError):
        LabelRule("x", (">1",), ("<3",), is_asked=True).find_meaning("2")


SOUND: dict[str, Any] = {"column": "label", "positive": ["1"], "negative": ["0", "<0"], "left_out": ["x"], "is_asked": False}


def test_rule_comes_back_from_json() -> None:
    rule = LabelRule.from_json(json.loads(json.dumps(SOUND)))
    assert rule == LabelRule("label", ("1",), ("0", "<0"), ("x",))
    assert LabelRule.from_json(rule.to_json()) == rule


@pytest.mark.parametrize(
    "change",
    [
        {"column": 1},
        {"column": "x" * 300_000},
        {"positive": "1"},
        {"positive": [1]},
        {"positive": [""]},
        {"positive": ["0"]},
        {"positive": ["A"]},
        {"positive": ["1.0"]},
        {"positive": [">=x"]},
        {"positive": ["__label__1"]},
        {"positive": ["x" * 1001]},
        {"positive": [f"v{n}" for n in range(1001)]},
        {"positive": [], "negative": []},
        {"left_out": None},
        {"is_asked": 1},
        {"more": []},
    ],
)
def test_unsound_json_is_no_rule(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  its words are the caller's
        LabelRule.from_json({**SOUND, **change})


@pytest.mark.parametrize("value", [None, [], "x", {}, {"column": "label", "positive": ["1"], "negative": ["0"]}])
def test_other_json_is_no_rule(value: object) -> None:
    with pytest.raises(ValueError, match="expected an object"):
        LabelRule.from_json(value)


@pytest.mark.parametrize(
    ("trained_rule", "counted", "expected", "note"),
    [
        (TYPED_RULE, tally(0, 1), {"0": 1, "1": 0}, "Labels are read as in training: 1 is negative, 0 is positive."),
        (TYPED_RULE, tally(0, 1, column="data.Label"), {"0": 1, "1": 0}, "as in training"),
        (TYPED_RULE, tally(0, 7, 7), {"0": 1, "7": None}, "Left out 2 rows whose label is 7, neither"),
        (TYPED_RULE, tally("pos", "neg"), {"pos": 1, "neg": 0}, "whose rule does not know neg and pos"),
        (TYPED_RULE, tally(1, column="y"), {"1": 0}, "as in training"),
        (TYPED_RULE, tally("neg", column="y"), {"neg": 0}, None),
        (INFERRED, tally(1, 2), {"1": 0, "2": 1}, "as in training"),
        (INFERRED, tally(1), {"1": 0}, "as in training: 1 is negative."),
        (INFERRED, tally(1, 2, column="rating"), {"1": 0, "2": 1}, "as in training"),
        (INFERRED, tally(0, 1), {"0": 0, "1": 1}, "not read as in training, whose rule does not know 0"),
        (STARS, tally(1, 2, column="stars"), {"1": 0, "2": 0}, "as in training"),
        (STARS, tally(1, 2, 3, column="Rating"), {"1": 0, "2": 0, "3": None}, "Left out 1 row"),
        (LabelRule("a", ("positive",), ("negative",)), tally("negative", "positive"), {"negative": 0, "positive": 1}, None),
        (LabelRule("a", ("ja",), ("nein",), is_asked=True), tally("ja", "nein", "?"), {"ja": 1, "nein": 0, "?": None}, "as in"),
        (INFERRED, tally(None), {}, None),
    ],
)
def test_rule_of_training_reads_a_new_file(
    trained_rule: LabelRule, counted: LabelTally, expected: dict[str, int | None], note: str | None
) -> None:
    labels = understand_labels(counted, trained_rule=trained_rule)
    assert labels.meanings == expected
    assert note in " ".join(labels.notes) if note else labels.notes == ()


@pytest.mark.parametrize(
    ("trained_rule", "counted", "expected"),
    [
        (
            TYPED_RULE,
            tally(0, 1, column="y"),
            "--positive 0 --negative 1 (as in training), or --positive 1 --negative 0 (as they look)",
        ),
        (INFERRED, tally(1, 2, 3), "The rule of training does not know 3"),
        (INFERRED, tally("ja", "nein"), "does not know ja and nein. Say which is which"),
        (LabelRule("x", (">1",), ("<3",), is_asked=True), tally(0, 2, 9, column="x"), "not clear which labels are positive"),
    ],
)
def test_file_that_training_does_not_explain_is_refused(trained_rule: LabelRule, counted: LabelTally, expected: str) -> None:
    assert expected in refuse(counted, trained_rule=trained_rule)


def test_labels_asked_for_come_before_those_of_training() -> None:
    assert understand_labels(tally(0, 1), positive=("1",), trained_rule=TYPED_RULE).meanings == {"0": 0, "1": 1}
    trained_rule = LabelRule("label", ("good",), ("bad",))
    assert understand_labels(tally("meh"), positive=("good",), trained_rule=trained_rule).meanings == {"meh": 0}


VALUES: list[Any] = [0, 1, 2, 3, 4, 5, 0.0, 1.0, True, False, "0", "1", " 1 ", "1.0", "positive", "Negative", "pos", "__label__2"]
VALUES += [None, float("nan"), float("inf"), "", " ", [1], {"a": 1}, b"1", b"\xff", "x" * 10_000, "\ud800", 10**40, -1, "NaN"]
VALUES += ["5 stars", "4/5", "★★", "<5", ">=x", "a,b", "__label__", "__label____label__1", "neutral", "\U000e0001" * 50, 10**5000]
VALUES += [
    "' \"x",
    "\x1b[31m",
    0.25,
    "1e999",
    "-0",
    "+",
    ".",
    "\U0001d7d3",
    "٣",
    "mixed",
    "yes",
    "no",
    "__label__“__label__1",
    "İ",
]
TYPED = [
    "1",
    "x",
    "5,4",
    ">=4",
    "<2",
    ">-1",
    "good",
    "neg",
    "\U000e0001" * 40,
    ",".join(f"v{n}" for n in range(60)),
    "0.25",
    "no",
]


def test_labels_of_any_kind_are_understood_or_refused() -> None:
    generator = random.Random(5)
    rules: list[LabelRule | None] = [None, TYPED_RULE, INFERRED, STARS]
    n_understood = n_refused = 0
    for _ in range(N_FUZZED):
        counted = LabelTally(generator.choice(["label", "rating", "\U000e0001" * 60, ""]))
        some = generator.sample(VALUES, generator.randrange(1, 5))
        values = [generator.choice(some) for _ in range(8)]
        sides = {flag: generator.choice([None, None, None, *TYPED]) for flag in ("positive", "negative")}
        where = "r.csv:" * generator.choice([1, 100])
        try:
            keys = [counted.add(value, f"{where}{number}") for number, value in enumerate(values, 2)]
            options = {flag: parse_values([text], f"--{flag}") for flag, text in sides.items() if text}
            labels = understand_labels(counted, **options, trained_rule=generator.choice(rules))
        except PolarityError as error:
            assert len(f"{error} {error.hint}") < 1000  # noqa: PT017  its absence is no error
            n_refused += 1
            continue
        n_understood += 1
        assert not any(isinstance(value, list | dict) for value in values)
        assert set(labels.meanings) == set(keys) - {""}
        assert set(labels.meanings.values()) <= {0, 1, None}
        assert all(len(note) < 1000 for note in labels.notes)
        if labels.rule.positive or labels.rule.negative:
            assert LabelRule.from_json(json.loads(json.dumps(labels.rule.to_json()))) == labels.rule
    assert min(n_understood, n_refused) > 300


def test_labels_are_bounded_in_number() -> None:
    counted = LabelTally("text")
    for number in range(10_000):
        counted.add(f"review {number}", "r.csv:1")
    counted.add("review 7", "r.csv:1")
    with pytest.raises(DataError, match=r"column 'text' has more than 10,000 different values"):
        counted.add("one more", "r.csv:1")
    numbers = LabelTally("score")
    for number in range(30_000):
        numbers.add(number / 30_000, "r.csv:1")
    assert "0.5" in refuse(numbers)
