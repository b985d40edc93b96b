"""The default job, against a Hub on the loopback address, and without any."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.commands import REPOSITORY, Outcome, run_polarity
from tests.helpers.hub import Hub, build_amazon_polarity, build_tiny_bert

N_ROWS, N_TEST = 24_000, 2_000
DATA_SET = "fancyzhx/amazon_polarity"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub with a tiny `bert-base-uncased` and an Amazon Polarity of 24,000 rows in four shards."""
    folder = tmp_path_factory.mktemp("hub")
    build_tiny_bert(folder / "bert")
    build_amazon_polarity(folder / "reviews", n_train=N_ROWS, n_test=N_TEST, rows_per_group=1000, n_shards=4)
    with Hub({"bert-base-uncased": folder / "bert"}, {DATA_SET: folder / "reviews"}) as served:
        yield served


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    return hub.environment(tmp_path / "hf")


@pytest.mark.slow
def test_default_job_reads_the_first_rows_and_trains(hub: Hub, environment: dict[str, str], tmp_path: Path) -> None:
    outcome = run_polarity(
        "train",
        "--unfreeze",
        2,
        "--learning-rate",
        5e-3,
        "--rows",
        1000,
        "--json",
        cwd=tmp_path,
        cache=tmp_path / "cache",
        environment=environment,
    )
    assert outcome.code == 0, outcome.stderr
    result = json.loads(outcome.stdout)
    assert {name: counts["n_rows"] for name, counts in result["data"]["splits"].items()} == {
        "train": 700,
        "validation": 100,
        "test": 200,
    }
    assert result["data"]["labels"] == {"negative": "negative", "positive": "positive"}
    assert result["data"]["revision"] == hub.datasets[DATA_SET].sha
    assert result["encoder"] == {
        "name": "bert-base-uncased",
        "hub_id": "bert-base-uncased",
        "revision": hub.models["bert-base-uncased"].sha,
    }
    assert result["metrics"]["test"]["f1"] > 0.9


WATCH = """\
import sys

def hear(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname") or (event == "socket.connect" and isinstance(args[1], tuple)):
        with open({log!r}, "a") as file:
            print(event, args[1:], file=file)

sys.addaudithook(hear)
"""
"""Run at the start of a Python process: notes every look-up of a name and every connection."""


