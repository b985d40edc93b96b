"""Folds: every review scored by a top that did not see it, and the model of all rows as it would have been without them."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from polarity_cli.training.fine_tuner import FineTuner
from polarity_cli.training.resume import ResumableRun
from tests.helpers.commands import Outcome
from tests.helpers.hub import COMMON_WORDS
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]
USUAL = ("--epochs", 2, "--learning-rate", 1e-3, "--batch-size", 8, "--no-graphs")


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def read_manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "polarity.json").read_text())
    return manifest


def are_equal(first: Path, second: Path) -> bool:
    one, other = read_weights(first), read_weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_model_of_all_rows_is_the_one_without_folds(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    command = ("train", reviews_csv, "--encoder", tiny_encoder, *USUAL)
    folded = polarity(*command, "--folds", 3, "--out", "folded")
    assert folded.code == 0, folded.stderr
    assert polarity(*command, "--test", 0, "--validation", 0, "--out", "plain").code == 0
    assert are_equal(tmp_path / "folded", tmp_path / "plain")
    manifest = read_manifest(tmp_path / "folded")
    assert manifest["folds"]["n"] == 3
    assert manifest["metrics"].keys() == {"out of fold"}
    assert manifest["metrics"]["out of fold"]["n"] == 60
    assert manifest["folds"]["f1_mean"] == pytest.approx(np.mean(manifest["folds"]["f1"]))
    assert "Fold 3 of 3" in folded.stderr
    scores = np.load(tmp_path / "folded" / "out_of_fold.npy", allow_pickle=False)
    assert scores.shape == (60,)
    assert ((scores > 0) & (scores < 1)).all()


@pytest.mark.slow
def test_top_that_scores_a_review_has_not_seen_it(polarity: Polarity, tiny_encoder: Path, tmp_path: Path) -> None:
    """Labels are drawn by lot, so that a top knows those alone that it was trained on."""
    generator = random.Random(3)
    rows = [(generator.choice(("negative", "positive")), "", " ".join(generator.choices(COMMON_WORDS, k=12))) for _ in range(120)]
    source = write_csv(tmp_path / "lots.csv", rows)
    learns = ("--epochs", 40, "--learning-rate", 5e-3, "--batch-size", 8, "--unfreeze", "all", "--no-graphs")
    outcome = polarity("train", source, "--encoder", tiny_encoder, "--folds", 3, *learns)
    assert outcome.code == 0, outcome.stderr
    seen = json.loads(polarity("evaluate", "ckpt", source, "--split", "all", "--json").stdout)["metrics"]["accuracy"]
    unseen = json.loads(polarity("evaluate", "ckpt", "--json").stdout)
    assert unseen["split"] == "out of fold"
    assert seen - unseen["metrics"]["accuracy"] > 0.1
    assert unseen["metrics"]["accuracy"] < 0.65


def test_run_that_is_interrupted_in_a_fold_ends_as_if_it_had_not_been(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", reviews_csv, "--encoder", tiny_encoder, "--folds", 3, *USUAL)
    assert polarity(*command, "--out", "whole").code == 0
    record, n_events = ResumableRun.record, 0

    def interrupt(run: ResumableRun, *args: Any, **more: Any) -> None:
        nonlocal n_events
        n_events += 1
        if n_events == 17:  # a fold has two epochs of five steps, and an event after each
            os.kill(os.getpid(), signal.SIGINT)
        record(run, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(ResumableRun, "record", interrupt)
        stopped = polarity(*command, "--out", "broken")
    assert stopped.code == 130
    assert "of fold 2 is kept" in stopped.stderr
    assert not (tmp_path / "broken").exists()
    other = polarity(*command, "--out", "broken", "--seed", 3)
    assert other.code == 2
    assert "--seed was 42, is 3" in other.stderr
    resumed = polarity(*command, "--out", "broken")
    assert resumed.code == 0, resumed.stderr
    assert "Fold 1 of 3: going on" not in resumed.stderr  # it was finished
    assert "Fold 2 of 3: going on after step" in resumed.stderr
    assert are_equal(tmp_path / "whole", tmp_path / "broken")
    scores = [np.load(tmp_path / name / "out_of_fold.npy") for name in ("whole", "broken")]
    assert np.array_equal(*scores)
    assert not list((tmp_path / "cache" / "runs").glob("*/fold-*"))


def test_fresh_run_drops_the_folds_of_an_interrupted_one(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", reviews_csv, "--encoder", tiny_encoder, "--folds", 2, *USUAL)
    compute_logits = FineTuner.compute_logits

    def stop(fine_tuner: FineTuner, *args: Any, **more: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return compute_logits(fine_tuner, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(FineTuner, "compute_logits", stop)
        assert polarity(*command).code == 130
    fresh = polarity(*command, "--fresh", "--seed", 3)
    assert fresh.code == 0, fresh.stderr
    assert "Going on" not in fresh.stderr


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        (("--folds", 1), "--folds 1: expected 2 to 100."),
        (("--folds", 3, "--validation", 0.1), "--folds scores every review"),
        (("--folds", 3, "--patience", 2), "--patience needs a validation split."),
        (("--folds", 31), "30 different negative reviews cannot be divided into 31 folds."),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_folds_that_cannot_be_are_refused(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, options: tuple[object, ...], phrase: str
) -> None:
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, *options)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert phrase in outcome.stderr


def test_test_split_that_is_asked_for_stays_apart_from_the_folds(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--folds", 2, "--test", 0.2, *USUAL)
    assert outcome.code == 0, outcome.stderr
    manifest = read_manifest(tmp_path / "ckpt")
    assert {name: metrics["n"] for name, metrics in manifest["metrics"].items()} == {"out of fold": 48, "test": 12}
    assert manifest["judged_by"]["split"] == "test"


def make_noisy(n_rows: int, *, share: float = 0.2) -> list[tuple[str, str, str]]:
    """Return reviews of which a share has the other label."""
    generator = random.Random(5)
    other = {"negative": "positive", "positive": "negative"}
    return [
        (other[label] if generator.random() < share else label, title, content) for label, title, content in make_reviews(n_rows)
    ]
