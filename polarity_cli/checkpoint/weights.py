"""What safetensors files hold, by their headers alone. Next: `encoder/memory_check`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from polarity_cli.checkpoint.folder_check import find_weights
from polarity_cli.errors import CheckpointError

FLOATS = frozenset({"BF16", "F16", "F32", "F64"})
"""Types that weights are read from."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a file, by its header."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def n_values(self) -> int:
        """How many values it holds."""
        return math.prod(self.shape)


def read_headers(folder: Path) -> dict[str, StoredTensor]:
    """Return every tensor of a folder's weight files, by name.

    Raises:
        CheckpointError: a file is missing, torn, or not what its header says.
    """
    tensors: dict[str, StoredTensor] = {}
    for path in find_weights(folder):
        tensors |= read_header(path)
    return tensors


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of one safetensors file, by name. The file is mapped, and no value of it is read.

    Raises:
        CheckpointError: it is torn or damaged, or its header and its size do not fit.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return {name: StoredTensor(part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: the weights cannot be loaded ({str(error)[:300]}).") from error
