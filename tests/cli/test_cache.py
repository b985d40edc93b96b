"""`polarity cache list` and `polarity cache prune`: what is shown, what goes, and what never does."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.cache.contents import list_items
from polarity_cli.cache.locks import hold
from polarity_cli.cli.values import parse_bytes, parse_duration
from polarity_cli.errors import UsageError
from tests.helpers.commands import REPOSITORY, Outcome
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]
DAY_S = 86_400


@pytest.fixture
def filled(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path, cache_dir: Path) -> Path:
    """A cache with the checkpoint of one file of reviews, and another file's tokenized reviews."""
    train = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs")
    assert train.code == 0, train.stderr
    other = write_csv(tmp_path / "other.csv", make_reviews(40, seed=1))
    assert polarity("prepare", other, "--encoder", tiny_encoder).code == 0
    return cache_dir


def list_entries(polarity: Polarity) -> list[dict[str, Any]]:
    outcome = polarity("cache", "list", "--json")
    assert outcome.code == 0, outcome.stderr
    result = json.loads(outcome.stdout)
    assert result["size"] == sum(entry["size"] for entry in result["entries"])
    entries: list[dict[str, Any]] = result["entries"]
    return entries


def list_kinds(polarity: Polarity) -> list[str]:
    return sorted(entry["kind"] for entry in list_entries(polarity))


def set_age(cache: Path, days: float, *kinds: str) -> None:
    """Let everything of some kinds, or of all, look as if it was used so many days ago."""
    then = time.time() - days * DAY_S
    for item in list_items(cache):
        if not kinds or item.kind in kinds:
            os.utime(item.folder, (then, then))
            if item.place.notes.exists():
                os.utime(item.place.notes, (then, then))


def test_list_shows_kind_size_age_use_and_what_it_is(polarity: Polarity, filled: Path) -> None:
    entries = list_entries(polarity)
    assert sorted(entry["kind"] for entry in entries) == ["checkpoints", "data", "data", *["features"] * 3]
    (checkpoint,) = (entry for entry in entries if entry["kind"] == "checkpoints")
    needed, free = sorted((e for e in entries if e["kind"] == "data"), key=lambda entry: not entry["needed_by"])
    assert needed["needed_by"] == [f"checkpoints/{checkpoint['name']}"]
    assert free["needed_by"] == []
    assert free["description"].endswith("tiny, 40 reviews")
    assert "reviews.csv" in checkpoint["description"]
    assert {"train", "validation", "test"} <= {e["description"].split(", ")[2] for e in entries if e["kind"] == "features"}
    for entry in entries:
        files = [path for path in Path(entry["folder"]).rglob("*") if path.is_file()]
        assert entry["size"] == sum(path.stat().st_size for path in files) > 0
        assert entry["in_use"] is False
    table = polarity("cache", "list").stdout.splitlines()
    assert table[0].split() == ["KIND", "SIZE", "USED", "MADE", "NAME", "USE", "WHAT"]
    assert len(table) == len(entries) + 2
    assert any(f"needed by checkpoints/{checkpoint['name']}" in line for line in table)


def test_use_is_noted(polarity: Polarity, filled: Path, tmp_path: Path, tiny_encoder: Path) -> None:
    set_age(filled, 40)
    polarity("prepare", tmp_path / "other.csv", "--encoder", tiny_encoder)
    first, *others = list_entries(polarity)
    assert first["description"].startswith(str(tmp_path / "other.csv"))
    assert first["used"] > max(entry["used"] for entry in others)
    assert first["made"] <= max(entry["made"] for entry in others)


def test_nothing_is_listed_where_nothing_is(polarity: Polarity) -> None:
    outcome = polarity("cache", "list")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert "Nothing in" in outcome.stderr
    assert json.loads(polarity("cache", "list", "--json").stdout)["entries"] == []
    assert "0 bytes freed" in polarity("cache", "prune", "--older-than", "1d").stdout


