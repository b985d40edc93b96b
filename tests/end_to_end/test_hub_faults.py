"""Whole commands against a Hub with faults: those that pass are waited out, the others end in one clear error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polarity_cli.hub.client import PIECE_BYTES
from tests.helpers.commands import REPOSITORY, Outcome, hear_interrupts, run_polarity
from tests.helpers.hub import Hub, build_amazon_polarity, build_tiny_bert
from tests.helpers.hub_faults import EVER, GATED, Fault
from tests.helpers.reviews import make_reviews, write_csv

MODEL, DATA_SET, LARGE, TABLE = "bert-base-uncased", "fancyzhx/amazon_polarity", "some/reviews", "some/table"
BUSY = {"Retry-After": "1"}
PLAN = ("train", "--plan")
"""Fetches the encoder and no reviews."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the repositories' files are."""
    folder = tmp_path_factory.mktemp("hub")
    build_tiny_bert(folder / "bert")
    build_amazon_polarity(folder / "reviews", n_train=900, n_test=10, rows_per_group=100, n_shards=3)
    build_amazon_polarity(folder / "large", n_train=16_000, n_test=10, rows_per_group=1000, n_shards=2)
    (folder / "table").mkdir()
    write_csv(folder / "table" / "train.csv", make_reviews(60))
    return folder


