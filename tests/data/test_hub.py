"""Parts of a Hub data set: its splits and configurations, fetched alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import REPOSITORY
from tests.helpers.hub import Hub, build_amazon_polarity, build_configured_set

CLIENT = """\
import json, sys
from pathlib import Path
from polarity_cli.config import Context
from polarity_cli.data.hub import fetch_rows
from polarity_cli.errors import PolarityError
import pyarrow.parquet as pq

for line in sys.stdin:
    offline, call = json.loads(line)
    try:
        entry, _ = fetch_rows(**call, context=Context(cache_dir=Path(sys.argv[1]), offline=offline))
        files = {path.stem: pq.read_table(path).to_pydict() for path in sorted(entry.folder.glob("*.parquet"))}
        said = {name: entry.manifest.get(name) for name in ("split", "splits")}
        print(json.dumps({"files": files, "is_new": entry.is_new, **said}))
    except PolarityError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error), "hint": error.hint}))
"""
"""Answers each call of `fetch_rows` on standard input: the Hub's clients read its address once, when they are imported."""
AMAZON, CONFIGURED = "fancyzhx/amazon_polarity", "a/reviews"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    build_amazon_polarity(folder / "amazon", n_train=4000, n_test=500, rows_per_group=100, n_shards=2)
    build_configured_set(folder / "configured")
    with Hub({}, {AMAZON: folder / "amazon", CONFIGURED: folder / "configured"}) as served:
        yield served


def fetch(hub: Hub, folder: Path, *calls: dict[str, Any], offline: bool = False) -> list[dict[str, Any]]:
    """Return what each call of `fetch_rows` gave, all in one process."""
    lines = "".join(json.dumps([offline, {"rows": None, **call}]) + "\n" for call in calls)
    command = [sys.executable, "-c", CLIENT, str(folder / "cache")]
    environment = hub.environment(folder / "hf") | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, input=lines, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_test_split_is_fetched_without_the_training_rows(hub: Hub, tmp_path: Path) -> None:
    n_before = len(hub.requests)
    test = {"name": AMAZON, "splits": ["test"]}
    whole, first, again = fetch(hub, tmp_path, test, {**test, "rows": 20}, test)
    assert not [request for request in hub.requests[n_before:] if "/train-" in request.path]
    assert whole["split"] == "test"
    assert whole["splits"] == ["train", "test"]
    assert whole["files"].keys() == {"test"}
    assert len(whole["files"]["test"]["label"]) == 500
    assert set(whole["files"]["test"]["label"]) == {"negative", "positive"}
    assert first["files"]["test"] == {name: values[:20] for name, values in whole["files"]["test"].items()}
    assert (whole["is_new"], again["is_new"]) == (True, False)

    n_before = len(hub.requests)
    assert fetch(hub, tmp_path, test, {**test, "rows": 20}, offline=True) == [again, {**first, "is_new": False}]
    (missing,) = fetch(hub, tmp_path, {**test, "rows": 21}, offline=True)
    assert missing["hint"] == "Run once without --offline."
    assert len(hub.requests) == n_before


def test_first_split_that_the_set_has_is_taken(hub: Hub, tmp_path: Path) -> None:
    plain = {"name": f"{CONFIGURED}:plain"}
    validation, train, none = fetch(
        hub,
        tmp_path,
        {**plain, "splits": ["test", "validation", "train"], "rows": 5},
        {**plain, "splits": ["train"]},
        {**plain, "splits": ["test"]},
    )
    assert validation["split"] == "validation"
    assert len(validation["files"]["validation"]["label"]) == 5
    assert train["files"].keys() == {"train"}
    assert none["error"] == "DataError"
    assert none["message"] == "a/reviews:plain: no test split; its splits are train, validation."


def test_configuration_is_named_behind_a_colon(hub: Hub, tmp_path: Path) -> None:
    stars, plain = fetch(hub, tmp_path, {"name": f"{CONFIGURED}:stars"}, {"name": f"{CONFIGURED}:plain"})
    assert {split: len(columns["label"]) for split, columns in stars["files"].items()} == {
        "train": 60,
        "validation": 20,
        "test": 30,
    }
    assert set(stars["files"]["train"]["label"]) == {"negative", "positive"}
    assert set(stars["files"]["test"]["label"]) == {None}
    assert {split: len(columns["label"]) for split, columns in plain["files"].items()} == {"train": 40, "validation": 10}
    assert set(plain["files"]["train"]["label"]) == {0, 1}


def test_configuration_that_is_missing_or_unknown_is_refused_with_those_there_are(hub: Hub, tmp_path: Path) -> None:
    several, unknown, of_another, empty = fetch(
        hub,
        tmp_path,
        {"name": CONFIGURED},
        {"name": f"{CONFIGURED}:sst2"},
        {"name": f"{AMAZON}:sst2"},
        {"name": f"{CONFIGURED}:"},
    )
    assert several["message"] == "a/reviews: it has several configurations: plain, stars."
    assert several["hint"] == "Name one behind a colon: a/reviews:plain"
    assert unknown["message"] == "a/reviews:sst2: it has no such configuration."
    assert unknown["hint"] == "Choose one of plain, stars: a/reviews:plain"
    assert of_another["hint"] == "Choose one of amazon_polarity: fancyzhx/amazon_polarity:amazon_polarity"
    assert empty["error"] == "UsageError"
