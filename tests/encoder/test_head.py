"""Going on from a checkpoint: its classifier is kept where its classes are understood, and what is done is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.encoder.families import FAMILIES
from polarity_cli.encoder.head import find_head, load_to_train
from polarity_cli.encoder.loading import load_model
from tests.encoder.test_families import CONFIGS, make_batch, make_model
from tests.helpers.commands import Outcome
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]


def store(folder: Path, family: str = "bert", **values: Any) -> Path:
    """Write a classifier of random weights with some values of its config changed."""
    make_model(family).save_pretrained(folder)
    stored = {**json.loads((folder / "config.json").read_text()), **values}
    (folder / "config.json").write_text(json.dumps(stored))
    return folder


def answer(model: Any) -> torch.Tensor:
    ids, mask = make_batch()
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=ids, attention_mask=mask).logits
    return logits


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("names", [("negative", "positive"), ("POS", "NEG")], ids=" ".join)
def test_classifier_of_every_family_is_kept_with_row_0_negative(tmp_path: Path, family: str, names: tuple[str, str]) -> None:
    assert set(CONFIGS) == set(FAMILIES)
    folder = store(tmp_path / "model", family, id2label=dict(enumerate(names)))
    head = find_head(ModelFolder.open(folder, "./model"))
    assert head is not None
    assert head.note == "The classifier of ./model is kept."
    model = load_to_train(ModelFolder.open(folder), head)
    expected = answer(load_model(ModelFolder.open(folder), new_head=False))
    torch.testing.assert_close(answer(model), expected.flip(1) if names[0] == "POS" else expected, rtol=0, atol=0)
    assert model.config.id2label == {0: "negative", 1: "positive"}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_plain_encoder_says_nothing(tmp_path: Path, family: str) -> None:
    model: Any = make_model(family)
    model.base_model.save_pretrained(tmp_path / "plain")
    assert find_head(ModelFolder.open(tmp_path / "plain")) is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"id2label": {str(i): f"{i} stars" for i in range(5)}}, "./model: the model tells 5 classes apart, expected 2."),
        ({"id2label": {"0": "lemon", "1": "peach"}}, "./model: it is not clear which class is positive, 'lemon' and 'peach'."),
        ({"problem_type": "regression"}, "./model: the model's head is a regression (problem_type), which gives numbers and no"),
    ],
)
def test_classifier_that_is_not_understood_is_drawn_anew_and_why_is_said(tmp_path: Path, values: Any, said: str) -> None:
    folder = store(tmp_path / "model", **values)
    head = find_head(ModelFolder.open(folder, "./model"))
    assert head is not None
    assert head.note.startswith(f"The classifier is drawn anew: {said}")
    assert not head.kept
    torch.manual_seed(1)
    first = load_to_train(ModelFolder.open(folder), head).state_dict()
    assert not torch.equal(first["classifier.weight"], load_file(folder / "model.safetensors")["classifier.weight"])
    assert torch.equal(first["bert.pooler.dense.weight"], load_file(folder / "model.safetensors")["bert.pooler.dense.weight"])


def test_unnamed_classes_are_kept_as_a_guess_and_a_part_of_a_classifier_is_not(tmp_path: Path) -> None:
    folder = store(tmp_path / "model", problem_type="multi_label_classification")
    head = find_head(ModelFolder.open(folder, "m"))
    assert head is not None
    assert head.note == "The classifier of m is kept. Its classes are unnamed; LABEL_1 is taken as positive."
    assert load_to_train(ModelFolder.open(folder), head).config.problem_type is None
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor for name, tensor in weights.items() if "pooler" not in name}, folder / "model.safetensors")
    head = find_head(ModelFolder.open(folder, "m"))
    assert head is not None
    assert head.note == "The classifier is drawn anew: m lacks bert.pooler.dense, which its classifier reads."


def test_training_goes_on_from_a_checkpoint_and_says_so(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "more.csv", make_reviews(60, seed=9))

    def train(encoder: Path, *more: str) -> Outcome:
        common = ("--unfreeze", 0, "--epochs", 1, "--learning-rate", 1e-9, "--no-graphs")
        return polarity("train", source, "--encoder", encoder, *common, *more)

    shutil.copytree(tiny_checkpoint, tmp_path / "earlier")
    outcome = train(tmp_path / "earlier", "--json")
    assert outcome.code == 0, outcome.stderr
    assert f"The classifier of {tmp_path / 'earlier'} is kept." in outcome.stderr
    assert json.loads(outcome.stdout)["metrics"]["test"]["accuracy"] == 1.0  # it has learnt nothing since
    plan = polarity("train", "--plan", "--encoder", tmp_path / "earlier")
    assert "is kept." in plan.stderr
    config = json.loads((tmp_path / "earlier" / "config.json").read_text())
    turned = {"id2label": {"0": "pos", "1": "neg"}, "label2id": {"pos": 0, "neg": 1}}
    (tmp_path / "earlier" / "config.json").write_text(json.dumps({**config, **turned}))
    assert json.loads(train(tmp_path / "earlier", "--json").stdout)["metrics"]["test"]["accuracy"] == 0.0
    named = {"id2label": {"0": "lemon", "1": "peach"}, "label2id": {"lemon": 0, "peach": 1}}
    (tmp_path / "earlier" / "config.json").write_text(json.dumps({**config, **named}))
    assert "The classifier is drawn anew" in train(tmp_path / "earlier").stderr


def test_what_becomes_of_the_classifier_is_part_of_what_a_run_is(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described: list[str] = []
    from polarity_cli.training import describe as description

    original = description.describe_run

    def describe(*args: Any, encoder: str, **more: Any) -> dict[str, Any]:
        described.append(encoder)
        return original(*args, encoder=encoder, **more)

    monkeypatch.setattr(description, "describe_run", describe)
    source = write_csv(tmp_path / "more.csv", make_reviews(60, seed=9))
    outcome = polarity("train", source, "--encoder", tiny_checkpoint, "--unfreeze", 0, "--epochs", 1, "--no-graphs")
    assert outcome.code == 0, outcome.stderr
    assert described[0].endswith(", its classifier, positive 1")
