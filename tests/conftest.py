"""What tests share: a tiny encoder made in memory, reviews it can learn, and the command line in and out of process."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # tests compare bits, which are the same again on processors alone
if "PYTEST_XDIST_WORKER" in os.environ:  # there is one for each core, and threads that outnumber the cores wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.helpers.hub import COMMON_WORDS, LABEL_WORDS, build_tiny_bert

REPOSITORY = Path(__file__).resolve().parent.parent
AMAZON = REPOSITORY.parent / "shared" / "data"
"""Real reviews, where they lie beside the repository; they are not part of it."""


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    code: int
    stdout: str
    stderr: str


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


def make_reviews(n_rows: int, *, seed: int = 0) -> list[tuple[str, str, str]]:
    """Return rows of label, title and content whose words tell the label, no two alike."""
    generator = random.Random(seed)
    rows = []
    for number in range(n_rows):
        label = number % 2
        words = [*generator.choices(LABEL_WORDS[label], k=3), *generator.choices(COMMON_WORDS, k=generator.randrange(3, 25))]
        generator.shuffle(words)
        rows.append((("negative", "positive")[label], f"{words[0]} {number}", " ".join(words)))
    return rows


def write_csv(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = ("label", "title", "content")) -> Path:
    """Write rows below a header and return the path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


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


def hear_interrupts() -> None:
    """Let a child process hear SIGINT, which a shell's background jobs are started without (as `preexec_fn`)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start_predict(checkpoint: Path, tmp_path: Path, *arguments: object) -> subprocess.Popen[bytes]:
    """Start `polarity predict` with pipes on all three streams."""
    return subprocess.Popen(
        [sys.executable, "-m", "polarity_cli", "predict", "--checkpoint", str(checkpoint), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "POLARITY_CACHE": str(tmp_path / "cache")},
        preexec_fn=hear_interrupts,
    )


def run_polarity(
    *args: object, cwd: Path, cache: Path, stdin: bytes | None = None, environment: dict[str, str] | None = None
) -> Outcome:
    """Run a command line as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "polarity_cli", *map(str, args)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "POLARITY_CACHE": str(cache), **(environment or {})},
        timeout=600,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the tiny encoder, trained by the program until it tells the classes apart."""
    from polarity_cli.config import Context, DataConfig, TrainConfig
    from polarity_cli.train import train

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
