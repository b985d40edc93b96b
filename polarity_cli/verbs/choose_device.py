"""Whether a GPU answers: found out without importing torch where there can be none. Used by `predict` and `evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from polarity_cli.config import AUTO, PRECISIONS
from polarity_cli.extras import require_extra
from polarity_cli.inference.precision import FEW
from polarity_cli.machine import has_gpu

GPU = "cuda"
CPU = "cpu"


def choose_device(option: str, precision: str | None, texts: Sequence[str] = ()) -> str:
    """Return where a checkpoint answers: `cpu`, `cuda`, or the GPU that was asked for by its number.

    Args:
        option: of `--device`.
        precision: of `--precision`; a graph is run on the processors unless a GPU is asked for.
        texts: all that will be answered, where they are known. A few are answered before torch has found the GPU.

    Raises:
        UsageError: a GPU is asked for and torch is not installed.
    """
    if option == CPU:
        return CPU
    if option != AUTO:
        require_extra("train", f"--device {option}")
        return option
    is_for_graphs = precision in PRECISIONS or 0 < len(texts) <= FEW
    return CPU if is_for_graphs or not _has_usable_gpu() else GPU


def _has_usable_gpu() -> bool:
    """Tell whether torch finds a GPU, and nothing says that it shall not be used; torch is imported where there is a driver."""
    if not has_gpu() or find_spec("torch") is None or find_spec("transformers") is None:
        return False
    from polarity_cli.distributed.rendezvous import uses_cpu

    return not uses_cpu()
