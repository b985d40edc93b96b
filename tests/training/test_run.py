"""A run that a signal ends, or whose states or checkpoint cannot be written: what is saved, and what it says."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.training import describe, resume
from polarity_cli.training.fine_tuner import FineTuner
from tests.helpers.commands import Outcome


def test_signal_while_an_epoch_is_validated_saves_its_steps(
    polarity: Callable[..., Outcome], reviews_csv: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_logits = FineTuner.fill_logits

    def interrupt(fine_tuner: FineTuner, *args: Any, **more: Any) -> Iterator[int]:
        for n_done in fill_logits(fine_tuner, *args, **more):
            os.kill(os.getpid(), signal.SIGINT)
            yield n_done
        raise AssertionError("the split was scored to its end")

    command = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 2, "--batch-size", 12, "--no-graphs")
    with monkeypatch.context() as patch:
        patch.setattr(FineTuner, "fill_logits", interrupt)
        stopped = polarity(*command)
    assert stopped.code == 130
    assert "Saving what was learned" in stopped.stderr
    assert "What was learned up to step 4 is kept." in stopped.stderr
    assert "Epoch 1 of 2" not in stopped.stderr
    resumed = polarity(*command)
    assert resumed.code == 0, resumed.stderr
    assert "Going on after step 4 of 8" in resumed.stderr
    assert "Epoch 1 of 2" in resumed.stderr


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no state be written."""

    def refuse(*args: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(resume, "write_state", refuse)


@pytest.mark.usefixtures("full_disk")
def test_interrupted_run_without_a_state_does_not_promise_to_go_on(
    polarity: Callable[..., Outcome], reviews_csv: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_step = FineTuner.seed_step

    def interrupt(fine_tuner: FineTuner, number: int) -> None:
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)
        seed_step(fine_tuner, number)

    monkeypatch.setattr(FineTuner, "seed_step", interrupt)
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 3, "--no-graphs", "--quiet")
    assert outcome.code == 130
    assert "the state cannot be written" in outcome.stderr
    assert "Nothing of what was learned is kept." in outcome.stderr
    assert "Start again with: polarity train" in outcome.stderr
    assert "Go on with" not in outcome.stderr


@pytest.mark.usefixtures("full_disk")
def test_checkpoint_that_cannot_be_written_after_no_state_could_is_lost_and_said_so(
    polarity: Callable[..., Outcome], reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "checkpoints").touch()  # in place of the folder
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs")
    assert outcome.code == 1
    assert "Nothing of what was learned is kept: the same command starts over." in outcome.stderr
    assert "goes on" not in outcome.stderr


def test_checkpoint_that_cannot_be_written_after_a_state_was_goes_on_from_there(
    polarity: Callable[..., Outcome], reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "checkpoints").touch()
    command = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs")
    outcome = polarity(*command)
    assert outcome.code == 1
    assert "the same command goes on from there." in outcome.stderr
    (tmp_path / "cache" / "checkpoints").unlink()
    outcome = polarity(*command)
    assert outcome.code == 0, outcome.stderr
    assert "Going on after step" in outcome.stderr


def test_interrupted_run_of_another_version_is_not_said_to_go_on_with_other_options(
    polarity: Callable[..., Outcome], reviews_csv: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "checkpoints").touch()
    command = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs")
    assert polarity(*command).code == 1
    versions = describe.read_versions()
    monkeypatch.setattr(describe, "read_versions", lambda: {**versions, "torch": "9.9"})
    outcome = polarity(*command)
    assert outcome.code == 2
    assert "the version of torch was" in outcome.stderr
    assert "--fresh starts over" in outcome.stderr
    assert "options again" not in outcome.stderr
