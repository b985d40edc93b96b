"""What a run does at the loop's events: it is shown, and a signal is served, while an epoch is validated too."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.training.fine_tuner import FineTuner
from tests.conftest import Outcome


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
