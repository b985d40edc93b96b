"""Which of several processes this one is, by what its launcher set: accelerate, torchrun, an MPI, or `distributed/launch`.

They all run the same command line. The main process draws progress and prints; the others are its followers.
"""

from __future__ import annotations

import os

RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
LOCAL_RANKS = ("LOCAL_RANK", "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK")
LOCAL_SIZES = ("LOCAL_WORLD_SIZE", "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE")
"""The variables that launchers set, torchrun's first: those that Accelerate reads."""
STARTED_HERE = "POLARITY_LAUNCHED"
"""Set where `--processes` started this process: then the one that did says how the others ended."""


def find_rank() -> int | None:
    """Return which process of several this is, from 0; None where it was started alone."""
    return _read(RANKS)


def count_launched() -> int:
    """Return how many processes a launcher started, on all machines together."""
    return (_read(SIZES) or 1) if find_rank() is not None else 1


def count_local() -> int:
    """Return how many of them are on this machine."""
    return max(1, _read(LOCAL_SIZES) or 1)


def _read(names: tuple[str, ...]) -> int | None:
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdecimal()), None)


def is_follower() -> bool:
    """Tell whether another process is the main one."""
    return count_launched() > 1 and (find_rank() or 0) > 0


def speak_torchrun() -> None:
    """Set torchrun's variables where an MPI started the processes: Accelerate reads no others for GPUs."""
    local = next((os.environ[name] for name in LOCAL_RANKS if os.environ.get(name, "").isdecimal()), None)
    os.environ.setdefault("RANK", str(find_rank() or 0))
    os.environ.setdefault("WORLD_SIZE", str(count_launched()))
    os.environ.setdefault("LOCAL_WORLD_SIZE", str(_read(LOCAL_SIZES) or count_launched()))
    os.environ.setdefault("LOCAL_RANK", local or os.environ["RANK"])
    if os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]:
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", "29500")
