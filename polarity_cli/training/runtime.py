"""What a run trains with: the Accelerator, its device and precision, and the seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.distributed.precision import choose_precision
from polarity_cli.distributed.rendezvous import uses_cpu
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.encoder.device import set_up_processor
from polarity_cli.errors import UsageError
from polarity_cli.records import Observer
from polarity_cli.training.tracking import check_tracker

if TYPE_CHECKING:
    from accelerate import Accelerator

_PRECISIONS = {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""What Accelerate's names mean."""


def start_runtime(
    *,
    seed: int,
    world: World = ALONE,
    track: str | None = None,
    track_dir: Path | None = None,
    offline: bool = False,
) -> Accelerator:
    """Return the Accelerator of a run, with threads and every random generator set, the same in all processes.

    Computes in what the launcher was told (`accelerate launch --mixed_precision`), else in bfloat16 on a GPU that has it and in
    float32 elsewhere: without AVX512-BF16 or AMX, bfloat16 on a CPU is many times slower than float32.

    Raises:
        UsageError: the tracker is not installed or may connect where `offline` forbids it, or the precision is not to be had.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.utils import GradientAccumulationPlugin, set_seed

    set_up_processor()
    if track is not None:
        check_tracker(track, offline=offline)
    precision = choose_precision()
    try:
        accelerator = Accelerator(
            cpu=world.state is not None and uses_cpu(),
            mixed_precision=precision,
            log_with=track,
            project_dir=track_dir,
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # whatever the environment says
            kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],  # half the memory for gradients
        )
    except ValueError as error:
        raise UsageError(
            f"--mixed_precision {precision}: not on this machine ({error}).", hint="Give no, bf16 or fp16."
        ) from error
    set_seed(seed)
    return accelerator


def tell_precision(accelerator: Accelerator, observer: Observer) -> None:
    """Tell the observer what the run computes in and where, unless that is float32 on the processors."""
    precision, device = str(accelerator.mixed_precision), accelerator.device
    if precision != "no" or device.type != "cpu":
        n = accelerator.num_processes
        processes = f", in {n} processes" if n > 1 else ""
        observer.note(f"Training in {_PRECISIONS.get(precision, precision)} on {device}{processes}.")


def describe_machine(accelerator: Accelerator) -> dict[str, Any]:
    """Return what of the machine decides the last digits of what a run learns, as plain values."""
    import torch

    precision, threads = str(accelerator.mixed_precision), torch.get_num_threads()
    return {
        "device": accelerator.device.type,
        "precision": precision,
        "threads": threads,
        "processes": accelerator.num_processes,
    }
