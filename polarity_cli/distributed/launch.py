"""Start a command in several processes of this machine, through `accelerate launch`, and say how they ended.

The workers run the same command line; `distributed/environment` is how they know that they are workers.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polarity_cli.distributed.environment import STARTED_HERE, count_launched, find_rank
from polarity_cli.distributed.rendezvous import uses_processors
from polarity_cli.errors import LostProcessError, UsageError, WorkerError


@dataclass(frozen=True)
class Launch:
    """How many processes to start here, and where the others are."""

    n_processes: int
    """On this machine."""
    n_machines: int = 1
    machine: int = 0
    main_address: tuple[str, int] | None = None
    """Of the first machine, where there are several."""


def find_launch(n_processes: int | None) -> Launch | None:
    """Return what this process is to start: what `--processes` asks for, if no launcher has started it already.

    `accelerate launch` starts one process where it is to compute on processors, whatever number it was asked for, and leaves it
    to an MPI to start more; without one, it is done here.

    Raises:
        UsageError: `--processes` is below 1, or a launcher was asked for another number.
    """
    if n_processes is not None and n_processes < 1:
        raise UsageError(f"--processes {n_processes}: expected 1 or more.")
    asked = None if find_rank() is not None else _read_accelerate()
    known = count_launched() if find_rank() is not None else asked and asked.n_processes * asked.n_machines
    if known is None:
        return Launch(n_processes) if n_processes is not None and n_processes > 1 else None
    if n_processes not in (None, known):
        raise UsageError(
            f"--processes {n_processes}: the launcher was asked for {known}.", hint="Leave --processes out under a launcher."
        )
    return asked


def _read_accelerate() -> Launch | None:
    """Return what the `accelerate launch` that started this process was asked for, where it leaves the starting to an MPI."""
    if "MASTER_ADDR" not in os.environ or "ACCELERATE_MIXED_PRECISION" not in os.environ:
        return None
    import psutil
    from accelerate.commands.config.config_args import default_config_file, load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    words = psutil.Process(os.getppid()).cmdline()
    begun = next((i for i, word in enumerate(words) if word.endswith(("launch", "launch.py"))), None)
    if begun is None or not uses_processors():
        return None
    asked = vars(launch_command_parser().parse_args(words[begun + 1 :]))
    if asked["config_file"] or (os.path.isfile(default_config_file) and not asked["cpu"]):
        stored = vars(load_config_from_file(asked["config_file"]))
        asked |= {name: stored[name] for name, value in asked.items() if value is None and name in stored}
    n_all, n_machines = int(asked["num_processes"] or 1), int(asked["num_machines"] or 1)
    if n_all < 2:
        return None
    return Launch(
        n_processes=n_all // n_machines,
        n_machines=n_machines,
        machine=int(asked["machine_rank"] or 0),
        main_address=(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])) if n_machines > 1 else None,
    )


def launch(command: Sequence[str], how: Launch, *, debug: bool = False) -> int:
    """Run a command line of this program in several processes and return 0 when all have ended well.

    What `accelerate config` has stored holds, but for the number of processes and machines. Each process computes with its share
    of the processors.

    Args:
        command: the words behind `polarity`.
        how: how many, and where.
        debug: whether the launcher's own log is wanted.

    Raises:
        UsageError: there are fewer GPUs.
        WorkerError: a process failed; where it has said why itself, the message is empty.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    flags = _list_flags(how)
    os.environ[STARTED_HERE] = "1"
    if not debug:
        logging.disable(logging.CRITICAL)  # it would name each failure several times
    try:
        launch_command(launch_command_parser().parse_args([*flags, "-m", "polarity_cli", *command]))
    except ChildFailedError as error:
        raise _explain(error.failures, how, trains=command[:1] == ["train"]) from error
    except SignalException as error:
        raise WorkerError("", exit_code=128 + error.sigval) from error
    finally:
        logging.disable(logging.NOTSET)
    return 0


def _list_flags(how: Launch) -> list[str]:
    """Return how `accelerate launch` starts processes on this machine, whatever its config says of that."""
    import torch
    from accelerate.commands.config.config_args import default_config_file, load_config_from_file

    from polarity_cli.distributed.rendezvous import PRECISION, choose_precision
    from polarity_cli.machine import count_threads

    is_stored = os.path.isfile(default_config_file)
    if uses_processors() or (is_stored and getattr(load_config_from_file(None), "use_cpu", False)):
        os.environ["ACCELERATE_USE_CPU"] = "true"
    elif how.n_processes > torch.cuda.device_count():
        raise UsageError(
            f"--processes {how.n_processes}: this machine has {torch.cuda.device_count()} GPU(s), and each process has one.",
            hint="ACCELERATE_USE_CPU=true computes on the processors instead.",
        )
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = asked if asked.isdecimal() and int(asked) else str(max(1, count_threads() // how.n_processes))
    address, port = how.main_address or ("127.0.0.1", 0)  # 0: any that is free
    flags = {
        "--num_processes": how.n_processes * how.n_machines,
        "--num_machines": how.n_machines,
        "--machine_rank": how.machine,
        "--main_process_ip": address,
        "--main_process_port": port,
        "--gpu_ids": "all",
        "--num_cpu_threads_per_process": threads,
        "--dynamo_backend": "no",
    }
    precision = os.environ.get(PRECISION)
    if precision or not is_stored:
        flags["--mixed_precision"] = precision or choose_precision()
    return ["--multi_gpu", *(str(word) for pair in flags.items() for word in pair)]


def _explain(failures: Mapping[int, Any], how: Launch, *, trains: bool) -> WorkerError:
    """Return the error that says which process failed first: all others were lost without it, or ended by the launcher."""
    rank, code = min(
        ((rank, found.exitcode) for rank, found in failures.items()), key=lambda pair: (_rank_blame(pair[1]), pair[0])
    )
    if code == LostProcessError.exit_code:
        where = " on another machine" if how.n_machines > 1 else ""
        return WorkerError(f"the run ended because a process{where} did.", exit_code=1)
    if code > 0:  # it has said why
        return WorkerError("", exit_code=code)
    again = "Run the same command again: training goes on from the last state that was kept, if there is one."
    count, name = how.n_processes * how.n_machines, signal.Signals(-code).name
    return WorkerError(
        f"process {rank} of {count} was ended by {name}.", exit_code=1, hint=again if trains and rank == 0 else None
    )


def _rank_blame(code: int) -> int:
    """Return how far an exit code is from being the reason that a run failed, from 0."""
    if code == LostProcessError.exit_code:
        return 3
    if code == -signal.SIGTERM:
        return 2
    return 0 if code < 0 else 1