def test_manifests_of_garbage_are_listed(polarity: Polarity, filled: Path) -> None:
    for path in [*filled.rglob("manifest.json"), *filled.rglob("polarity.json")]:
        path.write_text('{"key": 1, "splits": {"train": 2}, "data": [], "metrics": {"test": 0}, "source": "\\u001b[31m"}')
    outcome = polarity("cache", "list")
    assert outcome.code == 0
    assert "\x1b" not in outcome.stdout
    assert len(list_entries(polarity)) == 6


@pytest.mark.parametrize(
    ("args", "phrases"),
    [
        ((), ("Nothing says what may go", "--older-than 30d", "--max-size 5GB")),
        (("--older-than", "a month"), ("--older-than a month", "30d")),
        (("--older-than", "-1d"), ("--older-than -1d",)),
        (("--max-size", "auto"), ("--max-size auto", "500MB")),
    ],
)
def test_wrong_criteria_are_quoted(polarity: Polarity, args: tuple[str, ...], phrases: tuple[str, ...]) -> None:
    outcome = polarity("cache", "prune", *args)
    assert (outcome.code, outcome.stdout) == (2, "")
    for phrase in phrases:
        assert phrase in outcome.stderr


def test_durations_and_sizes_are_read() -> None:
    assert [parse_duration(value, "--older-than") for value in ("90s", "2m", "1.5h", "30d", "2w")] == [
        90,
        120,
        5400,
        30 * DAY_S,
        14 * DAY_S,
    ]
    assert parse_bytes("5GB", "--max-size") == 5_000_000_000
    with pytest.raises(UsageError, match="--max-size off"):
        parse_bytes("off", "--max-size")


def test_what_was_not_used_for_long_goes_but_not_what_a_checkpoint_needs(polarity: Polarity, filled: Path) -> None:
    set_age(filled, 40, "data", "features")
    shown = polarity("cache", "prune", "--older-than", "30d", "--dry-run")
    assert "would be freed" in shown.stdout
    assert len(list_entries(polarity)) == 6
    freed = json.loads(polarity("cache", "prune", "--older-than", "30d", "--json").stdout)
    assert sorted(entry["kind"] for entry in freed["entries"]) == ["data", *["features"] * 3]
    assert freed["freed"] == sum(entry["size"] for entry in freed["entries"])
    assert list_kinds(polarity) == ["checkpoints", "data"]
    assert not [path for path in filled.rglob(".*") if path.is_dir()]
    (checkpoint,) = (entry["name"] for entry in list_entries(polarity) if entry["kind"] == "checkpoints")
    assert polarity("evaluate", filled / "checkpoints" / checkpoint).code == 0


def test_nothing_young_goes_by_age(polarity: Polarity, filled: Path) -> None:
    assert "0 bytes freed" in polarity("cache", "prune", "--older-than", "1h").stdout
    assert len(list_entries(polarity)) == 6


def test_what_was_used_longest_ago_goes_first_until_the_size_fits(polarity: Polarity, filled: Path) -> None:
    entries = [entry for entry in list_entries(polarity) if entry["kind"] == "features"]
    total = sum(entry["size"] for entry in list_entries(polarity))
    for days, entry in enumerate(entries, 1):
        then = time.time() - days * DAY_S
        os.utime(entry["folder"], (then, then))
        os.utime(filled / "seen" / f"features--{entry['name']}.json", (then, then))
    result = json.loads(polarity("cache", "prune", "--max-size", f"{total - 1}B", "--json").stdout)
    assert [entry["name"] for entry in result["entries"]] == [entries[-1]["name"]]
    assert result["size"] == total - entries[-1]["size"]


