"""Which of several processes this one is, by the variables that its launcher set: accelerate, torchrun, an MPI, or `--processes`.

All processes run the same command line. The main one, of rank 0, shows progress and prints; the others are silent.
"""

from __future__ import annotations

import os

RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
LOCAL_RANKS = ("LOCAL_RANK", "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK")
LOCAL_SIZES = ("LOCAL_WORLD_SIZE", "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE")
"""The variables that launchers set, torchrun's first: those that Accelerate reads."""
STARTED_HERE = "POLARITY_LAUNCHED"
"""Set where `--processes` started this process: the one that did says how the others ended."""


def get_rank() -> int | None:
    """Return this process's rank, from 0; None where it was started alone."""
    return _read(RANKS)


def get_world_size() -> int:
    """Return how many processes a launcher started, on all machines together."""
    return (_read(SIZES) or 1) if get_rank() is not None else 1


def get_local_world_size() -> int:
    """Return how many of them are on this machine."""
    return max(1, _read(LOCAL_SIZES) or 1)


def _read(names: tuple[str, ...]) -> int | None:
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdecimal()), None)


def is_main_process() -> bool:
    """Tell whether this is the process that shows progress and prints."""
    return get_world_size() == 1 or not get_rank()


def was_started_alone_of_several() -> bool:
    """Tell whether `accelerate launch` was asked for several processes and started this one only.

    That is what it does where it is to compute on CPUs: it leaves the starting of the others to an MPI.
    """
    return get_rank() is None and "MASTER_ADDR" in os.environ and "ACCELERATE_MIXED_PRECISION" in os.environ


def set_torchrun_variables() -> None:
    """Set torchrun's variables where an MPI started the processes: Accelerate reads no others for GPUs."""
    local = next((os.environ[name] for name in LOCAL_RANKS if os.environ.get(name, "").isdecimal()), None)
    os.environ.setdefault("RANK", str(get_rank() or 0))
    os.environ.setdefault("WORLD_SIZE", str(get_world_size()))
    os.environ.setdefault("LOCAL_WORLD_SIZE", str(_read(LOCAL_SIZES) or get_world_size()))
    os.environ.setdefault("LOCAL_RANK", local or os.environ["RANK"])
    if os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]:
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", "29500")
