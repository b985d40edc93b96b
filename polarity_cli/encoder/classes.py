"""Which class of a checkpoint is the positive one, by its name in the config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from polarity_cli.data.labels import FORMS, normalise_label
from polarity_cli.errors import CheckpointError

_UNNAMED = ("label_0", "label_1")
"""What transformers calls classes that nobody named; 1 is positive, as in a label column of 0 and 1."""


def find_positive_class(names: Mapping[int, str], positive: str | None, folder: Path) -> int:
    """Return the index, 0 or 1, of the class that means positive: by the usual names, else the one named `positive`.

    Raises:
        CheckpointError: there are not two classes, or it is not clear which one is positive.
    """
    if sorted(names) != [0, 1]:
        raise CheckpointError(f"{folder}: the model tells {len(names)} classes apart, expected 2.")
    by_name = {normalise_label(name): index for index, name in names.items()}
    for negative_name, positive_name in (*FORMS, _UNNAMED):
        if set(by_name) == {negative_name, positive_name}:
            return by_name[positive_name]
    if positive is not None and normalise_label(positive) in by_name:
        return by_name[normalise_label(positive)]
    shown = " and ".join(repr(name) for name in names.values())
    raise CheckpointError(f"{folder}: it is not clear which class is positive, {shown}.", hint="Name it with --positive-class.")
