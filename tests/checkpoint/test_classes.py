"""Which class of a checkpoint means positive, by what its config says and by what is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from polarity_cli.checkpoint.classes import check_head, describe_contradiction, describe_guess, find_positive_class, read_names
from polarity_cli.errors import CheckpointError


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("NEGATIVE", "POSITIVE", 1),
        ("Positive", "Negative", 0),
        ("neg", "pos", 1),
        ("POS", "NEG", 0),
        ("LABEL_0", "LABEL_1", 1),
        ("LABEL_1", "LABEL_0", 0),
        ("0", "1", 1),
        ("1", "0", 0),
        ("1", "2", 1),
        ("False", "True", 1),
        ("__label__2", "__label__1", 0),
    ],
)
def test_usual_names_tell_the_positive_class_in_either_order(first: str, second: str, expected: int) -> None:
    assert find_positive_class({0: first, 1: second}, None, "ckpt") == expected


@pytest.mark.parametrize(
    ("first", "second"), [("negatif", "positif"), ("bad", "good"), ("pos", "pos"), ("neg", "positive"), ("", "")]
)
def test_other_names_ask_for_the_flag(first: str, second: str) -> None:
    with pytest.raises(CheckpointError, match="ckpt: it is not clear which class is positive") as raised:
        find_positive_class({0: first, 1: second}, None, "ckpt")
    assert raised.value.hint == "Name it with --positive-class."


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("negative", 0), ("NEGATIVE", 0), ("positive", 1), ("0", 0), ("1", 1), ("LABEL_0", 0), ("label_1", 1)],
)
def test_flag_decides_whatever_the_names_say(asked: str, expected: int) -> None:
    assert find_positive_class({0: "negative", 1: "positive"}, asked, "ckpt") == expected


@pytest.mark.parametrize(("names", "asked", "expected"), [(("1", "2"), "1", 0), (("1", "0"), "1", 0), (("A", "a"), "a", 1)])
def test_name_of_a_class_comes_before_an_index(names: tuple[str, str], asked: str, expected: int) -> None:
    assert find_positive_class(dict(enumerate(names)), asked, "ckpt") == expected


@pytest.mark.parametrize(
    ("names", "asked", "wrong"),
    [
        (("negative", "positive"), "good", "ckpt has no such class"),
        (("negative", "positive"), "2", "ckpt has no such class"),
        (("negative", "positive"), "", "ckpt has no such class"),
        (("x", "x"), "x", "both classes are called so"),
    ],
)
def test_name_that_no_class_has_is_an_error_with_the_classes(names: tuple[str, str], asked: str, wrong: str) -> None:
    with pytest.raises(CheckpointError) as raised:
        find_positive_class(dict(enumerate(names)), asked, "ckpt")
    assert str(raised.value) == f"--positive-class {asked}: {wrong}; its classes are {names[0]!r} and {names[1]!r}."
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ["LABEL_0", "LABEL_1"]),
        ({"num_labels": 2}, ["LABEL_0", "LABEL_1"]),
        ({"id2label": {"0": 0, "1": 1}}, ["0", "1"]),
        ({"id2label": {"1": "pos", "0": "neg"}}, ["neg", "pos"]),
        ({"label2id": {"pos": 0, "neg": 1}}, ["pos", "neg"]),
        ({"label2id": {"pos": "0", "neg": "1"}}, ["pos", "neg"]),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}, ["LABEL_0", "LABEL_1"]),
        ({"id2label": {"0": "a", "1": "b"}, "label2id": {"pos": 0, "neg": 1}}, ["a", "b"]),
    ],
)
def test_names_are_read_as_text_by_index(config: dict[str, Any], expected: list[str]) -> None:
    names = read_names(config, "ckpt")
    assert [names[0], names[1]] == expected


@pytest.mark.parametrize(
    ("config", "phrase"),
    [
        ({"id2label": {str(index): f"{index + 1} stars" for index in range(5)}}, "the model tells 5 classes apart, expected 2"),
        ({"num_labels": 3}, "tells 3 classes apart"),
        ({"id2label": {"0": "LABEL_0"}}, "gives one number"),
        ({"id2label": {"1": "neg", "2": "pos"}}, "numbered '1' and '2', expected 0 and 1"),
        ({"id2label": ["neg", "pos"]}, "not an object"),
        ({"id2label": {"neg": 0, "pos": 1}}, "not an object"),
    ],
)
def test_other_numbers_of_classes_are_refused_with_the_count(config: dict[str, Any], phrase: str) -> None:
    with pytest.raises(CheckpointError, match=phrase):
        read_names(config, "ckpt")


def test_guess_among_numbered_classes_is_said_with_the_way_to_turn_it_round() -> None:
    said = "Its classes are unnamed; LABEL_1 is taken as positive. --positive-class LABEL_0 turns it round."
    assert describe_guess({0: "LABEL_0", 1: "LABEL_1"}, None) == said
    assert describe_guess({0: "LABEL_1", 1: "LABEL_0"}, None) == said
    assert describe_guess({0: "LABEL_0", 1: "LABEL_1"}, "LABEL_0") is None
    assert describe_guess({0: "neg", 1: "pos"}, None) is None
    assert find_positive_class({0: "LABEL_0", 1: "LABEL_1"}, "LABEL_0", "ckpt") == 0


def test_contradiction_between_the_two_tables_of_names_is_said() -> None:
    names = {0: "neg", 1: "pos"}
    assert describe_contradiction({"label2id": {"neg": 0, "pos": 1}}, names) is None
    assert "class 1 is pos" in str(describe_contradiction({"label2id": {"neg": 1, "pos": 0}}, names))
    assert describe_contradiction({"label2id": {"LABEL_0": 0, "LABEL_1": 1}}, names) is None


def test_kind_of_head_is_the_pipelines() -> None:
    assert not check_head({}, "ckpt")
    assert not check_head({"problem_type": "single_label_classification", "function_to_apply": "sigmoid"}, "ckpt")
    assert check_head({"problem_type": "multi_label_classification"}, "ckpt")
    with pytest.raises(CheckpointError, match="a regression"):
        check_head({"problem_type": "regression"}, "ckpt")