@pytest.fixture
def hub(folder: Path) -> Iterator[Hub]:
    """A Hub with a tiny encoder, 900 reviews in three shards, 16,000 in two, and 60 in a table."""
    reviews = {DATA_SET: folder / "reviews", LARGE: folder / "large", TABLE: folder / "table"}
    with Hub({MODEL: folder / "bert"}, reviews) as served:
        yield served


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """A client whose patience is one second."""
    return hub.environment(tmp_path / "hf") | {"HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}


def prepare(folder: Path, name: str = "amazon_polarity", rows: int = 700) -> tuple[str, ...]:
    """Return a command that fetches reviews and no encoder."""
    return ("prepare", name, "--rows", str(rows), "--encoder", str(folder / "bert"))


def run(args: tuple[str, ...], tmp_path: Path, environment: dict[str, str], cache: str = "cache") -> Outcome:
    outcome = run_polarity(*args, cwd=tmp_path, cache=tmp_path / cache, environment=environment)
    assert "Traceback" not in outcome.stderr
    return outcome


def list_rows(cache: Path) -> list[dict[str, Any]]:
    """Return the rows that were kept of the data set, in order."""
    (path,) = cache.glob("hub/**/train.parquet")
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_encoder_comes_through_every_fault_that_passes(hub: Hub, environment: dict[str, str], tmp_path: Path) -> None:
    weights = "model.safetensors"
    hub.faults.plan(
        Fault(f"/api/models/{MODEL}$", status=429, headers=BUSY, times=2),
        Fault("/tree/", status=503),
        Fault("/config.json", method="HEAD", status=500),
        Fault("/config.json", corrupt=True),
        Fault("/tokenizer.json", cut_after=100, stall_s=3),
        Fault(weights, cut_after=150_000),
    )
    outcome = run(PLAN, tmp_path, environment)
    assert outcome.code == 0, outcome.stderr
    assert hub.faults.n_left == 0
    for phrase in (
        "the Hub answered 429 (Too Many Requests); trying again in 1 s.",
        "the Hub answered 503 (Service Unavailable); trying again in 1 s.",
        "the Hub answered 500 (Internal Server Error); trying again in 1 s.",
        "config.json came with another checksum than the Hub declares; trying again in 1 s.",
        "the Hub sent nothing for 1 s; trying again in 1 s.",
        "the connection to the Hub was cut",
    ):
        assert f"{MODEL}: {phrase}" in outcome.stderr
    assert outcome.stderr.count("trying again") == 7
    n_twice = hub.n_bytes(weights) - len(hub.models[MODEL].files[weights])
    assert 0 <= n_twice < PIECE_BYTES  # went on where it broke
    n_requests = len(hub.requests)
    assert run(PLAN, tmp_path, environment).stdout == outcome.stdout
    assert [request.path for request in hub.requests[n_requests:]] == [f"/api/models/{MODEL}"]


def test_reviews_come_through_faults_without_one_lost_or_doubled(
    hub: Hub, folder: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    hub.faults.plan(
        Fault("README.md", corrupt=True),
        Fault("train-00000", corrupt=True, spared=2),  # in the middle of the file, which is read in three parts
        Fault("train-00000", cut_after=500),
        Fault("train-00001", cut_after=10, stall_s=3),
        Fault("train-00001", status=502, times=2),
    )
    outcome = run(prepare(folder, LARGE, 9_000), tmp_path, environment)
    assert outcome.code == 0, outcome.stderr
    assert hub.faults.n_left == 0
    for phrase in (
        "README.md came with another checksum",
        "train-00000-of-00002.parquet came with content that is not Parquet",
        "the connection to the Hub was cut",
        "the Hub sent nothing for 1 s; trying again in 1 s.",
        "the Hub answered 502 (Bad Gateway); trying again in 2 s.",
    ):
        assert f"{LARGE}: {phrase}" in outcome.stderr
    rows = list_rows(tmp_path / "cache")
    shards = [pq.read_table(path) for path in sorted((folder / "large").rglob("train-*"))]
    expected = pa.concat_tables(shards).slice(0, 9_000).to_pylist()
    assert rows == [{**row, "label": ("negative", "positive")[row["label"]]} for row in expected]


@pytest.mark.parametrize(
    ("fault", "phrases", "n_pauses"),
    [
        (Fault("/tree/", status=503, headers=BUSY), ("answered 503 (Service Unavailable), 5 times", "again later"), 4),
        (Fault("/tree/", status=429, headers={"Retry-After": "3600"}), ("429", "a pause of 3,600 s", "again later"), 0),
        (Fault("safetensors", cut_after=0), ("connection to the Hub was cut", "5 times", "again later"), 4),
        (Fault("safetensors", cut_after=0, stall_s=2), ("sent nothing for 1 s, 5 times", "again later"), 4),
        (Fault("safetensors", corrupt=True), ("model.safetensors came with another SHA-256", "3 times", "proxy"), 2),
        (Fault("vocab|tokenizer.json", status=404, headers={"X-Error-Code": "EntryNotFound"}), ("does not have it",), 0),
        (Fault("resolve", method="HEAD", status=403, headers=GATED), ("access to it must be granted", "hf auth login"), 0),
    ],
    ids=["busy", "long pause", "cut", "stall", "wrong checksum", "missing file", "gated"],
)
def test_fault_that_stays_ends_in_a_clear_error_and_spoils_nothing(
    hub: Hub, environment: dict[str, str], tmp_path: Path, fault: Fault, phrases: tuple[str, ...], n_pauses: int
) -> None:
    fault.times = EVER
    hub.faults.plan(fault)
    outcome = run(PLAN, tmp_path, environment)
    assert (outcome.code, outcome.stdout) == (1, "")
    last = outcome.stderr[outcome.stderr.index("polarity: ") :]
    for phrase in (MODEL, *phrases):
        assert phrase in last
    assert outcome.stderr.count("trying again") == n_pauses
    assert not list((tmp_path / "cache").glob("hub/files/*"))
    assert not list((tmp_path / "hf").rglob("*.incomplete"))
    for kept in (tmp_path / "hf").rglob("*.safetensors"):
        assert kept.read_bytes() == hub.models[MODEL].files[kept.name]
    hub.faults.plan()
    assert run(PLAN, tmp_path, environment).code == 0


@pytest.mark.parametrize(
    ("fault", "phrase"),
    [
        (Fault("train-00001", corrupt=True), "train-00001-of-00003.parquet came with content that is not Parquet"),
        (Fault("train-00001", status=500, headers=BUSY), "answered 500 (Internal Server Error), 5 times"),
        (Fault("train-00001", status=404, headers={"X-Error-Code": "EntryNotFound"}), "lists train-00001-of-00003.parquet"),
        (Fault("resolve", method="HEAD", status=401, headers=GATED), "access to it must be granted"),
    ],
    ids=["wrong content", "busy", "missing file", "gated"],
)
def test_reviews_that_never_come_whole_are_not_kept(
    hub: Hub, folder: Path, environment: dict[str, str], tmp_path: Path, fault: Fault, phrase: str
) -> None:
    fault.times = EVER
    hub.faults.plan(fault)
    outcome = run(prepare(folder), tmp_path, environment)
    assert (outcome.code, outcome.stdout) == (1, "")
    assert f"polarity: {DATA_SET}: " in outcome.stderr
    assert phrase in outcome.stderr
    assert not list((tmp_path / "cache").rglob("*.parquet"))
    hub.faults.plan()
    assert run(prepare(folder), tmp_path, environment).code == 0
    assert len(list_rows(tmp_path / "cache")) == 700


def test_table_that_is_not_parquet_is_read_by_the_same_rule(
    hub: Hub, folder: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    command = prepare(folder, TABLE, 50)
    hub.faults.plan(Fault("train.csv", status=503, headers=BUSY, times=EVER))
    outcome = run(command, tmp_path, environment)
    assert outcome.code == 1
    assert outcome.stderr.count("trying again in 1 s") == 4
    assert "answered 503 (Service Unavailable), 5 times in a row" in outcome.stderr
    hub.faults.plan(Fault("train.csv", corrupt=True, times=EVER))
    outcome = run(command, tmp_path, environment)
    assert outcome.code == 2
    assert f"{TABLE}: its train split cannot be read" in outcome.stderr
    hub.faults.plan(Fault("train.csv", cut_after=100), Fault("train.csv", cut_after=10, stall_s=3))
    outcome = run(command, tmp_path, environment)
    assert outcome.code == 0, outcome.stderr
    assert hub.faults.n_left == 0
    assert [row["content"] for row in list_rows(tmp_path / "cache")] == [content for _, _, content in make_reviews(50)]


def start(args: tuple[str, ...], tmp_path: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "polarity_cli", *args],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **environment, "PYTHONPATH": str(REPOSITORY), "POLARITY_CACHE": str(tmp_path / "cache")},
        preexec_fn=hear_interrupts,
    )


def test_countdown_can_be_interrupted(hub: Hub, environment: dict[str, str], tmp_path: Path) -> None:
    hub.faults.plan(Fault("/api/models", status=503, headers={"Retry-After": "100"}))
    with start(PLAN, tmp_path, environment) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"{MODEL}: the Hub answered 503 (Service Unavailable); trying again in 100 s.\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "polarity: interrupted.\n"
        assert process.wait(timeout=10) == 130


def test_killed_download_leaves_nothing_that_is_used(hub: Hub, environment: dict[str, str], tmp_path: Path) -> None:
    hub.faults.plan(Fault("safetensors", cut_after=20_000, stall_s=30))
    with start(PLAN, tmp_path, environment | {"HF_HUB_DOWNLOAD_TIMEOUT": "30"}) as process:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "hf").rglob("*.incomplete")) or hub.faults.n_left:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
    assert not list((tmp_path / "hf").rglob("*.safetensors"))
    assert run(PLAN, tmp_path, environment).code == 0
