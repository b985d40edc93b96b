"""What is said of a machine's own errors: the options that a command has, and no others."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.commands import REPOSITORY, Outcome, run_polarity

Polarity = Callable[..., Outcome]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EROFS, errno.EPERM])
@pytest.mark.parametrize(
    ("args", "verb", "options"),
    [
        (("prepare", "reviews.csv"), "polarity_cli.verbs.prepare.prepare", "--cache-dir."),
        (("train", "reviews.csv"), "polarity_cli.verbs.train.train", "--cache-dir or --out."),
        (("evaluate", "ckpt"), "polarity_cli.verbs.evaluate.evaluate", "--cache-dir or --errors."),
        (("predict", "great"), "polarity_cli.verbs.predict.find_checkpoint", "--cache-dir or --output."),
        (("cache", "list"), "polarity_cli.cache.prune.list_cache", "--cache-dir."),
    ],
)
def test_only_options_of_the_command_are_named(
    polarity: Polarity, monkeypatch: pytest.MonkeyPatch, number: int, args: tuple[str, ...], verb: str, options: str
) -> None:
    def fail(*args: object, **more: object) -> None:
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr(verb, fail)
    outcome = polarity(*args)
    assert outcome.code == 1
    assert f"polarity: /some/file: {os.strerror(number)}.\n" in outcome.stderr
    assert outcome.stderr.rstrip().endswith(options)


def test_missing_folder_for_temporary_files_is_called_that(tmp_path: Path, reviews_csv: Path, tiny_encoder: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/nowhere', '/proc']\n"
    )
    outcome = run_polarity(
        "train",
        reviews_csv,
        "--encoder",
        tiny_encoder,
        cwd=tmp_path,
        cache=tmp_path / "cache",
        environment={"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{REPOSITORY}"},
    )
    assert outcome.code == 1
    assert "No usable temporary directory found in ['/nowhere', '/proc']" in outcome.stderr
    assert "Set TMPDIR to a folder that can be written" in outcome.stderr
    assert "removed" not in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_tracker_that_is_not_installed_is_named_with_its_own_package(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--track", "wandb")
    assert outcome.code == 2
    assert "--track wandb: its package is not installed." in outcome.stderr
    assert "pip install wandb" in outcome.stderr


def test_cache_whose_checkpoints_are_all_damaged_is_not_called_empty(polarity: Polarity, cache_dir: Path) -> None:
    assert f"No checkpoint in {cache_dir} yet." in polarity("evaluate").stderr
    (cache_dir / "checkpoints" / "20260101T000000-abcdef").mkdir(parents=True)
    assert f"No checkpoint in {cache_dir} is whole." in polarity("evaluate").stderr
