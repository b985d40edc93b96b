"""The cache never loses and never lies: entries are whole, made once, and gone without harm."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from polarity_cli.cache.entries import Entry, find_entry
from polarity_cli.cache.hashes import hash_known
from polarity_cli.cache.layout import MANIFEST
from polarity_cli.cache.locks import hold, is_held, lock
from polarity_cli.cache.new_entry import get_entry
from polarity_cli.cache.publish import publish, remove_tree
from polarity_cli.config import Context, DataConfig, TrainConfig
from polarity_cli.errors import CacheError
from polarity_cli.records import SilentObserver
from polarity_cli.train import train
from tests.conftest import REPOSITORY, Outcome, make_reviews, run_polarity, write_csv
from tests.helpers.making import CONTENT, KEY, place, write

Polarity = Callable[..., Outcome]


class Notes(SilentObserver):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def get(cache: Path, observer: SilentObserver | None = None, make: Callable[[Path], dict[str, object]] = write) -> Entry:
    return get_entry(place(cache), KEY, make, observer or SilentObserver())


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


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


def test_lock_that_is_removed_while_it_is_waited_for_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "one"
    with lock(path, when_busy=None):
        path.unlink()
        with lock(path, when_busy=None) as is_real:
            assert is_real
        with pytest.raises(BlockingIOError), lock(path, when_busy=None), lock(path, when_busy=None):
            pass


def test_link_in_the_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache" / "locks").mkdir(parents=True)
    place(tmp_path / "cache").lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CacheError, match="cannot be written"):
        get(tmp_path / "cache")
    assert not (tmp_path / "elsewhere").exists()


# Damage


def damage_entry(folder: Path, how: str) -> None:
    manifest, split = folder / MANIFEST, folder / "train.arrow"
    said, status = json.loads(manifest.read_text()), split.stat()
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
        said["splits"]["train"]["n_positive"] += 1
        manifest.write_text(json.dumps(said))
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


# Notes of what was checked


def test_file_is_not_hashed_twice_and_its_copy_is(tmp_path: Path) -> None:
    folder, notes = tmp_path / "one", tmp_path / "notes.json"
    folder.mkdir()
    (folder / "file").write_bytes(b"content")
    time.sleep(0.15)
    found = hash_known(folder, ["file"], notes)
    said = json.loads(notes.read_text())
    said["files"]["file"][-1] = "as noted"
    notes.write_text(json.dumps(said))
    assert hash_known(folder, ["file"], notes) == {"file": "as noted"}
    shutil.copytree(folder, tmp_path / "two")
    assert hash_known(tmp_path / "two", ["file"], notes) == found
    status = (folder / "file").stat()
    (folder / "file").write_bytes(b"CONTENT")
    os.utime(folder / "file", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert hash_known(folder, ["file"], notes) != found
    assert "as noted" not in hash_known(folder, ["file"], notes).values()


def test_file_that_changed_just_now_is_not_noted(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    hash_known(tmp_path, ["file"], tmp_path / "notes.json")
    assert json.loads((tmp_path / "notes.json").read_text())["files"] == {}


@pytest.mark.parametrize("notes", ["[]", '{"files": 1}', '{"files": {"file": "x"}}', '{"files": {"file": []}}', "\0"])
def test_notes_of_garbage_are_not_believed(tmp_path: Path, notes: str) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "notes.json").write_text(notes)
    assert hash_known(tmp_path, ["file"], tmp_path / "notes.json")["file"].startswith("ed7002b439e9ac84")


# What others do to a disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2000k", "none", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here, which takes the superuser")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk_is_said_and_leaves_nothing_half_written(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path, small_disk: Path
) -> None:
    more = ("--encoder", tiny_encoder, "--cache-dir", small_disk)
    assert polarity("prepare", reviews_csv, *more).code == 0
    earlier = read_tree(small_disk / "data")
    (small_disk / "filler").write_bytes(bytes(1_500_000))
    outcome = polarity("prepare", write_csv(tmp_path / "many.csv", make_reviews(5000)), *more)
    assert outcome.code == 1
    assert outcome.stdout == ""
    assert "cannot be written (No space left on device)" in outcome.stderr
    assert "polarity cache prune" in outcome.stderr
    assert read_tree(small_disk / "data") == earlier
    assert len(list_names(small_disk / "data")) == 1
    assert json.loads(polarity("prepare", reviews_csv, *more, "--json").stdout)["from_cache"] is True


def test_training_on_a_full_disk_ends_with_an_error_and_no_half_checkpoint(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path, small_disk: Path
) -> None:
    more = ("--encoder", tiny_encoder, "--cache-dir", small_disk, "--epochs", 1, "--no-graphs")
    (small_disk / "filler").write_bytes(bytes(1_854_000))
    outcome = polarity("train", reviews_csv, *more)
    assert outcome.code == 1, outcome.stderr
    assert "checkpoint cannot be written" in outcome.stderr
    is_kept = any(small_disk.glob("runs/*/state-*"))
    assert ("the same command goes on from there" in outcome.stderr) is is_kept
    assert ("Nothing of what was learned is kept: the same command starts over" in outcome.stderr) is not is_kept
    assert list_names(small_disk / "checkpoints") == []
    assert not (tmp_path / "ckpt").exists()
    (small_disk / "filler").unlink()
    assert polarity("train", reviews_csv, *more).code == 0


@pytest.mark.slow
def test_limit_on_the_size_of_files_is_said_and_leaves_nothing_half_written(tmp_path: Path, tiny_encoder: Path) -> None:
    small, large = (write_csv(tmp_path / f"{n}.csv", make_reviews(n)) for n in (40, 2000))
    cache = tmp_path / "cache"
    assert run_polarity("prepare", small, "--encoder", tiny_encoder, cwd=tmp_path, cache=cache).code == 0
    earlier = read_tree(cache / "data")
    done = subprocess.run(
        [sys.executable, "-m", "polarity_cli", "prepare", str(large), "--encoder", str(tiny_encoder)],
        cwd=REPOSITORY,
        env={**os.environ, "POLARITY_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    assert done.returncode == 1
    assert "cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert read_tree(cache / "data") == earlier
    assert len(list_names(cache / "data")) == 1


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write below a folder."""
    if subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here, which takes the superuser")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_cache_that_is_read_only_answers_what_it_has_and_says_what_it_cannot(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, cache_dir: Path
) -> None:
    polarity("prepare", reviews_csv, "--encoder", tiny_encoder)
    earlier = read_tree(cache_dir)
    with read_only(cache_dir):
        known = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--json")
        assert json.loads(known.stdout)["from_cache"] is True
        unknown = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--seed", 1)
        assert unknown.code == 1
        assert "cannot be written (Read-only file system)" in unknown.stderr
        assert "--cache-dir" in unknown.stderr
        assert "data" in polarity("cache", "list").stdout
        pruned = polarity("cache", "prune", "--max-size", "0MB", "--yes")
        assert pruned.code == 1
        assert "Read-only" in pruned.stderr
    assert read_tree(cache_dir) == earlier


