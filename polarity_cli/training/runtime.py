"""What a run works with: the allocator, threads, the Accelerator and its device and precision, and the seed."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

from polarity_cli.errors import UsageError

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Make glibc keep freed tensors for the next ones instead of giving each back to the kernel.

    Every forward pass asks for the same large blocks again; returned to the kernel, they cost a page fault for each 4 KiB, a
    third of the processor's time. Does nothing where the C library is not glibc.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def count_threads() -> int:
    """Return how many processors this process may use: the affinity mask's, capped by the container's quota."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:
        available = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(available, int(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or its quota is "max"
        return available


def start_runtime(*, seed: int, track: str | None = None, track_dir: Path | None = None) -> Accelerator:
    """Return the Accelerator of a run, with threads and every random generator set.

    Computes in bfloat16 on a GPU that has it and in float32 elsewhere: without AVX512-BF16 or AMX, bfloat16 on a processor is
    many times slower than float32.

    Raises:
        UsageError: the tracker is not installed, or several processes were launched.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    _set_up_processor()
    precision = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    try:
        accelerator = Accelerator(mixed_precision=precision, log_with=track, project_dir=track_dir)
    except ValueError as error:
        raise UsageError(f"--track {track}: {error}", hint=f"Install the tracker's package, e.g. pip install {track}.") from error
    if track and not accelerator.log_with:
        raise UsageError(f"--track {track}: that tracker is not installed.", hint=f"pip install {track}")
    if accelerator.num_processes > 1:
        raise UsageError("Training runs in one process; start it without a launcher.", hint="polarity train ...")
    set_seed(seed)
    return accelerator


def start_inference() -> torch.device:
    """Set up the processor and return the device that a model is used on: a GPU where there is one."""
    import torch

    _set_up_processor()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _set_up_processor() -> None:
    import torch

    keep_freed_memory()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(count_threads())
