"""Ask the machine for its memory and processors, and set how its allocator keeps memory. Used wherever a model runs."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import operator
import os
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_THRESHOLD_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Make glibc keep freed tensors for the next ones instead of giving each back to the kernel.

    Every forward pass asks for the same large blocks again; returned to the kernel, they cost a page fault for each 4 KiB, a
    third of the processor's time. Does nothing where the C library is not glibc.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _THRESHOLD_BYTES)


def release_freed_memory() -> None:
    """Return freed memory to the kernel, which `keep_freed_memory` would never do.

    Batches of many shapes leave holes that later ones do not fit, so the process grows until this is called. Does nothing where
    the C library is not glibc.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def find_flags(*names: str) -> int:
    """Return those of the named flags of `os.open` that this system has, in one number; Windows lacks most of them."""
    return functools.reduce(operator.or_, (getattr(os, name, 0) for name in names), 0)


def count_threads() -> int:
    """Return how many processors this process may use: those of its affinity mask, at most the container's quota."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:
        available = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(available, int(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or its quota is "max"
        return available


def find_memory() -> int:
    """Return the most memory that this process can have, in bytes: the machine's, at most the container's limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no such file, or its limit is "max"
        return machine


def choose_threads() -> int:
    """Return the number of threads to compute with: `OMP_NUM_THREADS` if set, else `count_threads`."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdecimal() and int(value) > 0 else count_threads()


def has_gpu() -> bool:
    """Tell whether this process can use a GPU, without importing torch: a driver's device is there, and nothing hides it."""
    hidden = any(os.environ.get(name) in ("", "-1") for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"))
    return not hidden and any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/kfd"))