def test_cache_that_is_removed_while_an_entry_is_made_is_said(tmp_path: Path) -> None:
    def make(work: Path) -> dict[str, object]:
        said = write(work)
        shutil.rmtree(tmp_path / "cache")
        return said

    with pytest.raises(CacheError, match="something removed it while it was written"):
        get(tmp_path / "cache", make=make)
    assert not (tmp_path / "cache" / "data").exists()
    assert (get(tmp_path / "cache").folder / "poem.txt").read_text() == CONTENT


def test_cache_that_is_removed_while_a_run_trains_costs_nothing(tmp_path: Path, tiny_encoder: Path) -> None:
    cache = tmp_path / "cache"

    class Removing(Notes):
        def note(self, message: str) -> None:
            super().note(message)
            if message.startswith("Epoch 1 of 2"):
                shutil.rmtree(cache)

    source = write_csv(tmp_path / "reviews.csv", make_reviews(60))
    config = TrainConfig(
        data=DataConfig(source=str(source), encoder=str(tiny_encoder)), epochs=2, graphs=False, out=tmp_path / "ckpt"
    )
    observer = Removing()
    result = train(config, Context(cache_dir=cache, observer=observer))
    assert result is not None
    assert any(note.startswith("Epoch 2 of 2") for note in observer.notes)
    assert read_tree(result.checkpoint) == read_tree(tmp_path / "ckpt")


def test_what_fails_while_it_is_made_leaves_nothing(tmp_path: Path) -> None:
    def make(work: Path) -> dict[str, object]:
        write(work)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(tmp_path, make=make)
    assert list_names(tmp_path / "data") == []
    assert get(tmp_path).is_new


# Holding


def test_entry_that_is_used_is_held_until_its_object_is_gone(tmp_path: Path) -> None:
    entry = get(tmp_path)
    assert not entry.folder.is_symlink()
    assert is_held(entry.folder)
    folder = entry.folder
    del entry
    assert not is_held(folder)
    held = hold(folder, alone=True)
    assert held is not None
    remove_tree(folder)
    held.close()
    assert find_entry(place(tmp_path), KEY) is None
    assert list_names(tmp_path / "data") == []


def test_folder_is_held_while_it_is_written(tmp_path: Path) -> None:
    with publish(tmp_path / "entry") as work:
        assert is_held(work)
    assert not is_held(tmp_path / "entry")
