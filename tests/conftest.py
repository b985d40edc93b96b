"""What tests share: a tiny encoder made in memory, reviews it can learn, and the command line in and out of process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # tests compare bits, which are the same again on processors alone
if "PYTEST_XDIST_WORKER" in os.environ:  # there is one for each core, and threads that outnumber the cores wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.helpers.commands import REPOSITORY, Outcome
from tests.helpers.hub import build_tiny_bert
from tests.helpers.reviews import make_reviews, write_csv

AMAZON = REPOSITORY.parent / "shared" / "data"
"""Real reviews, where they lie beside the repository; they are not part of it."""


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of four blocks, 32 wide, with a tokenizer that knows the words of `write_reviews`."""
    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    build_tiny_bert(folder)
    return folder


@pytest.fixture(scope="session")
def amazon_reviews() -> Path:
    """A folder of real reviews with train and test files."""
    folder = AMAZON / "amazon_reviews"
    if not folder.is_dir():
        pytest.skip(f"the real reviews are not there ({folder.parent.name}/{folder.name} beside the repository)")
    return folder


@pytest.fixture(scope="session")
def amazon_formats() -> Path:
    """A folder of real reviews in the layouts of the data set's public copies."""
    folder = AMAZON / "formats"
    if not folder.is_dir():
        pytest.skip(f"the real reviews are not there ({folder.parent.name}/{folder.name} beside the repository)")
    return folder


@pytest.fixture
def reviews_csv(tmp_path: Path) -> Path:
    """A CSV file of 60 reviews."""
    return write_csv(tmp_path / "reviews.csv", make_reviews(60))


@pytest.fixture
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, which every command of the test uses."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("POLARITY_CACHE", str(folder))
    return folder


@pytest.fixture
def polarity(
    cache_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Run a command line in this process, in the test's own folder."""
    from polarity_cli.cli.app import run

    monkeypatch.chdir(tmp_path)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "0")  # --offline sets them, for the test alone

    def call(*args: object) -> Outcome:
        capsys.readouterr()
        code = run([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the tiny encoder, trained by the program until it tells the classes apart."""
    from polarity_cli.config import Context, DataConfig
    from polarity_cli.train_config import TrainConfig
    from polarity_cli.verbs.train import train

    folder = tmp_path_factory.mktemp("tiny-checkpoint")
    reviews = write_csv(folder / "reviews.csv", make_reviews(480))
    config = TrainConfig(
        data=DataConfig(source=str(reviews), encoder=str(tiny_encoder)),
        unfreeze=2,
        epochs=12,
        learning_rate=3e-3,
        out=folder / "ckpt",
    )
    train(config, Context(cache_dir=folder / "cache"))
    return folder / "ckpt"