def test_checkpoint_goes_only_with_consent_and_takes_its_reviews_along(polarity: Polarity, filled: Path) -> None:
    kept = polarity("cache", "prune", "--max-size", "0")
    assert kept.code == 0
    assert "Checkpoints and interrupted runs are kept" in kept.stderr
    assert "--yes" in kept.stderr
    assert list_kinds(polarity) == ["checkpoints", "data"]
    assert polarity("cache", "prune", "--max-size", "0", "--yes", "--dry-run").code == 0
    assert list_kinds(polarity) == ["checkpoints", "data"]
    assert polarity("cache", "prune", "--max-size", "0", "--yes").code == 0
    assert list_kinds(polarity) == []


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "left"), [(b"n\n", ["checkpoints", "data"]), (b"y\n", [])], ids=["no", "yes"])
def test_person_at_a_terminal_is_asked(polarity: Polarity, filled: Path, answer: bytes, left: list[str]) -> None:
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "polarity_cli", "cache", "prune", "--max-size", "0"],
        cwd=REPOSITORY,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    asked = b""
    while b"[y/N]" not in asked:
        asked += os.read(master, 1024)
    assert b"Remove for good: checkpoints/" in asked
    os.write(master, answer)
    stdout, _ = process.communicate(timeout=30)
    os.close(master)
    assert process.returncode == 0
    assert b"freed" in stdout
    assert list_kinds(polarity) == left


def test_what_is_in_use_stays(polarity: Polarity, filled: Path) -> None:
    (free,) = (entry for entry in list_entries(polarity) if entry["kind"] == "data" and not entry["needed_by"])
    held = hold(Path(free["folder"]))
    assert held is not None
    (shown,) = (entry for entry in list_entries(polarity) if entry["name"] == free["name"])
    assert shown["in_use"] is True
    assert "in use" in polarity("cache", "list").stdout
    outcome = polarity("cache", "prune", "--max-size", "0", "--yes")
    assert outcome.code == 0
    assert list_kinds(polarity) == ["data"]
    assert "are left" in outcome.stderr
    held.close()
    polarity("cache", "prune", "--max-size", "0", "--yes")
    assert list_kinds(polarity) == []


def test_leftovers_of_killed_processes_go_and_what_is_being_made_stays(polarity: Polarity, filled: Path) -> None:
    dead, alive = (filled / kind / f".{'0' * 16}.abcd" for kind in ("data", "features"))
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "hidden.f16").write_bytes(bytes(100))
        os.utime(folder, (time.time() - 120,) * 2)
    held = hold(alive)
    assert held is not None
    descriptions = [entry["description"] for entry in list_entries(polarity) if entry["name"].startswith(".")]
    assert sorted(descriptions) == ["being made", "left by a process that was killed"]
    assert polarity("cache", "prune", "--older-than", "30d").code == 0
    assert not dead.exists()
    assert alive.exists()
    held.close()
    assert len(list_entries(polarity)) == 7


def test_link_in_the_cache_goes_alone(polarity: Polarity, filled: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("")
    (filled / "data" / ("f" * 16)).symlink_to(tmp_path / "mine")
    assert polarity("cache", "prune", "--max-size", "0", "--yes").code == 0
    assert (tmp_path / "mine" / "precious").exists()
    assert list((filled / "data").iterdir()) == []


def test_interrupted_run_is_listed_and_asked_for(polarity: Polarity, filled: Path) -> None:
    (run,) = (filled / "runs").iterdir()
    (needed,) = (entry["name"] for entry in list_entries(polarity) if entry["needed_by"])
    shutil.rmtree(filled / "checkpoints")
    state = run / "state-000000004-000001"
    state.mkdir()
    described = {"--source": "reviews.csv", "--encoder": "tiny", "the tokenized reviews": needed}
    (state / "manifest.json").write_text(json.dumps({"run": described}))
    (shown,) = (entry for entry in list_entries(polarity) if entry["kind"] == "runs")
    assert shown["description"] == "interrupted, reviews.csv, tiny"
    polarity("cache", "prune", "--max-size", "0")
    assert list_kinds(polarity) == ["data", "runs"]
    polarity("cache", "prune", "--max-size", "0", "--yes")
    assert list_kinds(polarity) == []
    assert [path.name for path in run.iterdir()] == ["lock"]


def test_help_has_examples(polarity: Polarity) -> None:
    for command in ("list", "prune"):
        page = polarity("cache", command, "--help").stdout
        assert f"  polarity cache {command}" in page
        for option in ("--cache-dir", "--json", "--quiet", "--debug"):
            assert option in page
    assert re.search(r"^ +cache +Show what the cache holds", polarity("--help").stdout, re.MULTILINE)
