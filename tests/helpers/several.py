"""Run a command line in several processes as a launcher starts them, but forked from one that has imported the libraries.

    python -m tests.helpers.several

Reads a JSON object a line (see `Order`) and answers each with a JSON list of what every process did (see `Report`). The real
launchers are tried elsewhere; each costs ten seconds of imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from polarity_cli.distributed import cache_group
from tests.helpers.commands import REPOSITORY
from tests.helpers.killed import preload

if TYPE_CHECKING:
    from polarity_cli.training.fine_tuner import FineTuner


@dataclass(frozen=True)
class Order:
    """What to run, and how."""

    n: int
    args: list[str]
    cwd: str
    environments: list[dict[str, str]] = field(default_factory=list)
    """What each process has beside or instead of its launcher's variables; nothing more where the list is shorter."""
    folders: list[str] = field(default_factory=list)
    """Where each process works, if not in `cwd`."""
    machines: list[str] = field(default_factory=list)
    """Which machine each process takes itself to be on."""
    by_mpi: bool = False
    """Whether the variables are those of Open MPI, and not torchrun's."""
    breaks: dict[str, list[int]] = field(default_factory=dict)
    """`raise` or a signal's name: which process breaks so, before which step."""


@dataclass(frozen=True)
class Report:
    """What one process did."""

    code: int
    stdout: str
    stderr: str
    written: list[str]
    """Files that it opened to write, and what it renamed something to."""
    mapped: list[str]
    """Files that it mapped into memory."""


class Server:
    """The process that forks."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.helpers.several"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, n: int, *args: object, cwd: Path, **more: Any) -> list[Report]:
        """Run a command line in `n` processes and return their reports, the main one's first."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = Order(n, [str(arg) for arg in args], str(cwd), **more)
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return [Report(**found) for found in json.loads(self._process.stdout.readline())]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """Run what is ordered."""

    preload()
    for line in sys.stdin:
        order = Order(**json.loads(line))
        with contextlib.ExitStack() as stack:
            files = [[stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3)] for _ in range(order.n)]
            port = find_port()
            children = [fork(order, rank, port, files[rank]) for rank in range(order.n)]
            codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
            print(json.dumps([asdict(read_report(code, *three)) for code, three in zip(codes, files, strict=True)]), flush=True)


def find_port() -> int:
    """Return a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def read_report(code: int, stdout: IO[str], stderr: IO[str], more: IO[str]) -> Report:
    """Return a report from the files that a process wrote."""
    for file in (stdout, stderr, more):
        file.seek(0)
    lines = [json.loads(line) for line in more.read().splitlines()]
    return Report(
        code,
        stdout.read(),
        stderr.read(),
        [path for kind, path in lines if kind == "written"],
        [path for kind, path in lines if kind == "mapped"],
    )


def fork(order: Order, rank: int, port: int, files: Sequence[IO[str]]) -> int:
    """Start a process and return its id."""
    child = os.fork()
    if child == 0:
        run(order, rank, port, files)
    return child


def run(order: Order, rank: int, port: int, files: Sequence[IO[str]]) -> NoReturn:
    """Run the command line, in the forked process."""
    stdout, stderr, more = (file.fileno() for file in files)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    sys.stdin = open(os.devnull)  # noqa: SIM115
    code = 70
    try:
        os.chdir(order.folders[rank] if rank < len(order.folders) and order.folders[rank] else order.cwd)
        os.environ.update(list_variables(order, rank, port))
        note_files(more)
        if order.machines:
            cache_group.name_machine = lambda: order.machines[rank]
        break_at(order, rank)
        from polarity_cli.cli.app import run as run_app

        code = run_app(order.args)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def list_variables(order: Order, rank: int, port: int) -> dict[str, str]:
    """Return the variables of a launcher."""
    given = order.environments[rank] if rank < len(order.environments) else {}
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if order.by_mpi:
        values = {"RANK": rank, "SIZE": order.n, "LOCAL_RANK": rank, "LOCAL_SIZE": order.n}
        return {**{f"OMPI_COMM_WORLD_{name}": str(value) for name, value in values.items()}, **place, **given}
    values = {"RANK": rank, "WORLD_SIZE": order.n, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": order.n}
    return {**{name: str(value) for name, value in values.items()}, **place, **given} if order.n > 1 else given


def note(descriptor: int, kind: str, path: object) -> None:
    """Write a line to what becomes a report."""
    os.write(descriptor, (json.dumps([kind, os.fspath(path) if isinstance(path, os.PathLike) else str(path)]) + "\n").encode())


def note_files(descriptor: int) -> None:
    """Note every file that is opened to be written or mapped, and every rename."""

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
            note(descriptor, "written", args[0])
        elif event == "os.rename":
            note(descriptor, "written", args[1])
        elif event == "mmap.__new__" and args[0] >= 0:
            note(descriptor, "mapped", os.readlink(f"/proc/self/fd/{args[0]}"))

    sys.addaudithook(hear)


def break_at(order: Order, rank: int) -> None:
    """Let this process break before a step, where the order says so."""
    from polarity_cli.training.fine_tuner import FineTuner

    for how, (who, step) in order.breaks.items():
        if who != rank:
            continue
        setattr(FineTuner, "seed_step", break_before(FineTuner.seed_step, how, step))  # noqa: B010


def break_before(seed_step: Callable[[FineTuner, int], None], how: str, step: int) -> Callable[[FineTuner, int], None]:
    """Return what breaks where a step would be seeded, and else seeds it."""

    def broken(learner: FineTuner, number: int) -> None:
        if number == step:
            if how == "raise":
                raise ZeroDivisionError("a bug")
            os.kill(os.getpid(), signal.Signals[how])
        seed_step(learner, number)

    return broken


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        traceback.print_exc()
