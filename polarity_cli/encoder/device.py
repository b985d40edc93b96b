"""The device that a model runs on, set up once for a process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from polarity_cli.distributed.environment import get_local_world_size
from polarity_cli.distributed.rendezvous import uses_cpu
from polarity_cli.machine import count_threads, keep_freed_memory

if TYPE_CHECKING:
    import torch


def set_up_processor() -> None:
    """Keep freed memory, and use this process's share of the CPU cores unless `OMP_NUM_THREADS` says otherwise."""
    import torch

    keep_freed_memory()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, count_threads() // get_local_world_size()))


def start_inference() -> torch.device:
    """Set up the CPU and return the device that a model is used on: this process's GPU where there is one."""
    import torch

    set_up_processor()
    return torch.device("cpu" if uses_cpu() else "cuda")
