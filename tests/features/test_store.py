"""Kept features: ragged, never stale, within rounding of the trunk itself, and gone without harm."""

from __future__ import annotations

import json
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.config import Context, DataConfig
from polarity_cli.data.batches import pad
from polarity_cli.data.tokenized import TokenizedSplit, read_split
from polarity_cli.encoder.freeze import freeze
from polarity_cli.encoder.loading import load_model
from polarity_cli.encoder.trunk import Trunk
from polarity_cli.errors import CacheError
from polarity_cli.features.budget import find_budget
from polarity_cli.features.extract import extract
from polarity_cli.features.store import FeatureStore, describe_trunk
from polarity_cli.records import SilentObserver
from polarity_cli.train_config import FeatureCache, TrainConfig
from polarity_cli.verbs.prepare import prepare
from polarity_cli.verbs.train import train
from tests.helpers.reviews import make_reviews, write_csv

TOKENIZATION: dict[str, Any] = {"tokenizer": "t", "max_length": 128, "truncation": "head"}


class Notes(SilentObserver):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture
def config(tiny_encoder: Path, tmp_path: Path) -> TrainConfig:
    reviews = write_csv(tmp_path / "reviews.csv", make_reviews(120))
    return TrainConfig(data=DataConfig(source=str(reviews), encoder=str(tiny_encoder)), learning_rate=2e-3, out=tmp_path / "ckpt")


@pytest.fixture
def split(config: TrainConfig, tmp_path: Path) -> TokenizedSplit:
    return read_split(prepare(config.data, Context(cache_dir=tmp_path / "prepared")).folder / "train.arrow")


@pytest.fixture
def trunk(tiny_encoder: Path) -> Trunk:
    return make_trunk(tiny_encoder)


def make_trunk(encoder: Path, unfreeze: int = 2) -> Trunk:
    torch.manual_seed(0)
    model = load_model(ModelFolder.open(encoder), new_head=True)
    return Trunk(model, freeze(model, unfreeze))


def open_store(trunk: Trunk, folder: Path, *, cut: int = 2, precision: str = "no", **tokenization: object) -> FeatureStore:
    described = describe_trunk(trunk, cut=cut, precision=precision)
    return FeatureStore(folder, trunk, {**TOKENIZATION, **tokenization}, described)


def read_losses(config: TrainConfig, cache: Path) -> list[float]:
    result = train(config, Context(cache_dir=cache))
    assert result is not None
    lines = (result.checkpoint / "history.jsonl").read_text().splitlines()
    return [record["loss"] for record in map(json.loads, lines)]


def test_kept_features_are_the_trunks_hidden_states_rounded_to_float16(
    tiny_encoder: Path, split: TokenizedSplit, tmp_path: Path
) -> None:
    trunk = make_trunk(tiny_encoder)
    features = extract(open_store(trunk, tmp_path), split, trunk, pad_id=0)
    batch = np.array([5, 0, 17])
    ids, mask = (torch.from_numpy(array) for array in pad(split.get_ids(batch), pad_id=0))
    hidden, kept_mask = features.read(batch)
    assert hidden.dtype == torch.float16
    assert torch.equal(kept_mask, mask)
    assert (hidden[mask == 0] == 0).all()
    torch.testing.assert_close(hidden.float()[mask == 1], trunk(ids, mask)[mask == 1], rtol=1e-3, atol=1e-5)


def test_features_are_stored_without_padding_and_their_size_is_known_before(
    tiny_encoder: Path, split: TokenizedSplit, tmp_path: Path
) -> None:
    trunk = make_trunk(tiny_encoder)
    extract(open_store(trunk, tmp_path), split, trunk, pad_id=0)
    (stored,) = (tmp_path / "features").glob("*/hidden.f16")
    assert stored.stat().st_size == len(split.tokens) * 32 * 2 == open_store(trunk, tmp_path).predict_bytes([split])


def test_one_token_a_review_is_kept_where_every_block_is_frozen(
    tiny_encoder: Path, split: TokenizedSplit, tmp_path: Path
) -> None:
    trunk = make_trunk(tiny_encoder, unfreeze=0)
    features = extract(open_store(trunk, tmp_path), split, trunk, pad_id=0)
    assert features.hidden.shape == (len(split), 32)
    assert features.read(np.array([3, 4]))[0].shape == (2, 1, 32)


