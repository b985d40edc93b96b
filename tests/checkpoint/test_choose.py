"""Which checkpoint answers where none is named, and that it is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from polarity_cli.checkpoint.folder_check import is_path
from tests.helpers.commands import Outcome

Polarity = Callable[..., Outcome]


def predict(polarity: Polarity, *more: object) -> tuple[str, str]:
    """Return which checkpoint a prediction names, in its document and on standard error."""
    outcome = polarity("predict", "great book", "--json", *more)
    assert outcome.code == 0, outcome.stderr
    return json.loads(outcome.stdout)["checkpoint"], outcome.stderr


def test_variable_then_ckpt_then_the_newest_of_the_cache(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = cache_dir / "checkpoints" / "20260101T000000-abcdef"
    kept.parent.mkdir(parents=True)
    shutil.copytree(tiny_checkpoint, kept)
    assert predict(polarity) == (str(kept), f"Model: {kept}\n")
    (tmp_path / "ckpt").mkdir()
    assert predict(polarity)[0] == str(kept)  # an empty folder is no checkpoint
    (tmp_path / "ckpt").rmdir()
    shutil.copytree(tiny_checkpoint, tmp_path / "ckpt")
    assert predict(polarity) == ("./ckpt", "Model: ./ckpt\n")
    shutil.copytree(tiny_checkpoint, tmp_path / "mine")
    monkeypatch.setenv("POLARITY_CHECKPOINT", "mine")
    assert predict(polarity) == ("mine", "Model: mine\n")
    assert predict(polarity, "--checkpoint", "ckpt") == ("ckpt", "Model: ckpt\n")
    assert predict(polarity, "--quiet") == ("mine", "")
    (tmp_path / "reviews.csv").write_text("label,text\npositive,great book\nnegative,awful book\n")
    outcome = polarity("evaluate", "--split", "all", "--json")
    assert "Model: mine\n" in outcome.stderr
    assert json.loads(outcome.stdout)["checkpoint"] == "mine"
    monkeypatch.setenv("POLARITY_CHECKPOINT", "./nowhere")
    assert "./nowhere: no such folder" in polarity("predict", "x").stderr
    monkeypatch.setenv("POLARITY_CHECKPOINT", "")
    assert predict(polarity)[0] == "./ckpt"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert", False),
        ("someone/bert", False),
        ("./bert", True),
        ("a/b/c", True),
        ("bert/", True),
        ("~/bert", True),
        ("/b", True),
    ],
)
def test_path_is_told_from_an_id_of_the_hub(name: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_path(name) is expected
    if not expected:
        (tmp_path / name).mkdir(parents=True)
        assert is_path(name)
