"""The device that a model runs on, set up once for a process, and the precision that suits it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from polarity_cli.distributed.environment import get_local_world_size, get_world_size
from polarity_cli.distributed.precision import choose_precision
from polarity_cli.errors import UsageError
from polarity_cli.machine import count_threads, has_gpu, keep_freed_memory

if TYPE_CHECKING:
    import torch

_OR_CPU = "or answer on the processors: --device cpu"


def set_up_processor() -> None:
    """Keep freed memory, and use this process's share of the CPU cores unless `OMP_NUM_THREADS` says otherwise."""
    import torch

    keep_freed_memory()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, count_threads() // get_local_world_size()))


def check_gpu(option: str, *, n_processes: int = 1) -> None:
    """Refuse a GPU of `--device` that torch does not have, without taking any of its memory.

    Raises:
        UsageError: there is none that torch can use, or not so many; or one is named for several processes.
    """
    import torch

    if not torch.cuda.is_available():
        raise _explain_absence(option)
    _, _, number = option.partition(":")
    if number and max(n_processes, get_world_size()) > 1:
        raise UsageError(f"--device {option}: each process has a GPU of its own.", hint="Give --device cuda.")
    n_gpus = torch.cuda.device_count()
    if number and int(number) >= n_gpus:
        there = ", ".join(f"cuda:{index}" for index in range(min(n_gpus, 8)))
        raise UsageError(f"--device {option}: torch finds {n_gpus} GPU(s) here: {there}.", hint="Choose one of those.")


def find_gpu(option: str) -> torch.device:
    """Return the GPU of `--device`: that of a number, `cuda:1`, or this process's own, `cuda`.

    Raises:
        UsageError: see `check_gpu`.
    """
    import torch

    check_gpu(option)
    set_up_processor()
    _, _, number = option.partition(":")
    device = torch.device("cuda", int(number) if number else torch.cuda.current_device())
    torch.cuda.set_device(device)
    return device


def _explain_absence(option: str) -> UsageError:
    """Return the error that says why torch has no GPU."""
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return UsageError(
            f"--device {option}: torch {torch.__version__} is a build for processors alone.",
            hint=f"Install its build for CUDA (https://pytorch.org/get-started/locally says how), {_OR_CPU}",
        )
    hiding = next((name for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES") if os.environ.get(name) in ("", "-1")), None)
    if hiding is not None:
        return UsageError(f"--device {option}: {hiding} hides every GPU.", hint=f"Unset it, {_OR_CPU}")
    if not has_gpu():
        return UsageError(
            f"--device {option}: no GPU driver is loaded here (no /dev/nvidiactl).",
            hint=f"Install the driver and see that nvidia-smi lists the GPU, {_OR_CPU}",
        )
    built_for = f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {torch.version.hip}"
    return UsageError(
        f"--device {option}: torch {torch.__version__}, built for {built_for}, finds no GPU that it can use.",
        hint=f"See what nvidia-smi says; the driver may be older than that, {_OR_CPU}",
    )


def choose_dtype(device: torch.device) -> torch.dtype:
    """Return what a GPU answers in: bfloat16 where it has it, unless the launcher was told another precision; else float32."""
    import torch

    has_it = device.type == "cuda" and choose_precision() == "bf16" and has_bfloat16(device)
    return torch.bfloat16 if has_it else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether a GPU computes in bfloat16 itself: from compute capability 8.0 (Ampere) on, or any that ROCm runs on."""
    import torch

    return torch.version.hip is not None or torch.cuda.get_device_capability(device)[0] >= 8
