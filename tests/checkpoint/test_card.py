"""The model card says what is known of the reviews, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.checkpoint.card import make_card


@pytest.fixture
def manifest(tiny_checkpoint: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tiny_checkpoint / "polarity.json").read_text())
    return found


def make_card_of(manifest: dict[str, Any], **data: object) -> str:
    return make_card({**manifest, "data": {**manifest["data"], **data}})


@pytest.mark.parametrize(
    ("source", "revision", "is_known"),
    [
        ("sample", None, True),
        ("amazon_polarity", "0" * 40, True),
        ("fancyzhx/amazon_polarity", "0" * 40, True),
        ("amazon_polarity", None, False),  # a folder of that name
        ("reviews.csv", None, False),
        ("some/critiques", "0" * 40, False),
    ],
)
def test_language_is_said_where_it_is_known_alone(
    manifest: dict[str, Any], source: str, revision: str | None, is_known: bool
) -> None:
    card = make_card_of(manifest, source=source, revision=revision)
    front, body = card.removeprefix("---\n").split("\n---\n", 1)
    assert ("language: en" in front.split("\n")) is is_known
    assert all(front.split("\n"))
    assert ("English" in body) is is_known
    assert ("product reviews" in body) is is_known
    assert (f"reviews of `{source}`; their language was not recorded" in body) is not is_known


def test_card_says_how_labels_were_read(manifest: dict[str, Any]) -> None:
    card = make_card_of(manifest, label="stars", labels={"1": "negative", "3": None, "4": "left out", "5": "positive"})
    expected = "Labels come from the column `stars`: `5` is positive, `1` is negative, `3` was left out, `4` was left out."
    assert expected in card
    many = make_card_of(manifest, label="stars", labels={str(n): "negative" for n in range(100)})
    assert "`11` is negative, and 88 more values." in many


@pytest.mark.parametrize("labels", [None, [], {"rule": {"positive": ["4"]}}, {"a": 7}])
def test_labels_of_another_kind_are_left_out(manifest: dict[str, Any], labels: object) -> None:
    assert "Labels come from the column `stars`." in make_card_of(manifest, label="stars", labels=labels)
