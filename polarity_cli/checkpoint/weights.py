"""What safetensors files say they hold, read from their headers alone. Next: `encoder/memory_check`.

The format: eight bytes with the header's length, JSON from names to type, shape and place, then the values without a gap.
Nothing here needs torch.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from polarity_cli.checkpoint.folder_check import find_weights
from polarity_cli.errors import CheckpointError

FLOATS = frozenset({"BF16", "F16", "F32", "F64"})
"""Types that weights are read from."""
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "C64": 64, "BOOL": 8} | {
    f"{kind}{bits}": bits for kind in "IU" for bits in (8, 16, 32, 64)
}
_PREFIX = 8
_LONGEST_HEADER = 16 << 20
"""Bytes: an encoder of a thousand blocks has a header of 2 MB."""
_MOST_DIMENSIONS = 8


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
    """Return the tensors of one safetensors file, by name.

    Raises:
        CheckpointError: it is torn or damaged, or its header and its size do not fit.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(_PREFIX), "little")
            if not 2 <= length <= min(_LONGEST_HEADER, size - _PREFIX):
                raise _refuse(path, f"a header of {length:,} bytes in a file of {size:,}")
            header = json.loads(file.read(length))
    except OSError as error:
        raise _refuse(path, f"{error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _refuse(path, "its header is not valid JSON") from error
    if not isinstance(header, dict):
        raise _refuse(path, "its header is no JSON object")
    header.pop("__metadata__", None)
    places = sorted((_read_place(path, name, entry), name) for name, entry in header.items())
    end = 0
    for (begin, next_end), name in places:
        if begin != end:
            raise _refuse(path, f"{name[:80]!r} begins at byte {begin:,} of the values, expected {end:,}")
        end = next_end
    if end != size - _PREFIX - length:
        raise _refuse(path, f"its header tells of {end:,} bytes of values, it holds {size - _PREFIX - length:,}")
    return {name: StoredTensor(entry["dtype"], tuple(entry["shape"])) for name, entry in header.items()}


def _read_place(path: Path, name: str, entry: object) -> tuple[int, int]:
    """Return where a tensor's values begin and end, checked against its type and shape."""
    if not isinstance(entry, dict):
        raise _refuse(path, f"{name[:80]!r} has no type and shape")
    dtype, shape, place = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _refuse(path, f"{name[:80]!r} is of type {str(dtype)[:20]!r}, which is not read")
    if not _are_counts(shape) or len(shape) > _MOST_DIMENSIONS:
        raise _refuse(path, f"{name[:80]!r} has no shape that can be")
    if not _are_counts(place) or len(place) != 2 or place[1] - place[0] != math.prod(shape) * _BITS[dtype] // 8:
        raise _refuse(path, f"{name[:80]!r} has another size than its type and shape say")
    return place[0], place[1]


def _are_counts(values: object) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 62 for value in values)


def _refuse(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"{path}: the weights cannot be loaded ({reason}).")
