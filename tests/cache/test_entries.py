"""Entries of the cache are made once, by one of many processes, and a damaged one is made again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from polarity_cli.cache.entries import find_entry
from polarity_cli.cache.layout import MANIFEST
from polarity_cli.cache.locks import lock
from tests.helpers.cache import list_names, read_tree
from tests.helpers.commands import REPOSITORY, Outcome
from tests.helpers.making import CONTENT, KEY, place
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]


# Many processes at once


def start_making(folder: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.helpers.making", str(folder / "cache"), str(folder / "log"), str(seconds)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_eight_processes_at_once_do_the_work_once(tmp_path: Path) -> None:
    processes = [start_making(tmp_path, 1.5) for _ in range(8)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, outputs
    assert len((tmp_path / "log").read_text().splitlines()) == 1
    assert {stdout for stdout, _ in outputs} == {CONTENT}
    assert sum("waiting for another process that makes the same" in stderr for _, stderr in outputs) == 7
    assert list_names(tmp_path / "cache" / "data") == [place(tmp_path).name]


def test_another_takes_over_when_the_one_that_works_is_killed(tmp_path: Path) -> None:
    worker = start_making(tmp_path, 600)
    wait_for((tmp_path / "log").exists)
    others = [start_making(tmp_path, 0.2) for _ in range(3)]
    for other in others:
        assert other.stderr is not None
        assert "waiting" in other.stderr.readline()
    assert len(list_names(tmp_path / "cache" / "data")) == 1  # half an entry, under another name
    assert find_entry(place(tmp_path / "cache"), KEY) is None
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    assert {other.communicate(timeout=60)[0] for other in others} == {CONTENT}
    assert len((tmp_path / "log").read_text().splitlines()) == 2
    assert list_names(tmp_path / "cache" / "data") == [place(tmp_path).name]


@pytest.mark.slow
def test_eight_preparations_at_once_tokenize_once(tmp_path: Path, tiny_encoder: Path) -> None:
    source = write_csv(tmp_path / "reviews.csv", make_reviews(8000))
    command = [sys.executable, "-m", "polarity_cli", "prepare", str(source), "--encoder", str(tiny_encoder), "--json"]
    environment = {**os.environ, "POLARITY_CACHE": str(tmp_path / "cache")}
    processes = [
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    outputs = [process.communicate(timeout=140) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, outputs
    results = [json.loads(stdout) for stdout, _ in outputs]
    assert sorted(result.pop("from_cache") for result in results) == [False, *[True] * 7]
    assert all(result == results[0] for result in results)
    assert len(list_names(tmp_path / "cache" / "data")) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_waiting_ends_with_a_signal(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, cache_dir: Path, number: signal.Signals, code: int
) -> None:
    folder = Path(json.loads(polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--json").stdout)["folder"])
    shutil.rmtree(folder)
    with lock(cache_dir / "locks" / f"data--{folder.name}", when_busy=None):
        process = subprocess.Popen(
            [sys.executable, "-m", "polarity_cli", "prepare", str(reviews_csv), "--encoder", str(tiny_encoder)],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert process.stderr is not None
        assert "waiting for another process" in process.stderr.readline()
        process.send_signal(number)
        assert process.wait(timeout=20) == code
    assert not folder.exists()


# Damage


def damage_entry(folder: Path, how: str) -> None:
    manifest, split = folder / MANIFEST, folder / "train.arrow"
    value, status = json.loads(manifest.read_text()), split.stat()
    if how == "torn file":
        os.truncate(split, status.st_size - 1)
    elif how == "edited file":
        content = bytearray(split.read_bytes())
        content[len(content) // 2] ^= 1
        split.write_bytes(content)
        os.utime(split, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif how == "missing file":
        split.unlink()
    elif how == "added file":
        (folder / "train-2.arrow").write_bytes(split.read_bytes())
    elif how == "link to a file":
        shutil.copy(split, folder.parent.parent / "elsewhere")
        split.unlink()
        split.symlink_to(folder.parent.parent / "elsewhere")
    elif how == "link to a folder":
        folder.rename(folder.parent.parent / "elsewhere")
        folder.symlink_to(folder.parent.parent / "elsewhere")
    elif how == "another entry":
        (other,) = (path for path in folder.parent.iterdir() if path != folder)
        shutil.rmtree(folder)
        shutil.copytree(other, folder)
    elif how == "no manifest":
        manifest.unlink()
    elif how == "torn manifest":
        manifest.write_bytes(manifest.read_bytes()[:-20])
    elif how == "edited manifest":
        value["splits"]["train"]["n_positive"] += 1
        manifest.write_text(json.dumps(value))
    elif how == "manifest of garbage":
        manifest.write_bytes(b"[" * 100_000)
    elif how == "a file in its place":
        shutil.rmtree(folder)
        folder.write_text("")


@pytest.mark.parametrize(
    "how",
    [
        "torn file",
        "edited file",
        "missing file",
        "added file",
        "link to a file",
        "link to a folder",
        "another entry",
        "no manifest",
        "torn manifest",
        "edited manifest",
        "manifest of garbage",
        "a file in its place",
    ],
)
def test_damaged_entry_is_noted_and_made_again(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, cache_dir: Path, how: str
) -> None:
    first = json.loads(polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--json").stdout)
    folder = Path(first["folder"])
    before = read_tree(folder)
    if how == "another entry":
        polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--seed", 1)
    time.sleep(0.15)  # so that what was checked is noted, and a stale note could be believed
    assert json.loads(polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--json").stdout)["from_cache"] is True
    damage_entry(folder, how)
    again = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--json", "--quiet")
    assert again.code == 0
    assert f"{folder}: damaged (" in again.stderr
    assert "it is made again" in again.stderr
    assert json.loads(again.stdout) == first
    assert read_tree(folder) == before
    assert not folder.is_symlink()
    if how.startswith("link"):
        assert (cache_dir / "elsewhere").exists()
    quiet = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--json")
    assert json.loads(quiet.stdout) == {**first, "from_cache": True}
    assert "damaged" not in quiet.stderr
    assert [name for name in list_names(cache_dir / "data") if name.startswith(".")] == []


def test_features_edited_in_one_byte_are_made_again(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, cache_dir: Path
) -> None:
    def run() -> Outcome:
        return polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs", "--json")

    first = run()
    stored = sorted((cache_dir / "features").glob("*/hidden.f16"))[0]
    whole = stored.read_bytes()
    stored.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    again = run()
    assert f"{stored.parent}: damaged (not as it was written: hidden.f16)" in again.stderr
    assert stored.read_bytes() == whole
    assert json.loads(again.stdout)["metrics"] == json.loads(first.stdout)["metrics"]


def test_damaged_checkpoint_is_passed_over(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, cache_dir: Path) -> None:
    for _ in range(2):
        assert polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs", "--out", "out").code == 0
    older, newer = sorted((cache_dir / "checkpoints").iterdir())
    assert json.loads(polarity("evaluate", "--json").stdout)["checkpoint"] == str(newer)
    os.truncate(newer / "model.safetensors", 1000)
    outcome = polarity("evaluate", "--json", "--quiet")
    assert f"{newer}: not as it was written; it is passed over" in outcome.stderr
    assert json.loads(outcome.stdout)["checkpoint"] == str(older)
    (older / "config.json").unlink()
    assert "No checkpoint in" in polarity("evaluate").stderr
