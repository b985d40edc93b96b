"""What a run comes to: calibrated scores in every file of the checkpoint, thresholds, requirements, weighted classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from polarity_cli.training.fine_tuner import FineTuner
from tests.helpers.commands import Outcome
from tests.helpers.reviews import make_reviews, write_csv
from tests.training.test_folds import are_equal, make_noisy, read_manifest, read_weights

Polarity = Callable[..., Outcome]
LEARNS = ("--epochs", 6, "--learning-rate", 3e-3, "--unfreeze", "all")


@pytest.fixture(scope="module")
def noisy(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint that is surer than it is right: a fifth of its labels are wrong, and it has learned many."""
    from polarity_cli.config import Context, DataConfig
    from polarity_cli.train_config import TrainConfig
    from polarity_cli.verbs.train import train

    folder = tmp_path_factory.mktemp("noisy")
    source = write_csv(folder / "noisy.csv", make_noisy(1500))
    data = DataConfig(source=str(source), encoder=str(tiny_encoder), validation=0.3)
    train(
        TrainConfig(
            data=data, unfreeze="all", epochs=6, learning_rate=3e-3, target_precision=0.85, of="negative", out=folder / "ckpt"
        ),
        Context(cache_dir=folder / "cache"),
    )
    return folder


@pytest.mark.slow
def test_temperature_is_in_the_weights_and_in_the_graphs(polarity: Polarity, noisy: Path) -> None:
    manifest = read_manifest(noisy / "ckpt")
    calibration = manifest["calibration"]
    assert calibration["fitted_on"] == "validation"
    assert calibration["temperature"] != pytest.approx(1, abs=0.02)
    assert calibration["log_loss_after"] < calibration["log_loss_before"]
    assert manifest["metrics"]["validation"]["log_loss"] == pytest.approx(calibration["log_loss_after"], abs=1e-4)
    for precision in ("weights", "fp32"):
        scored = polarity(
            "evaluate", noisy / "ckpt", noisy / "noisy.csv", "--split", "validation", "--precision", precision, "--json"
        )
        document = json.loads(scored.stdout)
        assert document["metrics"]["log_loss"] == pytest.approx(calibration["log_loss_after"], abs=1e-3), precision


@pytest.mark.slow
def test_threshold_that_was_asked_for_is_kept_and_answers(polarity: Polarity, noisy: Path) -> None:
    threshold = read_manifest(noisy / "ckpt")["threshold"]
    assert threshold["of"] == "negative"
    assert threshold["precision"] >= 0.85
    assert threshold["found_on"] == "validation"
    outcome = polarity(
        "evaluate", noisy / "ckpt", noisy / "noisy.csv", "--split", "validation", "--precision", "weights", "--json"
    )
    document = json.loads(outcome.stdout)
    assert document["threshold"] == threshold["positive"]
    assert document["metrics"]["negative_precision"] == pytest.approx(threshold["precision"], abs=0.005)
    assert document["metrics"]["negative_recall"] == pytest.approx(threshold["recall"], abs=0.005)
    assert "of the checkpoint" in outcome.stderr


