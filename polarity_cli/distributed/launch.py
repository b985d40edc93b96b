"""Start a command in several processes of this machine, through `accelerate launch`, and say how they ended.

The workers run the same command line; `distributed/environment` is how they know that they are workers.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from polarity_cli.distributed.environment import STARTED_HERE, get_rank, get_world_size, was_started_alone_of_several
from polarity_cli.distributed.rendezvous import uses_cpu
from polarity_cli.errors import LostProcessError, UsageError, WorkerError


def check_processes(n_processes: int | None) -> int:
    """Return how many processes this one is to start: `--processes`, unless a launcher has started this one already.

    Returns:
        The number; 1 where nothing is to be started.

    Raises:
        UsageError: `--processes` is below 1, or a launcher started another number than it says, or than it was asked for.
    """
    if n_processes is not None and n_processes < 1:
        raise UsageError(f"--processes {n_processes}: expected 1 or more.")
    if was_started_alone_of_several():
        raise UsageError(
            "`accelerate launch` was asked for several processes and started one: on processors it leaves the others to an MPI.",
            hint="Start the program without it: --processes N on one machine, torchrun on several.",
        )
    if get_rank() is None:
        return n_processes or 1
    if n_processes not in (None, get_world_size()):
        raise UsageError(
            f"--processes {n_processes}: the launcher started {get_world_size()}.", hint="Leave --processes out under a launcher."
        )
    return 1


def launch(command: Sequence[str], n_processes: int, *, debug: bool = False, on_cpu: bool = False) -> int:
    """Run a command line of this program in several processes and return 0 when all have ended well.

    What `accelerate config` has stored holds, but for the number of processes and machines. Each process computes with its share
    of the processors.

    Args:
        command: the words behind `polarity`.
        n_processes: how many.
        debug: whether the launcher's own log is wanted.
        on_cpu: whether they share the processors where there are GPUs too.

    Raises:
        UsageError: there are fewer GPUs.
        WorkerError: a process failed; where it has said why itself, the message is empty.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    flags = _list_flags(n_processes, on_cpu=on_cpu)
    os.environ[STARTED_HERE] = "1"
    if not debug:
        logging.disable(logging.CRITICAL)  # it would name each failure several times
    try:
        launch_command(launch_command_parser().parse_args([*flags, "-m", "polarity_cli", *command]))
    except ChildFailedError as error:
        raise _explain(error.failures, n_processes, trains=command[:1] == ["train"]) from error
    except SignalException as error:
        raise WorkerError("", exit_code=128 + error.sigval) from error
    finally:
        logging.disable(logging.NOTSET)
    return 0


def _list_flags(n_processes: int, *, on_cpu: bool) -> list[str]:
    """Return how `accelerate launch` starts processes on this machine, whatever its config says of that."""
    import torch
    from accelerate.commands.config.config_args import default_config_file, load_config_from_file

    from polarity_cli.distributed.precision import PRECISION, find_fastest_precision, find_stored_precision
    from polarity_cli.machine import count_threads

    is_stored = os.path.isfile(default_config_file)
    if on_cpu or uses_cpu() or (is_stored and getattr(load_config_from_file(None), "use_cpu", False)):
        os.environ["ACCELERATE_USE_CPU"] = "true"
    elif n_processes > torch.cuda.device_count():
        raise UsageError(
            f"--processes {n_processes}: this machine has {torch.cuda.device_count()} GPU(s), and each process has one.",
            hint="ACCELERATE_USE_CPU=true computes on the processors instead.",
        )
    setting = os.environ.get("OMP_NUM_THREADS", "")
    threads = setting if setting.isdecimal() and int(setting) else str(max(1, count_threads() // n_processes))
    flags = {
        "--num_processes": n_processes,
        "--num_machines": 1,
        "--machine_rank": 0,
        "--main_process_ip": "127.0.0.1",
        "--main_process_port": 0,  # any that is free
        "--gpu_ids": "all",
        "--num_cpu_threads_per_process": threads,
        "--dynamo_backend": "no",
        "--mixed_precision": os.environ.get(PRECISION) or find_stored_precision() or find_fastest_precision(),
    }
    return ["--multi_gpu", *(str(word) for pair in flags.items() for word in pair)]


def _explain(failures: Mapping[int, Any], n_processes: int, *, trains: bool) -> WorkerError:
    """Return the error that says which process failed first: all others were lost without it, or ended by the launcher."""
    rank, code = min(
        ((rank, failure.exitcode) for rank, failure in failures.items()), key=lambda pair: (_rank_blame(pair[1]), pair[0])
    )
    if code == LostProcessError.exit_code:
        return WorkerError("the run ended because a process did.", exit_code=1)
    if code > 0:  # it has said why
        return WorkerError("", exit_code=code)
    again = "Run the same command again: training goes on from the last state that was kept, if there is one."
    name = signal.Signals(-code).name
    return WorkerError(
        f"process {rank} of {n_processes} was ended by {name}.", exit_code=1, hint=again if trains and rank == 0 else None
    )


def _rank_blame(code: int) -> int:
    """Return how far an exit code is from being the reason that a run failed, from 0."""
    if code == LostProcessError.exit_code:
        return 3
    if code == -signal.SIGTERM:
        return 2
    return 0 if code < 0 else 1
