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

from polarity_cli.cache.layout import fingerprint
from polarity_cli.train_config import FeatureCache
from polarity_cli.training.state import TENSORS, find_states, read_state
from tests.helpers.commands import REPOSITORY, Outcome, hear_interrupts
from tests.helpers.killed import N_EPOCHS, Order
from tests.helpers.reviews import make_reviews, write_csv

pytestmark = pytest.mark.slow
Polarity = Callable[..., Outcome]


class Runs:
    """Training runs in processes that may kill themselves, started by `tests.helpers.killed`."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.helpers.killed"]
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


def check_same(one: str, other: str) -> None:
    """Compare two checkpoints to the last bit."""
    weights, others = (load_file(Path(out) / "model.safetensors") for out in (one, other))
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert read_history(Path(one)) == read_history(Path(other))


@pytest.fixture
def make_order(tmp_path: Path, tiny_encoder: Path) -> Callable[..., Order]:
    """Return a run by its name, with a cache of its own."""
    reviews = write_csv(tmp_path / "reviews.csv", make_reviews(900))

    def make(name: str, feature_cache: FeatureCache = "auto", patience: int | None = None) -> Order:
        out, cache = str(tmp_path / name), str(tmp_path / f"{name}-cache")
        return Order(str(reviews), str(tiny_encoder), out, cache, feature_cache, seconds=0, patience=patience)

    return make


@pytest.mark.parametrize(("feature_cache", "patience", "n_kills"), [("auto", None, 25), ("off", None, 25), ("auto", 2, 8)])
def test_run_that_is_killed_at_random_points_ends_with_the_same_weights(
    runs: Runs, make_order: Callable[..., Order], feature_cache: FeatureCache, patience: int | None, n_kills: int
) -> None:
    whole, killed = (make_order(name, feature_cache, patience) for name in ("whole", "killed"))
    assert run_killed(runs, whole, n_kills=0) == 0
    assert run_killed(runs, killed, n_kills=n_kills) == n_kills
    check_same(whole.out, killed.out)
    if patience:
        assert read_history(Path(whole.out))[-1]["epoch"] != N_EPOCHS
    (folder,) = (Path(killed.cache) / "runs").iterdir()
    assert [path.name for path in folder.iterdir()] == ["lock"]


def tear(state: Path) -> None:
    content = (state / TENSORS).read_bytes()
    (state / TENSORS).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_torn_state_is_set_aside_for_the_one_before(runs: Runs, make_order: Callable[..., Order]) -> None:
    whole, torn = make_order("whole"), make_order("torn")
    assert run_killed(runs, whole, n_kills=0) == 0
    assert runs.run(replace(torn, seconds=0.3))[0] == -signal.SIGKILL
    (folder,) = (Path(torn.cache) / "runs").iterdir()
    newest, before, *_ = find_states(folder)  # a kill while the oldest is removed leaves three
    step = int(before.name.split("-")[1])
    tear(newest)
    code, said = runs.run(torn)
    assert code == 0
    assert f"{newest}: the state is torn" in said
    assert f"Going on after step {step:,} of" in said
    check_same(whole.out, torn.out)


def test_state_that_was_edited_is_none(runs: Runs, make_order: Callable[..., Order]) -> None:
    order = make_order("edited")
    assert runs.run(replace(order, seconds=0.1))[0] == -signal.SIGKILL
    (folder,) = (Path(order.cache) / "runs").iterdir()
    state, path = find_states(folder)[0], find_states(folder)[0] / "manifest.json"
    content, manifest = path.read_text(), json.loads(path.read_text())
    course = {**manifest["course"], "epoch": manifest["course"]["epoch"] + 1}
    edits: tuple[object, ...] = ({**manifest, "course": course}, {**manifest, "more": 1}, {**manifest, "checksum": 1}, {}, [])
    for edited in edits:
        path.write_text(json.dumps(edited))
        assert read_state(state) is None
    path.write_text(content)
    assert read_state(state) is not None
    for name in (TENSORS, "history.jsonl"):
        kept = (state / name).read_bytes()
        for wrong in (kept[:-1], kept[:-2] + b"0" + kept[-1:], b""):
            (state / name).write_bytes(wrong)
            assert read_state(state) is None
        (state / name).write_bytes(kept)
    (state / TENSORS).unlink()
    assert read_state(state) is None


def change_run(state: Path, **values: object) -> None:
    """Let a state say that its run was another."""
    path = state / "manifest.json"
    manifest = {key: value for key, value in json.loads(path.read_text()).items() if key != "checksum"}
    manifest["run"] |= values
    path.write_text(json.dumps({**manifest, "checksum": fingerprint(manifest)}))


def test_run_goes_on_on_another_machine_and_says_so(runs: Runs, make_order: Callable[..., Order]) -> None:
    order = make_order("moved")
    assert runs.run(replace(order, seconds=0.1))[0] == -signal.SIGKILL
    (folder,) = (Path(order.cache) / "runs").iterdir()
    for state in find_states(folder):
        change_run(state, **{"the machine": {"device": "cuda", "precision": "no", "threads": 64, "processes": 1}})
    code, said = runs.run(order)
    assert code == 0, said
    assert "device cuda, now cpu" in said
    assert "threads 64, now" in said
    assert "Going on after step" in said


def test_run_that_began_without_kept_features_goes_on_without_them(runs: Runs, make_order: Callable[..., Order]) -> None:
    order = make_order("plain", "off")
    assert runs.run(replace(order, seconds=0.1))[0] == -signal.SIGKILL
    code, said = runs.run(replace(order, feature_cache="auto"))
    assert code == 0, said
    assert "Going on after step" in said
    assert not (Path(order.cache) / "features").exists()
    kept = make_order("kept")
    assert runs.run(replace(kept, seconds=0.1))[0] == -signal.SIGKILL
    code, said = runs.run(replace(kept, feature_cache="off"))
    assert code == 1
    assert "the use of kept features was True, is False" in said


def start_training(tmp_path: Path, encoder: Path, *more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "polarity_cli", "train", "reviews.csv", "--encoder", encoder, "--epochs", 400, *more]
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=tmp_path,
        env={**os.environ, "POLARITY_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
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
    assert f"Go on with: polarity train reviews.csv --encoder {tiny_encoder} --epochs 400\n" in errors
    assert not (tmp_path / "ckpt").exists()

    changed = polarity("train", "reviews.csv", "--encoder", tiny_encoder, "--epochs", 3, "--seed", 7)
    assert changed.code == 2
    assert "--epochs was 400, is 3; --seed was 42, is 7" in changed.stderr
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
