"""Trackers, through Accelerate, with the real package."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.helpers.commands import Outcome, run_polarity


def test_tensorboard_gets_losses_and_validation_scores(
    polarity: Callable[..., Outcome], reviews_csv: Path, tiny_encoder: Path, cache_dir: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 2, "--track", "tensorboard")
    assert outcome.code == 0, outcome.stderr
    events = EventAccumulator(str(cache_dir / "tracking" / "polarity"))
    events.Reload()
    assert len(events.Scalars("loss")) >= 4
    assert len(events.Scalars("validation/f1")) == 2
    assert f"tensorboard --logdir {cache_dir / 'tracking' / 'polarity'}" in outcome.stderr


def read_trackio(folder: Path) -> Sequence[dict[str, float]]:
    """Return what Trackio logged of its runs of this program, a mapping a step, oldest first."""
    (file,) = folder.glob("polarity*.db")
    with sqlite3.connect(file) as database:
        return [json.loads(metrics) for (metrics,) in database.execute("SELECT metrics FROM metrics ORDER BY id")]


def test_trackio_gets_losses_and_validation_scores_and_says_nothing_on_standard_output(
    reviews_csv: Path, tiny_encoder: Path, cache_dir: Path, tmp_path: Path
) -> None:
    pytest.importorskip("trackio")
    args = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 2, "--track", "trackio", "--offline", "--json")
    outcome = run_polarity(*args, cwd=tmp_path, cache=cache_dir)
    assert outcome.code == 0, outcome.stderr
    assert "freeze_plan" in json.loads(outcome.stdout)  # one document, and nothing else
    folder = cache_dir / "tracking" / "trackio"
    assert f"Tracked in {folder}; look with: TRACKIO_DIR={folder} trackio show --project polarity" in outcome.stderr
    logged = read_trackio(folder)
    assert sum("loss" in metrics for metrics in logged) >= 4
    assert sum("validation/f1" in metrics for metrics in logged) == 2


def test_trackio_that_was_told_of_a_server_is_refused_offline(
    polarity: Callable[..., Outcome], reviews_csv: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_SPACE_ID", "somebody/runs")
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--offline", "--track", "trackio")
    assert outcome.code == 2
    assert "TRACKIO_SPACE_ID has it connect, and --offline makes no connection" in outcome.stderr


@pytest.mark.parametrize(("name", "phrase"), [("wandb", "pip install wandb"), ("tensorbored", "choose one of")])
def test_tracker_that_is_not_there_is_refused_with_what_to_type(
    polarity: Callable[..., Outcome], reviews_csv: Path, tiny_encoder: Path, name: str, phrase: str
) -> None:
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--track", name)
    assert outcome.code == 2
    assert phrase in outcome.stderr


def test_tracker_that_may_connect_is_refused_offline(
    polarity: Callable[..., Outcome], reviews_csv: Path, tiny_encoder: Path
) -> None:
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--offline", "--track", "wandb")
    assert outcome.code == 2
    assert "--offline makes no connection" in outcome.stderr
