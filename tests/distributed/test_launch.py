"""Real launchers: `--processes`, accelerate, torchrun; processes and machines that die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

from tests.helpers.commands import REPOSITORY, Outcome, hear_interrupts
from tests.helpers.reviews import make_reviews, write_csv

pytestmark = pytest.mark.slow
LONGEST_S = 30.0
"""From a process's death to the end of all others."""
PROGRAM = ("-m", "polarity_cli")
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run")


def make_environment(folder: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(REPOSITORY),
        "POLARITY_CACHE": str(folder / "cache"),
        "HF_HOME": str(folder / "accelerate"),  # no stored config of this machine
        **more,
    }


def start(command: Sequence[object], folder: Path, **more: str) -> subprocess.Popen[str]:
    """Start a command in a session of its own, as a terminal would."""
    return subprocess.Popen(
        [str(word) for word in command],
        cwd=folder,
        env=make_environment(folder, **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_interrupts,
    )


def train(folder: Path, encoder: Path, *more: object) -> list[object]:
    """Return the command line of a run that would take long."""
    if not (folder / "reviews.csv").exists():
        write_csv(folder / "reviews.csv", make_reviews(130))
    usual = () if "--epochs" in more else ("--epochs", 3000)
    return ["train", "reviews.csv", "--encoder", encoder, "--no-graphs", *usual, *more]


def read_until(process: subprocess.Popen[str], begins: str) -> None:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(begins):
            return
    raise AssertionError("".join(said))


def find_workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the workers that a launcher started, by rank."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        rank = child.environ().get("RANK")
        if rank is not None and "polarity_cli" in child.cmdline():
            found.append((int(rank), child))
    return [child for _, child in sorted(found, key=lambda pair: pair[0])]


def end(process: subprocess.Popen[str], *, within: float = LONGEST_S) -> tuple[int, str]:
    """Wait for the end of all that a command started, and return its code and what it said since."""
    started = time.monotonic()
    _, errors = process.communicate(timeout=within)
    while running := [found for found in psutil.process_iter() if is_of_session(found, process.pid)]:
        assert time.monotonic() - started < within, running
        time.sleep(0.1)
    return process.returncode, errors


def is_of_session(found: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(found.pid) == session and found.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def test_process_that_is_killed_ends_the_run_and_another_number_goes_on(tmp_path: Path, tiny_encoder: Path) -> None:
    process = start([sys.executable, *PROGRAM, *train(tmp_path, tiny_encoder, "--processes", 2)], tmp_path)
    read_until(process, "Epoch 2 of")
    main, other = find_workers(process)
    assert [worker.environ()["OMP_NUM_THREADS"] for worker in (main, other)] == ["1", "1"]
    other.send_signal(signal.SIGKILL)
    code, said = end(process)
    assert code == 1
    lines = said.splitlines()
    assert [line for line in lines if "SIGKILL" in line] == ["polarity: process 1 of 2 was ended by SIGKILL."]
    assert "Traceback" not in said
    (kept,) = [line for line in lines if "is kept." in line]
    step = kept.split("up to step ")[1].split(" ")[0]
    assert f"Go on with: polarity train reviews.csv --encoder {tiny_encoder} --no-graphs --epochs 3000 --processes 2" in lines

    again = start([sys.executable, *PROGRAM, *train(tmp_path, tiny_encoder)], tmp_path)
    read_until(again, f"Going on after step {step} of")
    again.send_signal(signal.SIGTERM)
    assert end(again)[0] == 143


def test_interrupt_from_a_terminal_saves(tmp_path: Path, tiny_encoder: Path) -> None:
    process = start([sys.executable, *PROGRAM, *train(tmp_path, tiny_encoder, "--processes", 2)], tmp_path)
    read_until(process, "Epoch 1 of")
    os.killpg(process.pid, signal.SIGINT)
    code, said = end(process)
    assert code == 130
    assert said.count("is kept.") == 1
    assert "Traceback" not in said


def test_workers_end_with_the_process_that_started_them(tmp_path: Path, tiny_encoder: Path) -> None:
    process = start([sys.executable, *PROGRAM, *train(tmp_path, tiny_encoder, "--processes", 2)], tmp_path)
    read_until(process, "Epoch 1 of")
    process.kill()
    end(process)
    (run,) = (tmp_path / "cache" / "runs").iterdir()
    assert any(path.name.startswith("state-") for path in run.iterdir())


def write_config(folder: Path, **values: object) -> Path:
    """Write what `accelerate config` would store."""
    from accelerate.commands.config.config_args import ClusterConfig

    given = {
        "compute_environment": "LOCAL_MACHINE",
        "mixed_precision": "no",
        "num_processes": 2,
        "machine_rank": 0,
        "num_machines": 1,
        "debug": False,
        **values,
    }
    path = folder / "config.yaml"
    ClusterConfig(**given).to_yaml_file(str(path))
    return path


LAUNCHERS: dict[str, Callable[[Path], tuple[object, ...]]] = {
    "torchrun": lambda folder: (*TORCHRUN, "--standalone", "--nproc_per_node", 3, *PROGRAM),
    "a config for GPUs": lambda folder: (
        *(*ACCELERATE, "--config_file", write_config(folder, distributed_type="MULTI_GPU", use_cpu=False, main_process_port=0)),
        *PROGRAM,
    ),
}


def evaluate(folder: Path, checkpoint: Path, launcher: Sequence[object]) -> dict[str, object]:
    write_csv(folder / "reviews.csv", make_reviews(23))
    process = start([*launcher, "evaluate", checkpoint, "reviews.csv", "--split", "all", "--json"], folder)
    found, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    result: dict[str, object] = json.loads(found)
    return {name: value for name, value in result.items() if name not in ("seconds", "rows_per_second")}


@pytest.fixture(scope="module")
def expected(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What one process finds."""
    return evaluate(tmp_path_factory.mktemp("alone"), tiny_checkpoint, [sys.executable, *PROGRAM])


@pytest.mark.parametrize("name", LAUNCHERS)
def test_every_launcher_does_the_same(tmp_path: Path, tiny_checkpoint: Path, expected: dict[str, object], name: str) -> None:
    assert evaluate(tmp_path, tiny_checkpoint, LAUNCHERS[name](tmp_path)) == expected


def test_number_that_the_launcher_was_not_asked_for_is_refused(tmp_path: Path, tiny_checkpoint: Path) -> None:
    process = start(
        [*TORCHRUN, "--standalone", "--nproc_per_node", 2, *PROGRAM, "evaluate", tiny_checkpoint, "--processes", 3], tmp_path
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.count("--processes 3: the launcher started 2.") == 1


@pytest.mark.parametrize("more", [("--num_processes", 2), ("--num_machines", 2, "--num_processes", 2)], ids=str)
def test_launcher_that_started_one_of_several_is_refused(tmp_path: Path, tiny_checkpoint: Path, more: tuple[object, ...]) -> None:
    words = [*ACCELERATE, "--cpu", *more, "--machine_rank", 0, "--main_process_ip", "127.0.0.1", "--main_process_port", 29533]
    process = start([*words, *PROGRAM, "evaluate", tiny_checkpoint], tmp_path)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1  # accelerate's own, for any failure
    assert "asked for several processes and started one" in errors
    assert "--processes N on one machine, torchrun on several" in errors


@contextmanager
def two_machines() -> Iterator[tuple[str, str]]:
    """Make two network namespaces that see each other and nothing else, and give their names; the first is 10.83.71.1."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need the superuser and the command `ip` (Debian: iproute2)")
    names = (f"polarity-a{os.getpid()}", f"polarity-b{os.getpid()}")
    made: list[str] = []

    def call(*words: str) -> None:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"network namespaces are not to be had here (ip {' '.join(words)}: {done.stderr.strip()})")

    try:
        for name in names:
            call("netns", "add", name)
            made.append(name)
        call("link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1])
        for number, name in enumerate(names, 1):
            call("-n", name, "addr", "add", f"10.83.71.{number}/24", "dev", "veth0")
            for device in ("lo", "veth0"):
                call("-n", name, "link", "set", device, "up")
        yield names
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False)


def start_machines(names: Sequence[str], folder: Path, words: Sequence[object]) -> list[subprocess.Popen[str]]:
    """Start a command on two machines with caches of their own."""
    return [
        start(
            [
                *("ip", "netns", "exec", name, *TORCHRUN, "--nnodes", 2, "--nproc_per_node", 1, "--node_rank", number),
                *("--master_addr", "10.83.71.1", "--master_port", 29501, *PROGRAM, *words),
            ],
            folder,
            POLARITY_CACHE=str(folder / f"cache{number}"),
            GLOO_SOCKET_IFNAME="veth0",
        )
        for number, name in enumerate(names)
    ]


def test_two_machines_train_together_and_end_together(
    tmp_path: Path, tiny_encoder: Path, polarity: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.training.test_processes import measure_distance, silence

    encoder = silence(tiny_encoder, tmp_path / "encoder")
    words = train(tmp_path, encoder, "--epochs", 2)
    with two_machines() as names:
        machines = start_machines(names, tmp_path, [*words, "--out", "together"])
        outcomes = [end(machine, within=120) for machine in machines]
        assert [code for code, _ in outcomes] == [0, 0], outcomes
        assert "Epoch 2 of 2" in outcomes[0][1]
        assert "Epoch" not in outcomes[1][1]
        assert polarity(*words, "--out", "alone").code == 0
        one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("alone", "together"))
        assert measure_distance(one, two) < 1e-5
        assert not (tmp_path / "cache1" / "checkpoints").exists()

        machines = start_machines(names, tmp_path, train(tmp_path, encoder, "--out", "broken"))
        read_until(machines[0], "Epoch 1 of")
        (worker,) = find_workers(machines[1])
        worker.send_signal(signal.SIGKILL)
        (code, said), (other_code, other_said) = (end(machine) for machine in machines)
    assert code == other_code == 1
    assert "What was learned up to step" in said
    assert "Signal 9 (SIGKILL)" in other_said  # torchrun's own words
