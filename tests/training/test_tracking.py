"""Trackers, through Accelerate, with the real package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.helpers.commands import Outcome


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


def test_tracker_that_may_connect_is_refused_offline(
    polarity: Callable[..., Outcome], reviews_csv: Path, tiny_encoder: Path
) -> None:
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--offline", "--track", "wandb")
    assert outcome.code == 2
    assert "--offline makes no connection" in outcome.stderr
