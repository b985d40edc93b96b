"""What the tests of this room share: two small checkpoints beside the tiny one, and files of reviews."""

from __future__ import annotations

from pathlib import Path

import pytest

from polarity_cli.config import Context, DataConfig
from polarity_cli.train_config import TrainConfig
from polarity_cli.verbs.train import train
from tests.helpers.noting import Noting
from tests.helpers.reviews import make_reviews, write_csv


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """An empty cache, and an observer that keeps what it is told."""
    return Context(cache_dir=tmp_path / "cache", observer=Noting())


@pytest.fixture
def new_csv(tmp_path: Path) -> Path:
    """A file of 40 reviews that no checkpoint was trained on."""
    return write_csv(tmp_path / "new.csv", make_reviews(40, seed=77))


@pytest.fixture(scope="session")
def content_checkpoint(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that reads the column `content` alone, trained for a moment."""
    folder = tmp_path_factory.mktemp("content")
    reviews = write_csv(folder / "reviews.csv", make_reviews(60, seed=5))
    data = DataConfig(source=str(reviews), encoder=str(tiny_encoder), text=("content",))
    train(TrainConfig(data=data, unfreeze=1, epochs=1, graphs=False, out=folder / "ckpt"), Context(cache_dir=folder / "cache"))
    return folder / "ckpt"


@pytest.fixture(scope="session")
def folds_checkpoint(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of 60 reviews in three folds, without a test split; the cache `cache` beside it has the reviews."""
    folder = tmp_path_factory.mktemp("folds")
    reviews = write_csv(folder / "reviews.csv", make_reviews(60, seed=6))
    data = DataConfig(source=str(reviews), encoder=str(tiny_encoder), test=0.0, validation=0.0)
    config = TrainConfig(data=data, unfreeze=1, epochs=1, folds=3, learning_rate=3e-3, graphs=False, out=folder / "ckpt")
    train(config, Context(cache_dir=folder / "cache"))
    return folder / "ckpt"
