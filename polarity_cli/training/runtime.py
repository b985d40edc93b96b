"""What a run trains with: the Accelerator, its device and precision, and the seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.encoder.processor import set_up_processor
from polarity_cli.errors import UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator


def start_runtime(*, seed: int, track: str | None = None, track_dir: Path | None = None, offline: bool = False) -> Accelerator:
    """Return the Accelerator of a run, with threads and every random generator set.

    Computes in bfloat16 on a GPU that has it and in float32 elsewhere: without AVX512-BF16 or AMX, bfloat16 on a processor is
    many times slower than float32.

    Raises:
        UsageError: the tracker is not installed or may connect where `offline` forbids it, or several processes were launched.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    set_up_processor()
    precision = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    if track is not None:
        if offline and track != "tensorboard":
            raise UsageError(f"--track {track}: it may connect, and --offline makes no connection.", hint="Use tensorboard.")
        _check_tracker(track)
    accelerator = Accelerator(mixed_precision=precision, log_with=track, project_dir=track_dir)
    if accelerator.num_processes > 1:
        raise UsageError("Training runs in one process; start it without a launcher.", hint="polarity train ...")
    set_seed(seed)
    return accelerator


def describe_machine(accelerator: Accelerator) -> dict[str, Any]:
    """Return what of the machine decides the last digits of what a run learns, as plain values."""
    import torch

    precision, threads = str(accelerator.mixed_precision), torch.get_num_threads()
    return {"device": accelerator.device.type, "precision": precision, "threads": threads}


def _check_tracker(name: str) -> None:
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    known = sorted(str(kind.value if hasattr(kind, "value") else kind) for kind in LOGGER_TYPE_TO_CLASS)
    if name not in known:
        raise UsageError(f"--track {name}: choose one of {', '.join(known)}.")
    if name not in [str(kind.value if hasattr(kind, "value") else kind) for kind in get_available_trackers()]:
        raise UsageError(
            f"--track {name}: its package is not installed.", hint="pip install 'polarity[track]' brings tensorboard."
        )
