"""How large kept features may grow: `--feature-cache auto|off|SIZE` in bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from polarity_cli.train_config import FeatureCache

_DISK_SHARE = 0.25
"""Of the free disk: several encoders and depths fit beside each other, and the disk never fills."""
_MOST_OF_DISK = 0.9
"""Of the free disk, whatever size is asked for: the checkpoint must find room too."""
_MEMORY_SHARE = 0.5
"""Of the free memory, where features are read at a GPU's speed."""


def find_budget(setting: FeatureCache, cache_dir: Path, *, device: torch.device, n_kept: int = 0) -> int:
    """Return the bytes that features may take beside the `n_kept` bytes that a run already has.

    `auto` keeps features while an epoch reads them faster than the trunk would make them again. A CPU passes some 10,000
    tokens a second through a trunk; at 2 bytes a dimension that is 15 MB a second for 768 dimensions, and any disk reads
    faster, so the free disk alone decides. A GPU passes a million tokens, 1.5 GB a second, which only memory reads: there the
    features must fit the page cache too.
    """
    if setting == "off":
        return 0
    free = _find_free_disk(cache_dir)
    if setting != "auto":
        return max(0, min(setting - n_kept, int(free * _MOST_OF_DISK)))
    budget = int(free * _DISK_SHARE)
    if device.type == "cpu":
        return budget
    return min(budget, int(_find_free_memory() * _MEMORY_SHARE))


def _find_free_disk(folder: Path) -> int:
    """Return the free bytes of the disk that a folder, or the nearest folder above it that exists, stands on."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def _find_free_memory() -> int:
    """Return the bytes that programs could still use, or a large number where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return 1 << 62
