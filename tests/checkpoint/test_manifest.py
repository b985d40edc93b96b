"""What `polarity.json` says of a threshold, read as a typed value or refused."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.manifest import read_manifest
from polarity_cli.records import Threshold
from tests.helpers.commands import Outcome

THRESHOLD = Threshold(0.83, "positive", 0.95, 0.953, 0.61, 503, "validation")


@pytest.fixture
def write(tiny_checkpoint: Path, tmp_path: Path) -> Callable[[object], Path]:
    """Copy a checkpoint, with a threshold in its manifest."""

    def copy(threshold: object) -> Path:
        folder = tmp_path / "edited"
        shutil.copytree(tiny_checkpoint, folder)
        manifest = json.loads((folder / "polarity.json").read_text())
        (folder / "polarity.json").write_text(json.dumps({**manifest, "threshold": threshold}))
        return folder

    return copy


def test_threshold_is_read_as_it_was_written(write: Callable[[object], Path]) -> None:
    assert Checkpoint.open(write(asdict(THRESHOLD))).threshold == THRESHOLD


def test_checkpoint_without_a_threshold_has_none(tiny_checkpoint: Path, write: Callable[[object], Path]) -> None:
    assert Checkpoint.open(tiny_checkpoint).threshold is None
    assert Checkpoint.open(write(None)).threshold is None


@pytest.mark.parametrize("positive", [0, 1, 0.5, 1e-9])
def test_whole_numbers_and_ends_are_probabilities_too(write: Callable[[object], Path], positive: float) -> None:
    found = Checkpoint.open(write({**asdict(THRESHOLD), "positive": positive})).threshold
    assert found is not None
    assert found.positive == positive


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("positive", -0.1),
        ("positive", 1.1),
        ("positive", math.nan),
        ("positive", True),
        ("positive", "0.8"),
        ("positive", None),
        ("of", "uncertain"),
        ("of", ["positive"]),
        ("target_precision", 95),
        ("precision", None),
        ("recall", math.inf),
        ("n", 0),
        ("n", 1.5),
        ("found_on", "test"),
        ("found_on", {}),
    ],
)
def test_broken_threshold_is_a_damaged_manifest(write: Callable[[object], Path], name: str, value: Any) -> None:
    assert read_manifest(write({**asdict(THRESHOLD), name: value})) is None


@pytest.mark.parametrize("value", [0.83, [], "high", {}, {"positive": 0.83}])
def test_threshold_that_says_too_little_is_a_damaged_manifest(
    polarity: Callable[..., Outcome], write: Callable[[object], Path], value: object
) -> None:
    outcome = polarity("predict", "--checkpoint", write(value), "great")
    assert outcome.code == 2
    assert "the manifest is damaged" in outcome.stderr