@pytest.mark.parametrize("unfreeze", [0, 1, 2])
def test_runs_with_and_without_features_have_the_same_losses_within_float16_rounding(
    config: TrainConfig, tmp_path: Path, unfreeze: int
) -> None:
    config = replace(config, unfreeze=unfreeze)
    kept = read_losses(replace(config, feature_cache="auto"), tmp_path / "kept")
    passed = read_losses(replace(config, feature_cache="off"), tmp_path / "passed")
    assert (tmp_path / "kept" / "features").is_dir()
    assert not (tmp_path / "passed" / "features").exists()
    assert len(kept) == len(passed) > 10
    assert 0 < np.abs(np.array(kept) - np.array(passed)).max() < 2e-3
    assert np.ptp(kept) > 0.01  # it learns, so equal losses are no accident


def test_second_run_does_not_pass_the_trunk(config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_losses(config, tmp_path / "cache")

    def refuse(*args: object) -> None:
        raise AssertionError("the trunk was passed again")

    monkeypatch.setattr(Trunk, "forward", refuse)
    assert read_losses(config, tmp_path / "cache") == first
    other_rate = replace(config, learning_rate=1e-3, epochs=1)
    assert read_losses(other_rate, tmp_path / "cache") != first


def test_another_encoder_cut_text_or_precision_has_another_key(tiny_encoder: Path, split: TokenizedSplit, tmp_path: Path) -> None:
    trunk = make_trunk(tiny_encoder)
    key = open_store(trunk, tmp_path).make_key(split)
    assert open_store(make_trunk(tiny_encoder), tmp_path).make_key(split) == key
    changed = [
        open_store(trunk, tmp_path, cut=3).make_key(split),
        open_store(trunk, tmp_path, precision="bf16").make_key(split),
        open_store(trunk, tmp_path, max_length=64).make_key(split),
        open_store(trunk, tmp_path, truncation="tail").make_key(split),
        open_store(trunk, tmp_path, tokenizer="u").make_key(split),
        open_store(trunk, tmp_path).make_key(replace(split, tokens=split.tokens[::-1])),
        open_store(make_trunk(tiny_encoder, 1), tmp_path).make_key(split),
    ]
    trunk.encoder.config.layer_norm_eps = 1e-3  # type: ignore[union-attr]
    changed.append(open_store(trunk, tmp_path).make_key(split))
    other = make_trunk(tiny_encoder)
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 1e-6
    changed.append(open_store(other, tmp_path).make_key(split))
    assert all(found != key for found in changed)


def test_frozen_weights_alone_decide_so_another_head_meets_the_same_features(
    tiny_encoder: Path, split: TokenizedSplit, tmp_path: Path
) -> None:
    trunk = make_trunk(tiny_encoder)
    torch.manual_seed(99)
    model = load_model(ModelFolder.open(tiny_encoder), new_head=True)
    other = Trunk(model, freeze(model, 2))
    assert open_store(other, tmp_path).make_key(split) == open_store(trunk, tmp_path).make_key(split)


@pytest.mark.parametrize("damage", ["shorter", "longer", "no manifest", "another key"])
def test_damaged_features_are_made_again(tiny_encoder: Path, split: TokenizedSplit, tmp_path: Path, damage: str) -> None:
    trunk = make_trunk(tiny_encoder)
    store = open_store(trunk, tmp_path)
    extract(store, split, trunk, pad_id=0)
    (folder,) = (tmp_path / "features").iterdir()
    path, manifest = folder / "hidden.f16", folder / "manifest.json"
    whole = path.read_bytes()
    if damage == "shorter":
        path.write_bytes(whole[:-2])
    elif damage == "longer":
        path.write_bytes(whole + b"\0\0")
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text(json.dumps({"key": {**store.make_key(split), "cut": 1}}))
    assert store.find(split) is None
    extract(store, split, trunk, pad_id=0)
    assert path.read_bytes() == whole


def test_hidden_states_beyond_float16_are_noted_and_the_run_goes_on_without(
    tiny_encoder: Path, config: TrainConfig, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    shutil.copytree(tiny_encoder, large)
    model: Any = load_model(ModelFolder.open(large), new_head=True)
    with torch.no_grad():
        model.bert.encoder.layer[1].output.LayerNorm.weight.mul_(1e6)
    model.save_pretrained(large)
    notes = Notes()
    config = replace(config, data=replace(config.data, encoder=str(large)))
    result = train(config, Context(cache_dir=tmp_path / "cache", observer=notes))
    assert result is not None
    assert any("beyond float16" in note for note in notes.notes)
    assert result.manifest["features"]["kept"] is False
    assert not list((tmp_path / "cache" / "features").iterdir())


def test_size_over_the_budget_is_noted_and_the_run_goes_on_without(config: TrainConfig, tmp_path: Path) -> None:
    notes = Notes()
    train(replace(config, feature_cache=1000), Context(cache_dir=tmp_path / "cache", observer=notes))
    assert any("--feature-cache 1.0 kB leaves 1.0 kB for them here" in note for note in notes.notes)
    assert not (tmp_path / "cache" / "features").exists()


def test_features_that_are_there_are_used_where_the_rest_does_not_fit(config: TrainConfig, tmp_path: Path) -> None:
    first = train(config, Context(cache_dir=tmp_path / "cache"))
    assert first is not None
    sizes = {folder: (folder / "hidden.f16").stat().st_size for folder in (tmp_path / "cache" / "features").iterdir()}
    smallest = min(sizes, key=lambda folder: sizes[folder])
    shutil.rmtree(smallest)
    notes = Notes()
    enough_for_the_others = sum(sizes.values()) - sizes[smallest]
    again = train(replace(config, feature_cache=enough_for_the_others), Context(cache_dir=tmp_path / "cache", observer=notes))
    assert again is not None
    assert any("leaves 0 bytes" in note for note in notes.notes)
    assert again.manifest["features"]["kept"] is True
    assert again.manifest["metrics"]["validation"]["f1"] == first.manifest["metrics"]["validation"]["f1"]


@contextmanager
def small_files() -> Iterator[None]:
    """Let this process write no file beyond 10,000 bytes; only for a moment, since the test runner writes too."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_disk_that_refuses_leaves_nothing_behind(split: TokenizedSplit, trunk: Trunk, tmp_path: Path) -> None:
    store = open_store(trunk, tmp_path)
    with pytest.raises(CacheError, match="the features cannot be written"), small_files():
        extract(store, split, trunk, pad_id=0)
    assert not list((tmp_path / "features").iterdir())


def test_automatic_keeping_goes_on_without_where_the_disk_refuses(config: TrainConfig, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    prepare(config.data, Context(cache_dir=cache))
    (cache / "features").write_text("a file where the folder should be")
    notes = Notes()
    result = train(config, Context(cache_dir=cache, observer=notes))
    assert result is not None
    assert result.manifest["features"]["kept"] is False
    assert any("cannot be written" in note and "passes the frozen blocks again" in note for note in notes.notes)
    with pytest.raises(CacheError, match="cannot be written"):
        train(replace(config, feature_cache=10**9), Context(cache_dir=cache))


@pytest.mark.parametrize(("setting", "least", "most"), [("off", 0, 0), (1000, 1000, 1000), ("auto", 1, 2**60), (2**60, 1, 2**60)])
def test_budget_keeps_within_the_free_disk(tmp_path: Path, setting: FeatureCache, least: int, most: int) -> None:
    free = shutil.disk_usage(tmp_path).free
    budget = find_budget(setting, tmp_path / "not" / "there" / "yet", device=torch.device("cpu"))
    assert least <= budget <= min(most, free * 1.01)
    if setting == "auto":
        assert budget == pytest.approx(free / 4, rel=0.05)


def test_budget_of_a_gpu_fits_the_free_memory_too(tmp_path: Path) -> None:
    on_processor, on_gpu = (find_budget("auto", tmp_path, device=torch.device(kind)) for kind in ("cpu", "cuda"))
    lines = Path("/proc/meminfo").read_text().splitlines()
    (available,) = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    assert on_gpu == pytest.approx(min(on_processor, available / 2), rel=0.2)
