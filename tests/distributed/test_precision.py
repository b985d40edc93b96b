"""In what precision a run computes: what its launcher was told, by whichever way, else the same choice everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from polarity_cli.distributed.launch import _list_flags
from polarity_cli.distributed.precision import choose_precision, find_stored_precision
from tests.distributed.test_launch import ACCELERATE, TORCHRUN, make_environment, write_config
from tests.helpers.commands import REPOSITORY
from tests.helpers.reviews import make_reviews, write_csv

FASTEST = "the fastest"
_ASK = f"""
import os, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from polarity_cli.distributed import precision
precision.find_fastest_precision = lambda: {FASTEST!r}
print("precision", precision.choose_precision(), flush=True)
"""
"""Says what a worker chooses, on a machine where the fastest is something else than float32."""


@pytest.fixture
def asking(tmp_path: Path) -> Path:
    """A program that says in what precision it would compute."""
    path = tmp_path / "ask.py"
    path.write_text(_ASK)
    return path


def launch(command: Sequence[object], folder: Path, **more: str) -> set[str]:
    """Return what all processes that a launcher started have chosen."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=make_environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return {line.removeprefix("precision ") for line in done.stdout.splitlines() if line.startswith("precision ")}


def write_stored(folder: Path, **values: object) -> None:
    """Write what `accelerate config` would have stored on this machine."""
    stored = folder / "accelerate" / "accelerate"
    stored.mkdir(parents=True)
    path = write_config(folder, distributed_type="NO", use_cpu=True, num_processes=1, **values)
    path.rename(stored / "default_config.yaml")


ONE = ("--num_processes", 1, "--num_machines", 1, "--dynamo_backend", "no")
SAID: dict[str, tuple[Callable[[Path], tuple[object, ...]], str]] = {
    "nothing": (lambda folder: (*ACCELERATE, *ONE), FASTEST),
    "nothing, by its command": (lambda folder: (Path(sys.executable).with_name("accelerate"), "launch", *ONE), FASTEST),
    "nothing, to two": (
        lambda folder: (*ACCELERATE, "--multi_gpu", *ONE[2:], "--num_processes", 2, "--main_process_port", 0),
        FASTEST,
    ),
    "float32": (lambda folder: (*ACCELERATE, *ONE, "--mixed_precision", "no"), "no"),
    "float32, in one word": (lambda folder: (*ACCELERATE, *ONE, "--mixed_precision=no"), "no"),
    "fp16": (lambda folder: (*ACCELERATE, *ONE, "--mixed_precision", "fp16"), "fp16"),
    "float32, by a config": (
        lambda folder: (*ACCELERATE, "--config_file", write_config(folder, distributed_type="NO", use_cpu=True, num_processes=1)),
        "no",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAID)
def test_what_accelerate_was_told_holds_and_else_the_fastest(tmp_path: Path, asking: Path, name: str) -> None:
    make, expected = SAID[name]
    program = (*make(tmp_path), asking)
    if "to two" in name:
        program = (*program[:-1], asking)
    assert launch(program, tmp_path, ACCELERATE_USE_CPU="true") == {expected}


@pytest.mark.slow
def test_config_that_is_stored_holds_unless_it_says_nothing(tmp_path: Path, asking: Path) -> None:
    write_stored(tmp_path, mixed_precision="no")
    assert launch((*ACCELERATE, asking), tmp_path) == {"no"}
    stored = tmp_path / "accelerate" / "accelerate" / "default_config.yaml"
    stored.write_text("".join(line for line in stored.read_text().splitlines(True) if "mixed_precision" not in line))
    assert launch((*ACCELERATE, asking), tmp_path) == {FASTEST}


@pytest.mark.slow
def test_torchrun_and_a_variable(tmp_path: Path, asking: Path) -> None:
    command = (*TORCHRUN, "--standalone", "--nproc_per_node", 2, asking)
    assert launch(command, tmp_path) == {FASTEST}
    assert launch(command, tmp_path, ACCELERATE_MIXED_PRECISION="no") == {"no"}
    assert launch((*ACCELERATE, *ONE, asking), tmp_path, ACCELERATE_MIXED_PRECISION="fp16") == {"fp16"}


def test_variable_holds_where_no_launcher_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("no", "bf16", "fp16"):
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", value)
        assert choose_precision() == value
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    assert choose_precision() == "no"  # without a GPU


def test_workers_of_our_own_are_always_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = write_config(tmp_path, distributed_type="NO", use_cpu=True, mixed_precision="fp16")
    assert find_stored_precision(str(config)) == "fp16"
    assert find_stored_precision("config.yaml", folder=tmp_path) == "fp16"
    assert find_stored_precision("absent.yaml", folder=tmp_path) is None
    monkeypatch.setattr("accelerate.commands.config.config_args.default_config_file", str(config))
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert read_flag(_list_flags(2, on_cpu=False)) == "fp16"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert read_flag(_list_flags(2, on_cpu=True)) == "bf16"
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    monkeypatch.setattr("accelerate.commands.config.config_args.default_config_file", str(tmp_path / "absent"))
    assert read_flag(_list_flags(2, on_cpu=True)) == "no"


def read_flag(flags: Sequence[str]) -> str:
    return flags[flags.index("--mixed_precision") + 1]


@pytest.mark.slow
def test_precision_of_a_run_is_in_its_manifest_however_it_was_started(tmp_path: Path, tiny_encoder: Path) -> None:
    write_csv(tmp_path / "reviews.csv", make_reviews(60))
    words = ("train", "reviews.csv", "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs", "--fresh")
    program = ("-m", "polarity_cli", *words)
    commands: dict[str, tuple[object, ...]] = {
        "alone": (sys.executable, *program),
        "two": (sys.executable, *program, "--processes", 2),
        "torchrun": (*TORCHRUN, "--standalone", "--nproc_per_node", 2, *program),
        "accelerate": (*ACCELERATE, *ONE, "--cpu", *program),
        "bf16": (*ACCELERATE, *ONE, "--cpu", "--mixed_precision", "bf16", *program),
    }
    for name, command in commands.items():
        done = subprocess.run(
            [*map(str, command), "--out", name],
            cwd=tmp_path,
            env=make_environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads((tmp_path / name / "polarity.json").read_text())["machine"]
        expected = "bf16" if name == "bf16" else "no"
        assert (found["precision"], found["device"], found["processes"]) == (
            expected,
            "cpu",
            2 if name in ("two", "torchrun") else 1,
        )
        assert ("bfloat16" in done.stderr) is (name == "bf16")
