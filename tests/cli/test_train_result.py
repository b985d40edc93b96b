"""What `train` says when it is done: how labels were read, which epoch was kept, and why there are no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from polarity_cli.records import EpochRecord
from polarity_cli.training.describe import describe_training
from tests.helpers.commands import Outcome
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]


def read_pairs(outcome: Outcome) -> dict[str, str]:
    assert outcome.code == 0, outcome.stderr
    before_table, _, _ = outcome.stdout.partition("\n\n")
    return dict(line.split(maxsplit=1) for line in before_table.splitlines())


def make_epoch(number: int, f1: float | None, *, is_best: bool) -> EpochRecord:
    return EpochRecord(number, 0.5, None if f1 is None else {"f1": f1, "log_loss": 0.4}, 1.0, is_best)


def test_epoch_that_was_kept_and_the_end_are_described() -> None:
    history = [make_epoch(1, 0.7, is_best=True), make_epoch(2, 0.9, is_best=True), make_epoch(3, 0.8, is_best=False)]
    expected = {"epoch_kept": 2, "epochs_run": 3, "stopped": "all epochs done", "validation_f1": 0.9}
    assert describe_training(history, epochs=3) == expected
    assert describe_training(history, epochs=9) == {**expected, "stopped": "patience"}
    alone = [make_epoch(1, None, is_best=True), make_epoch(2, None, is_best=True)]
    assert describe_training(alone, epochs=2) == {
        "epoch_kept": 2,
        "epochs_run": 2,
        "stopped": "all epochs done",
        "validation_f1": None,
    }


def test_train_says_which_label_is_positive_and_which_epoch_it_kept(
    polarity: Polarity, tmp_path: Path, tiny_encoder: Path
) -> None:
    rows = [(str(int(label == "positive")), title, content) for label, title, content in make_reviews(60)]
    source = write_csv(tmp_path / "numbered.csv", rows, header=("sentiment", "title", "content"))
    command = ("train", source, "--label", "sentiment", "--encoder", tiny_encoder, "--epochs", 2, "--no-graphs")
    pairs = read_pairs(polarity(*command))
    assert pairs["labels"] == "sentiment: 1 is positive, 0 is negative"
    manifest = json.loads((tmp_path / "ckpt" / "polarity.json").read_text())
    training, f1 = manifest["training"], manifest["metrics"]["validation"]["f1"]
    assert training["validation_f1"] == f1
    assert (training["epochs_run"], training["stopped"]) == (2, "all epochs done")
    assert pairs["kept"] == f"epoch {training['epoch_kept']} of 2 (validation F1 {f1:.4f}), the best"
    assert "stopped" not in pairs


def test_train_says_that_patience_ended_it(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    command = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 40, "--patience", 1, "--no-graphs")
    # Steps so large that an epoch soon is worse than the one before.
    pairs = read_pairs(polarity(*command, "--learning-rate", 0.05))
    n_run = int(pairs["kept"].split()[3])
    assert n_run < 40
    assert pairs["stopped"] == f"after epoch {n_run} of 40: no better validation F1 for 1 epoch"


def test_train_without_a_validation_split_keeps_the_last_epoch(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    command = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 2, "--validation", 0, "--no-graphs")
    assert (
        read_pairs(polarity(*command))["kept"] == "epoch 2 of 2, the last: without a validation split none is known to be better"
    )