def test_threshold_that_cannot_be_reached_is_said_and_not_kept(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    command = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs")
    outcome = polarity(*command, "--target-precision", 0.99, "--quiet")
    assert outcome.code == 0, outcome.stderr
    assert "No threshold makes 99.0% of the answers `positive` right" in outcome.stderr
    assert read_manifest(tmp_path / "ckpt")["threshold"] is None
    refused = polarity(*command, "--target-precision", 0.99, "--validation", 0)
    assert (refused.code, refused.stdout) == (2, "")
    assert "--target-precision needs reviews" in refused.stderr


def test_few_reviews_are_not_calibrated_and_the_manifest_says_why(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    assert polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs").code == 0
    assert "reviews" in read_manifest(tmp_path / "ckpt")["calibration"]["reason"]


def test_checkpoint_below_what_is_required_is_not_published(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    command = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs")
    assert polarity(*command).code == 0
    before = read_manifest(tmp_path / "ckpt")
    refused = polarity(*command, "--seed", 7, "--require", 1.0)
    assert refused.code == 1
    assert "is below --require 1." in refused.stderr
    assert "ckpt is as it was" in refused.stderr
    assert read_manifest(tmp_path / "ckpt") == before
    document = json.loads(polarity(*command, "--seed", 7, "--require", "baseline", "--json").stdout)
    assert document["published"] is False
    assert document["required"] == {"asked": "baseline", "met": False}
    (tmp_path / "ckpt").rename(tmp_path / "elsewhere")
    outcome = polarity("predict", "great")
    assert before["files"]["model.safetensors"]  # the newest in the cache is the one that was published
    assert json.loads((tmp_path / "elsewhere" / "polarity.json").read_text())["created"] == before["created"]
    named = outcome.stderr.split("Model: ")[1].splitlines()[0]
    assert read_manifest(Path(named))["seed"] == 42


@pytest.mark.parametrize("value", ["perfect", "0.0", "1.5", "-1", "nan"])
def test_requirement_that_is_none_is_refused(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, value: str) -> None:
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, f"--require={value}")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert f"--require {value}: expected an F1 such as 0.85, or baseline." in outcome.stderr


def test_requirement_needs_reviews_to_score(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--require", 0.5, "--test", 0, "--validation", 0)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "--require needs reviews to score." in outcome.stderr


def test_replacing_a_better_checkpoint_is_said(polarity: Polarity, tiny_encoder: Path, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "reviews.csv", make_reviews(200))
    command = ("train", source, "--encoder", tiny_encoder, "--no-graphs", "--quiet")
    good = polarity(*command, *LEARNS)
    assert good.code == 0, good.stderr
    assert "held a checkpoint" not in good.stderr
    f1 = read_manifest(tmp_path / "ckpt")["metrics"]["test"]["f1"]
    worse = polarity(*command, "--epochs", 1, "--learning-rate", 1e-6)
    assert worse.code == 0, worse.stderr
    assert f"ckpt held a checkpoint with F1 {f1:.4f} on the same 40 reviews" in worse.stderr


def test_weighted_loss_is_the_mean_that_gives_both_classes_the_same_sum() -> None:
    from accelerate import Accelerator

    fine_tuner = FineTuner(None, torch.nn.Linear(1, 1), Accelerator(cpu=True), pad_id=0)
    logits, labels = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.5, 0.0]]), torch.tensor([0, 1, 0])
    own = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    assert float(fine_tuner._compute_loss(logits, labels)) == pytest.approx(float(own.mean()))
    fine_tuner.weigh_classes("balanced", np.array([0] * 9 + [1]))
    assert float(fine_tuner._compute_loss(logits, labels)) == pytest.approx(
        float((own * torch.tensor([10 / 18, 5.0, 10 / 18])).mean())
    )
    fine_tuner.weigh_classes(None, np.array([0, 1]))
    assert float(fine_tuner._compute_loss(logits, labels)) == pytest.approx(float(own.mean()))


def test_weights_change_what_is_learned_and_are_in_the_manifest(polarity: Polarity, tiny_encoder: Path, tmp_path: Path) -> None:
    rows = [row for index, row in enumerate(make_reviews(160)) if row[0] == "positive" or index % 16 == 0]
    source = write_csv(tmp_path / "rare.csv", rows)
    command = ("train", source, "--encoder", tiny_encoder, "--no-graphs", "--epochs", 1, "--learning-rate", 1e-3)
    assert polarity(*command, "--out", "plain").code == 0
    weighted = polarity(*command, "--out", "weighted", "--class-weights", "balanced")
    assert weighted.code == 0, weighted.stderr
    assert not are_equal(tmp_path / "plain", tmp_path / "weighted")
    assert read_manifest(tmp_path / "weighted")["class_weights"] == "balanced"
    refused = polarity(*command, "--class-weights", "heavy")
    assert refused.code == 2
    assert "--class-weights heavy: choose one of balanced." in refused.stderr
    assert "unbalanced" in {check["name"] for check in read_manifest(tmp_path / "plain")["checks"]}


def test_run_writes_its_page(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    command = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 2)
    outcome = polarity(*command, "--report", "page.html")
    assert outcome.code == 0, outcome.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Training" in page
    assert "polarity train" in page
    assert "polarity predict --checkpoint ckpt" in outcome.stdout
    for name, phrase in (("page.pdf", "the page is HTML"), ("nowhere/page.html", "its folder does not exist")):
        refused = polarity(*command, "--report", name)
        assert (refused.code, refused.stdout) == (2, "")
        assert phrase in refused.stderr


def test_recipe_of_the_article_is_not_calibrated(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--recipe", "article", "--no-graphs")
    assert outcome.code == 0, outcome.stderr
    assert "no validation split" in read_manifest(tmp_path / "ckpt")["calibration"]["reason"]
    assert read_weights(tmp_path / "ckpt")
