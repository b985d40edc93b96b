"""What `cache prune` lets go, and in what order: the ranking alone, without a cache on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polarity_cli.cache.contents import CacheItem
from polarity_cli.cache.entries import Place
from polarity_cli.cache.prune import rank_items
from polarity_cli.config import PruneConfig

NOW = 1_000_000.0


def make_item(path: str, *, age: float, size: int = 10, in_use: bool = False, needs: str | None = None) -> CacheItem:
    kind, name = path.split("/")
    return CacheItem(Place(Path("cache"), kind, name), "", size, NOW - 10_000, NOW - age, in_use, needs)


OLD_AND_NEW = [make_item("features/new", age=10), make_item("data/old", age=500), make_item("features/older", age=900)]
CHECKPOINT = [
    make_item("data/needed", age=900),
    make_item("checkpoints/c", age=800, needs="needed"),
    make_item("features/f", age=100),
]
SHARED = [
    make_item("data/needed", age=900),
    make_item("checkpoints/c", age=800, needs="needed"),
    make_item("runs/r", age=700, needs="needed"),
]


@pytest.mark.parametrize(
    ("items", "limits", "expected"),
    [
        pytest.param(OLD_AND_NEW, {"older_than": 100}, ["features/older", "data/old"], id="by age, the oldest first"),
        pytest.param(OLD_AND_NEW, {"older_than": 900}, [], id="just so old is not older"),
        pytest.param(OLD_AND_NEW, {"max_size": 30}, [], id="all fits"),
        pytest.param(OLD_AND_NEW, {"max_size": 29}, ["features/older"], id="by size, no more than must"),
        pytest.param(OLD_AND_NEW, {"max_size": 10}, ["features/older", "data/old"], id="by size, until it fits"),
        pytest.param(
            OLD_AND_NEW, {"max_size": 29, "older_than": 100}, ["features/older", "data/old"], id="either limit is enough"
        ),
        pytest.param(CHECKPOINT, {"max_size": 20}, ["features/f"], id="needed reviews stay, though used before the features"),
        pytest.param(CHECKPOINT, {"max_size": 15}, ["features/f", "checkpoints/c"], id="a checkpoint goes last"),
        pytest.param(
            CHECKPOINT, {"max_size": 0}, ["features/f", "checkpoints/c", "data/needed"], id="its reviews follow a checkpoint"
        ),
        pytest.param(CHECKPOINT, {"older_than": 850}, [], id="reviews that a young checkpoint needs stay at any age"),
        pytest.param(SHARED, {"older_than": 750}, ["checkpoints/c"], id="reviews stay with the last that needs them"),
        pytest.param(
            SHARED,
            {"older_than": 600},
            ["checkpoints/c", "runs/r", "data/needed"],
            id="and go after it",
        ),
        pytest.param(
            [make_item("data/needed", age=900), make_item("runs/r", age=800, in_use=True, needs="needed")],
            {"max_size": 0},
            [],
            id="what is in use stays, and what it needs",
        ),
        pytest.param(
            [make_item("tracking/polarity", age=9_000, size=500), make_item("graphs/g", age=10)],
            {"max_size": 100, "older_than": 100},
            ["graphs/g"],
            id="logs of a tracker stay, and count",
        ),
        pytest.param(
            [make_item("data/old", age=900), make_item("checkpoints/.left", age=5), make_item("runs/.busy", age=5, in_use=True)],
            {"older_than": 100},
            ["checkpoints/.left", "data/old"],
            id="leftovers go first, at any age, but for one that is being made",
        ),
        pytest.param(
            [make_item("data/.left", age=5, size=80), make_item("features/f", age=900, size=20)],
            {"max_size": 20},
            ["data/.left"],
            id="a leftover makes room for the rest",
        ),
    ],
)
def test_ranking(items: list[CacheItem], limits: dict[str, Any], expected: list[str]) -> None:
    for order in (items, items[::-1]):
        ranked = rank_items(order, PruneConfig(**limits), now=NOW)
        assert [f"{item.kind}/{item.name}" for item in ranked] == expected
