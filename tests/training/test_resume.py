"""A run that is killed or interrupted goes on as if nothing had happened, to the last bit."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polarity_cli.config import FeatureCache
from polarity_cli.training.state import TENSORS, find_states, read_state
from tests.conftest import REPOSITORY, Outcome, make_reviews, write_csv
from tests.training.killed import Order

pytestmark = pytest.mark.slow
Polarity = Callable[..., Outcome]


class Runs:
    """Training runs in processes that may kill themselves, started by `tests.training.killed`."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.training.killed"]
        self._server = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, order: Order) -> tuple[int, str]:
        """Return the exit code of a run and what it said."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(asdict(order)) + "\n")
        self._server.stdin.flush()
        code, said = json.loads(self._server.stdout.readline())
        return code, said

    def close(self) -> None:
        self._server.kill()
        self._server.communicate()


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    started = Runs()
    yield started
    started.close()


def run_killed(runs: Runs, order: Order, *, n_kills: int) -> int:
    """Train in processes that are killed at random until one comes to the end, and return how many were."""
    generator, n_killed, before = random.Random(n_kills), 0, 0
    while True:
        seconds = generator.uniform(0.001, 0.15) if n_killed < n_kills else 0
        code, said = runs.run(replace(order, seconds=seconds))
        begun = re.search(r"Going on after step ([0-9,]+)", said)
        step = int(begun[1].replace(",", "")) if begun else 0
        assert step >= before, "the run did not go on from where it stood"  # an epoch that ends has a state of its own
        before = step
        if code == 0:
            return n_killed
        assert code == -signal.SIGKILL, said[-3000:]
        n_killed += 1


def read_history(checkpoint: Path) -> list[dict[str, object]]:
    lines = (checkpoint / "history.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


@pytest.mark.parametrize("feature_cache", ["auto", "off"])
def test_run_that_is_killed_at_25_points_ends_with_the_same_weights(
    tmp_path: Path, tiny_encoder: Path, runs: Runs, feature_cache: FeatureCache
) -> None:
    write_csv(tmp_path / "reviews.csv", make_reviews(900))
    for name, n_kills in {"whole": 0, "killed": 25}.items():
        order = Order(
            reviews=str(tmp_path / "reviews.csv"),
            encoder=str(tiny_encoder),
            out=str(tmp_path / name),
            cache=str(tmp_path / f"{name}-cache"),
            feature_cache=feature_cache,
            seconds=0,
        )
        assert run_killed(runs, order, n_kills=n_kills) == n_kills
    whole, killed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    assert read_history(tmp_path / "whole") == read_history(tmp_path / "killed")
    (folder,) = (tmp_path / "killed-cache" / "runs").iterdir()
    assert [path.name for path in folder.iterdir()] == ["lock"]


def start_training(tmp_path: Path, encoder: Path, *more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "polarity_cli", "train", "reviews.csv", "--encoder", encoder, "--epochs", 400, *more]
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=tmp_path,
        env={**os.environ, "POLARITY_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_saves_and_says_how_to_go_on(
    tmp_path: Path, tiny_encoder: Path, polarity: Polarity, number: signal.Signals, code: int
) -> None:
    write_csv(tmp_path / "reviews.csv", make_reviews(120))
    process = start_training(tmp_path, tiny_encoder)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Epoch 2 of"):
            break
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "is kept" in errors
    assert f"Go on with: polarity train reviews.csv --encoder {tiny_encoder} --epochs 4000" in errors
    assert not (tmp_path / "ckpt").exists()

    changed = polarity("train", "reviews.csv", "--encoder", tiny_encoder, "--epochs", 3, "--seed", 7)
    assert changed.code == 2
    assert "--epochs was 4000, is 3; --seed was 42, is 7" in changed.stderr
    assert "--fresh" in changed.stderr

    again = start_training(tmp_path, tiny_encoder)
    assert again.stderr is not None
    assert any(line.startswith("Going on after step") for line in again.stderr)
    time.sleep(0.5)
    again.kill()
    again.communicate()

    fresh = polarity("train", "reviews.csv", "--encoder", tiny_encoder, "--epochs", 1, "--fresh", "--no-graphs")
    assert fresh.code == 0
    assert "Going on" not in fresh.stderr
    assert polarity("train", "reviews.csv", "--encoder", tiny_encoder, "--epochs", 2, "--no-graphs").code == 0


def test_second_run_to_the_same_folder_is_refused_while_the_first_trains(
    tmp_path: Path, tiny_encoder: Path, polarity: Polarity
) -> None:
    write_csv(tmp_path / "reviews.csv", make_reviews(120))
    process = start_training(tmp_path, tiny_encoder)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Epoch 1 of"):
            break
    refused = polarity("train", "reviews.csv", "--encoder", tiny_encoder, "--epochs", 400)
    assert refused.code == 2
    assert "another run is training to it now" in refused.stderr
    process.kill()
    process.communicate()


def test_torn_state_is_passed_over_for_the_one_before(tmp_path: Path, tiny_encoder: Path) -> None:
    write_csv(tmp_path / "reviews.csv", make_reviews(120))
    process = start_training(tmp_path, tiny_encoder)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Epoch 2 of"):
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    (folder,) = (tmp_path / "cache" / "runs").iterdir()
    (state,) = find_states(folder)
    assert read_state(state) is not None
    content = (state / TENSORS).read_bytes()
    for torn in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), b""):
        (state / TENSORS).write_bytes(torn)
        assert read_state(state) is None
    manifest = json.loads((state / "manifest.json").read_text())
    (state / TENSORS).write_bytes(content)
    edits: tuple[object, ...] = ({**manifest, "course": {"step": 1, "evil": 2}}, {**manifest, "n_records": 10**6}, {}, [])
    for edited in edits:
        (state / "manifest.json").write_text(json.dumps(edited))
        assert read_state(state) is None
