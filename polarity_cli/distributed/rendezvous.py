"""How processes that a launcher started find each other, through Accelerate. What they do then: `distributed/world`."""

from __future__ import annotations

import os
from datetime import timedelta

from polarity_cli.distributed.environment import get_world_size, set_torchrun_variables
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.errors import PolarityError, UsageError

LONGEST_WAIT = timedelta(days=7)
"""How long processes wait for what the main one does alone: it may download or tokenize millions of reviews."""
LONGEST_START = timedelta(minutes=10)
"""How long they wait for each other to start, and for a training step of another: a machine may be gone without a word."""


def join_world(*, on_cpu: bool = False) -> World:
    """Return the processes that a launcher started, when all of them are there; alone, those of one.

    With `on_cpu` none of them takes a GPU.

    Raises:
        UsageError: the launcher asks for an engine that divides models.
        PolarityError: they do not find each other.
    """
    if get_world_size() == 1:
        return ALONE
    for engine in ("DEEPSPEED", "FSDP", "MEGATRON_LM"):
        if os.environ.get(f"ACCELERATE_USE_{engine}", "").lower() == "true":
            raise UsageError(
                f"The launcher's config asks for {engine}, which divides models that do not fit one device; encoders do.",
                hint="Choose multi-GPU or multi-CPU in `accelerate config`.",
            )
    import torch
    from accelerate import PartialState

    set_torchrun_variables()
    try:
        state = PartialState(cpu=on_cpu or uses_cpu(), timeout=LONGEST_START)
        if state.num_processes != get_world_size():
            raise ValueError(f"{state.num_processes} instead of {get_world_size()}")
        torch.distributed.barrier(torch.distributed.new_group(backend="gloo", timeout=LONGEST_START))
        group = torch.distributed.new_group(backend="gloo", timeout=LONGEST_WAIT)
        address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = torch.distributed.TCPStore(  # type: ignore[attr-defined]
            *address, is_master=False, wait_for_workers=False, timeout=LONGEST_START
        )
    except (KeyError, RuntimeError, ValueError) as error:
        raise PolarityError(
            f"The processes did not find each other ({str(error).splitlines()[0]}).",
            hint="Every machine must reach the first one's port; set GLOO_SOCKET_IFNAME (NCCL_SOCKET_IFNAME) to its network.",
        ) from error
    return World(state, group, store)


def uses_cpu() -> bool:
    """Tell whether the run computes on the CPU: there is no GPU, or the launcher says so."""
    import torch

    on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "on", "t", "true", "y", "yes")
    return on_cpu or not torch.cuda.is_available()
