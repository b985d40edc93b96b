"""What works without torch: verbs that need no model of torch's import none of it, and a folder is opened once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.checkpoint import folder_check, model_folder, tokenizer
from tests.helpers.commands import REPOSITORY, Outcome
from tests.helpers.reviews import make_reviews, write_csv

_WITHOUT = """
import sys
from importlib.machinery import ModuleSpec

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "accelerate", "onnx"):
            return ModuleSpec(name, self)  # it is there, for whoever only looks

    def create_module(self, spec):
        raise ImportError(f"{spec.name} is not to be imported")

    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Refuse())
from polarity_cli.cli.app import run
sys.exit(run(sys.argv[1:]))
"""


def run_without_torch(*args: object, cwd: Path) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, *map(str, args), "--cache-dir", str(cwd / "cache")],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PATH": "", "PYTHONPATH": str(REPOSITORY), "HOME": str(cwd)},
        check=False,
        timeout=300,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_import_of_torch_would_be_seen(tiny_checkpoint: Path, reviews_csv: Path, tmp_path: Path) -> None:
    outcome = run_without_torch("evaluate", tiny_checkpoint, reviews_csv, "--precision", "weights", cwd=tmp_path)
    assert outcome.code != 0
    assert "is not to be imported" in outcome.stderr


def test_reviews_are_prepared_without_torch(tiny_encoder: Path, tmp_path: Path, reviews_csv: Path) -> None:
    for from_cache in (False, True):
        outcome = run_without_torch("prepare", reviews_csv, "--encoder", tiny_encoder, "--json", cwd=tmp_path)
        assert outcome.code == 0, outcome.stderr
        assert json.loads(outcome.stdout)["from_cache"] is from_cache


def test_texts_are_labelled_and_the_cache_is_shown_without_torch(tiny_checkpoint: Path, tmp_path: Path) -> None:
    outcome = run_without_torch(
        "predict", "--checkpoint", tiny_checkpoint, "superb great best", "awful boring worst", cwd=tmp_path
    )
    assert [line.split("\t")[0] for line in outcome.stdout.splitlines()] == ["positive", "negative"], outcome.stderr
    assert run_without_torch("cache", "list", cwd=tmp_path).code == 0


def test_evaluation_opens_its_checkpoint_once(
    polarity: Callable[..., Outcome], tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: Counter[str] = Counter()

    def count(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            counted[name] += 1
            return function(*args, **more)

        return call

    opened = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        counted[f"read {path.name}"] += 1
        return opened(path)

    monkeypatch.setattr(model_folder, "check_folder", count("folders checked", folder_check.check_folder))
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    monkeypatch.setattr(tokenizer, "load_backend", count("tokenizers", tokenizer.load_backend))
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", count("tokenizers", lambda *_, **__: None))
    source = write_csv(tmp_path / "new.csv", make_reviews(20, seed=3))
    outcome = polarity("evaluate", tiny_checkpoint, source, "--json")
    assert outcome.code == 0, outcome.stderr
    assert counted["folders checked"] == counted["read config.json"] == counted["tokenizers"] == 1
    assert counted["read polarity.json"] == 1
