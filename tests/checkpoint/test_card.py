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


def test_card_says_how_far_the_scores_can_be_trusted(manifest: dict[str, Any]) -> None:
    known = {
        "judged_by": {"split": "test", "reviews": "0" * 16},
        "intervals": {"f1": [0.87, 0.94]},
        "calibration": {
            "fitted_on": "validation",
            "temperature": 1.25,
            "calibration_error_before": 0.05,
            "calibration_error_after": 0.02,
        },
        "threshold": {
            "positive": 0.8312,
            "of": "positive",
            "target_precision": 0.95,
            "precision": 0.953,
            "recall": 0.61,
            "n": 503,
            "found_on": "validation",
        },
    }
    card = make_card({**manifest, **known})
    assert "F1 on the reviews of test lies between 0.870 and 0.940 (95% interval)." in card
    assert "temperature of 1.250, fitted on validation: calibration error 0.050 before, 0.020 after." in card
    assert "positive from 0.8312 on: 95.3% of the answers" in card
    bare = make_card({**manifest, "judged_by": None, "calibration": {"reason": "few"}, "threshold": None})
    assert "95% interval" not in bare
    assert "calibrated" not in bare