@pytest.mark.slow
def test_default_job_reads_what_it_needs_and_every_verb_then_works_offline(
    hub: Hub, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "watch").mkdir()
    log = tmp_path / "connections"
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    watched = environment | {"PYTHONPATH": f"{tmp_path / 'watch'}{os.pathsep}{REPOSITORY}"}

    def run(*args: object) -> Outcome:
        outcome = run_polarity(*args, cwd=tmp_path, cache=tmp_path / "cache", environment=watched)
        assert outcome.code == 0, outcome.stderr
        return outcome

    size = sum(len(content) for name, content in hub.datasets[DATA_SET].files.items() if "train" in name)
    n_before = len(hub.requests)
    run("train", "--unfreeze", 2)
    asked = hub.requests[n_before:]
    trained = json.loads((tmp_path / "ckpt" / "polarity.json").read_text())
    assert sum(counts["n_rows"] for counts in trained["data"]["splits"].values()) == 10_000
    assert 10_000 / N_ROWS * size < sum(request.n_bytes for request in asked if "/train-" in request.path) < 0.6 * size
    assert not [request for request in asked if "/test-" in request.path]
    assert "socket.connect" in log.read_text()

    log.unlink()
    n_before = len(hub.requests)
    run("train", "--unfreeze", 2, "--offline", "--out", "again")
    watched["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert json.loads(run("prepare", "--offline", "--json").stdout)["from_cache"] is True
    run("evaluate", "ckpt", "--offline")
    run("predict", "--offline", "--checkpoint", "ckpt", "great product")
    assert len(hub.requests) == n_before
    assert not log.exists(), log.read_text()
    again = json.loads((tmp_path / "again" / "polarity.json").read_text())
    assert again["metrics"] == trained["metrics"]


@pytest.mark.slow
def test_part_of_the_rows_costs_a_part_of_the_download_and_serves_offline(
    hub: Hub, environment: dict[str, str], tmp_path: Path
) -> None:
    def prepare(*more: object) -> dict[str, object]:
        outcome = run_polarity("prepare", "--json", *more, cwd=tmp_path, cache=tmp_path / "cache", environment=environment)
        assert outcome.code == 0, outcome.stderr
        found: dict[str, object] = json.loads(outcome.stdout)
        return found

    size = sum(len(content) for name, content in hub.datasets[DATA_SET].files.items() if "train" in name)
    before = hub.n_bytes(".parquet")
    first = prepare("--rows", 1000)
    assert 1000 / N_ROWS * size < hub.n_bytes(".parquet") - before < 0.4 * size
    n_requests = len(hub.requests)
    assert prepare("--rows", 1000, "--offline") == {**first, "from_cache": True}
    assert prepare("--rows", 1000, "--offline", "--max-length", 64)["from_cache"] is False
    assert len(hub.requests) == n_requests
    outcome = run_polarity(
        "prepare", "--rows", 2000, "--offline", cwd=tmp_path, cache=tmp_path / "cache", environment=environment
    )
    assert outcome.code == 1
    assert "Run once without --offline" in outcome.stderr


@pytest.mark.slow
def test_all_rows_keep_the_sets_own_test_split(environment: dict[str, str], tmp_path: Path) -> None:
    outcome = run_polarity("prepare", "--rows", "all", "--json", cwd=tmp_path, cache=tmp_path / "cache", environment=environment)
    assert outcome.code == 0, outcome.stderr
    splits = json.loads(outcome.stdout)["splits"]
    assert splits["test"]["n_rows"] == N_TEST
    assert splits["train"]["n_rows"] + splits["validation"]["n_rows"] == N_ROWS


@pytest.mark.parametrize(
    ("args", "phrase"),
    [
        (("prepare", "nobody/nothing"), "nobody/nothing: not on the Hub"),
        (("train", "--plan", "--encoder", "no-such-bert"), "no-such-bert: not on the Hub"),
    ],
)
def test_repository_that_is_not_there_is_said(
    environment: dict[str, str], tmp_path: Path, args: tuple[str, ...], phrase: str
) -> None:
    outcome = run_polarity(*args, cwd=tmp_path, cache=tmp_path / "cache", environment=environment)
    assert outcome.code == 1
    assert phrase in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_configuration_is_part_of_the_name(environment: dict[str, str], tmp_path: Path, tiny_encoder: Path) -> None:
    def prepare(source: str) -> Outcome:
        more = ("--rows", 100, "--json", "--encoder", tiny_encoder)
        return run_polarity("prepare", source, *more, cwd=tmp_path, cache=tmp_path / "cache", environment=environment)

    outcome = prepare(f"{DATA_SET}:amazon_polarity")
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["source"] == f"{DATA_SET}:amazon_polarity"
    outcome = prepare(f"{DATA_SET}:sst2")
    assert outcome.code == 2
    assert "it has no such configuration" in outcome.stderr
    assert f"{DATA_SET}:amazon_polarity" in outcome.stderr


@pytest.mark.parametrize("args", [("train", "--unfreeze", "2"), ("prepare",), ("train", "--plan")], ids=" ".join)
def test_hub_out_of_reach_ends_the_default_job_at_once_with_the_ways_out(tmp_path: Path, args: tuple[str, ...]) -> None:
    started = time.monotonic()
    outcome = run_polarity(
        *args,
        cwd=tmp_path,
        cache=tmp_path / "cache",
        environment={"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hf")},
    )
    assert outcome.code == 1
    assert outcome.stdout == ""
    for phrase in ("the Hub is out of reach", "network", "HF_ENDPOINT", "reviews.csv", "./folder", "--sample"):
        assert phrase in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert time.monotonic() - started < 20
    assert not (tmp_path / "ckpt").exists()


def test_offline_run_without_a_cache_says_so(tmp_path: Path) -> None:
    outcome = run_polarity("train", "--offline", cwd=tmp_path, cache=tmp_path / "cache")
    assert outcome.code == 1
    assert "--offline makes no connection" in outcome.stderr
