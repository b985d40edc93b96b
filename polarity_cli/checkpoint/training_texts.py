"""Which texts a checkpoint was trained on, as hashes: `evaluate` counts by them the reviews that say nothing new of it.

    training_texts.u64      for each different review of the training split eight bytes of what its copies share (see
                            `data/splits`), as sorted little-endian numbers; no text can be read from them

Written by the verb `train` beside the weights, and published with them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarity_cli.cache.publish import report_unwritable
from polarity_cli.errors import CheckpointError
from polarity_cli.machine import find_flags

NAME = "training_texts.u64"
_TYPE = np.dtype("<u8")


def write_hashes(folder: Path, keys: Iterable[bytes]) -> None:
    """Write the list of a checkpoint's training reviews, given as their `review_key`.

    Raises:
        CacheError: the disk refuses.
    """
    with report_unwritable(folder / NAME):
        (folder / NAME).write_bytes(np.unique(_shorten(keys)).tobytes())


def read_hashes(folder: Path) -> NDArray[np.uint64] | None:
    """Return the numbers `(N,) uint64`, ascending and mapped from the file; None where the checkpoint has no such list.

    Raises:
        CheckpointError: the file is none that `write_hashes` wrote; it may come from anywhere.
    """
    path = folder / NAME
    try:
        opened = open(path, "rb", opener=lambda name, flags: os.open(name, flags | find_flags("O_NONBLOCK")))  # noqa: SIM115
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error
    with opened as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size % _TYPE.itemsize:
            raise CheckpointError(f"{path}: not a list of training texts.")
        if status.st_size == 0:
            return np.empty(0, _TYPE)
        hashes: NDArray[np.uint64] = np.memmap(file, dtype=_TYPE, mode="r")
    if not bool((hashes[1:] > hashes[:-1]).all()):
        raise CheckpointError(f"{path}: not a list of training texts (it is not in order).")
    return hashes


def find_hashes(hashes: NDArray[np.uint64], keys: Iterable[bytes]) -> NDArray[np.bool_]:
    """Return which reviews, given as their `review_key`, stand in a list: `(M,) bool`."""
    own = _shorten(keys)
    if not len(hashes):
        return np.zeros(len(own), dtype=np.bool_)
    places = np.minimum(np.searchsorted(hashes, own), len(hashes) - 1)
    return np.asarray(hashes[places] == own)


def _shorten(keys: Iterable[bytes]) -> NDArray[np.uint64]:
    """Return the first eight bytes of each key as a number: `(M,) uint64`."""
    return np.fromiter((int.from_bytes(key[:8], "little") for key in keys), dtype=_TYPE)
