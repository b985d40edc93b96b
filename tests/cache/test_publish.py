"""A full, limited, read-only or removed cache: a clear error, nothing half-written, earlier entries intact."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from polarity_cli.config import Context, DataConfig
from polarity_cli.errors import CacheError
from polarity_cli.train_config import TrainConfig
from polarity_cli.verbs.train import train
from tests.helpers.cache import Notes, get, list_names, read_tree
from tests.helpers.commands import REPOSITORY, Outcome, run_polarity
from tests.helpers.making import CONTENT, write
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]


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


def test_full_disk_is_reported_and_leaves_nothing_half_written(
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
def test_limit_on_the_size_of_files_is_reported_and_leaves_nothing_half_written(tmp_path: Path, tiny_encoder: Path) -> None:
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
        cached = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--json")
        assert json.loads(cached.stdout)["from_cache"] is True
        new = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--seed", 1)
        assert new.code == 1
        assert "cannot be written (Read-only file system)" in new.stderr
        assert "--cache-dir" in new.stderr
        assert "data" in polarity("cache", "list").stdout
        pruned = polarity("cache", "prune", "--max-size", "0MB", "--yes")
        assert pruned.code == 1
        assert "Read-only" in pruned.stderr
    assert read_tree(cache_dir) == earlier


def test_cache_that_is_removed_while_an_entry_is_made_is_reported(tmp_path: Path) -> None:
    def make(work: Path) -> dict[str, object]:
        fields = write(work)
        shutil.rmtree(tmp_path / "cache")
        return fields

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
