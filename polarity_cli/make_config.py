"""From values by the names of flags to a config, which may hold others. One of the configs; see `config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from polarity_cli.config import DataConfig, check_choice
from polarity_cli.read_options import ReadOptions
from polarity_cli.recipes import RECIPES
from polarity_cli.train_config import TrainConfig

T = TypeVar("T")


def make_config(of: type[T], given: Mapping[str, Any]) -> T:
    """Return a config of the values given, by the names of its fields and of those inside it; the others keep their defaults."""
    values: dict[str, Any] = {}
    for part in fields(of):  # type: ignore[arg-type]
        inner = PARTS.get(part.name)
        if inner is not None:
            values[part.name] = make_config(inner, given)
        elif part.name in given:
            values[part.name] = given[part.name]
    return of(**values)


PARTS: dict[str, type] = {"data": DataConfig, "read": ReadOptions}
"""The fields that are configs themselves."""


def make_train_config(given: Mapping[str, Any]) -> TrainConfig:
    """Return a training run's config: the recipe's values, and over them those given; see `make_config`."""
    recipe = given.get("recipe", TrainConfig.recipe)
    check_choice("--recipe", recipe, tuple(sorted(RECIPES)))
    # With folds every review is scored by a top that did not see it, so none is set aside unless that is asked for.
    divided = {"test": 0.0, "validation": 0.0} if given.get("folds") is not None else {}
    return make_config(TrainConfig, {**asdict(RECIPES[recipe]), **divided, **given})
