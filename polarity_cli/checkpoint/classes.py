"""Which class of a checkpoint is the positive one, by its name in the config, and how its head scores its classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polarity_cli.data.label_values import normalise_label
from polarity_cli.errors import CheckpointError

_WORDS = (("neg", "pos"), ("negative", "positive"), ("false", "true"))
"""Names of (negative, positive) that are understood by themselves."""
_NUMBERS = (("label_0", "label_1"), ("0", "1"), ("1", "2"), ("__label__1", "__label__2"))
"""Names that only count the classes: the higher one is taken as positive, as in a label column of such values."""
_BY_INDEX = {"0": 0, "1": 1, "label_0": 0, "label_1": 1}
_SHOWN = 40
"""Characters of a class's name that a message shows."""


def read_names(config: Mapping[str, Any], where: Path | str) -> dict[int, str]:
    """Return the two classes' names by index, from a config as it is stored.

    Where `id2label` names nothing and `label2id` does, its names are taken; transformers calls such classes LABEL_0 and LABEL_1.

    Raises:
        CheckpointError: there are not two classes, or they are not told as an index and a name.
    """
    names = _read_id2label(config, where)
    if len(names) != 2:
        if len(names) == 1:
            raise CheckpointError(f"{where}: the model gives one number, as for a regression or a yes or no; expected 2 classes.")
        raise CheckpointError(f"{where}: the model tells {len(names)} classes apart, expected 2.")
    if sorted(names) != [0, 1]:
        raise CheckpointError(f"{where}: the classes in id2label are numbered {_list(map(str, names))}, expected 0 and 1.")
    if _normalise(names) in (("label_0", "label_1"), ("label_1", "label_0")):
        others = config.get("label2id")
        if isinstance(others, dict) and sorted(map(str, others.values())) == ["0", "1"]:
            return {int(index): str(name) for name, index in sorted(others.items(), key=lambda pair: int(pair[1]))}
    return names


def check_head(config: Mapping[str, Any], where: Path | str) -> bool:
    """Return whether a head scores each class by itself (sigmoid) instead of both together, as transformers' pipeline has it.

    Raises:
        CheckpointError: it gives numbers that are no probabilities.
    """
    problem = config.get("problem_type")
    if problem == "regression":
        raise CheckpointError(f"{where}: the model's head is a regression (problem_type), which gives numbers and no classes.")
    return problem == "multi_label_classification"


def find_positive_class(names: Mapping[int, str], positive: str | None, where: Path | str) -> int:
    """Return the index, 0 or 1, of the class that means positive: the one called `positive`, else by the usual names.

    Where no class is called so, `positive` may be an index or `LABEL_0`, `LABEL_1`.

    Raises:
        CheckpointError: no class is called `positive`, or it is not given and the names do not tell.
    """
    if positive is not None:
        return _find_asked(names, positive, where)
    first, second = _normalise(names)
    for pair in (*_WORDS, *_NUMBERS):
        if (first, second) == pair:
            return 1
        if (second, first) == pair:
            return 0
    raise CheckpointError(
        f"{where}: it is not clear which class is positive, {_list(names.values())}.", hint="Name it with --positive-class."
    )


def describe_guess(names: Mapping[int, str], positive: str | None) -> str | None:
    """Return what to say where the classes are only numbered, and nobody says which one is positive."""
    normalised = _normalise(names)
    if positive is not None or not any(set(normalised) == set(pair) for pair in _NUMBERS):
        return None
    high, low = sorted((names[0], names[1]), key=lambda name: normalise_label(name), reverse=True)
    return f"Its classes are unnamed; {high} is taken as positive. --positive-class {low} turns it round."


def describe_contradiction(config: Mapping[str, Any], names: Mapping[int, str]) -> str | None:
    """Return what to say where `id2label` and `label2id` number the same two classes otherwise; the first one holds."""
    others = config.get("label2id")
    if not isinstance(others, dict) or set(map(str, others)) != set(names.values()) or len(others) != 2:
        return None
    if all(str(others.get(name)) == str(index) for index, name in names.items()):
        return None
    return f"Its id2label and label2id contradict each other; id2label holds, where class 1 is {names[1]}."


def _read_id2label(config: Mapping[str, Any], where: Path | str) -> dict[int, str]:
    names = config.get("id2label")
    if names is None:
        n_classes = config.get("num_labels", 2)
        return {index: f"LABEL_{index}" for index in range(n_classes if type(n_classes) is int and n_classes < 1000 else 2)}
    try:
        return {int(index): str(name) for index, name in names.items()}
    except (AttributeError, ValueError) as error:
        raise CheckpointError(f"{where}: id2label is not an object from an index to a name.") from error


def _find_asked(names: Mapping[int, str], positive: str, where: Path | str) -> int:
    exact = [index for index, name in names.items() if name == positive]
    alike = [index for index, name in names.items() if normalise_label(name) == normalise_label(positive)]
    matches = exact or alike
    if not matches and normalise_label(positive) in _BY_INDEX:
        return _BY_INDEX[normalise_label(positive)]
    if len(matches) == 1:
        return matches[0]
    wrong = "both classes are called so" if matches else f"{where} has no such class"
    raise CheckpointError(
        f"--positive-class {positive}: {wrong}; its classes are {_list(names.values())}.",
        hint="Give a name, or 0 or 1 for the first or the second.",
    )


def _normalise(names: Mapping[int, str]) -> tuple[str, str]:
    return normalise_label(names[0]), normalise_label(names[1])


def _list(names: Any) -> str:
    return " and ".join(repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...") for name in names)
