"""A lock for each folder that a run publishes to: one run at a time. Used by `training/resume`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from polarity_cli.cache.locks import lock
from polarity_cli.errors import CacheError, UsageError
from polarity_cli.records import Observer

_LOOKS, _LOOK_S = 10, 0.1
"""How often, and after how many seconds, a lock is tried: who lists the cache has it for a moment."""


@contextmanager
def lock_run(folder: Path, out: Path, observer: Observer) -> Iterator[None]:
    """Hold the lock of a run's folder inside the block.

    Raises:
        UsageError: another process trains to `out` now.
        CacheError: the cache cannot be written.
    """
    with ExitStack() as stack:
        for n_left in range(_LOOKS - 1, -1, -1):
            try:
                is_locked = stack.enter_context(lock(folder / "lock", when_busy=None))
                break
            except BlockingIOError as error:
                if n_left == 0:
                    raise UsageError(
                        f"--out {out}: another run is training to it now.", hint="Wait for it, or name another folder."
                    ) from error
            except OSError as error:
                raise CacheError(
                    f"{folder}: cannot be written ({error.strerror}).", hint="Choose another folder with --cache-dir."
                ) from error
            time.sleep(_LOOK_S)
        if not is_locked:
            observer.note(f"{folder}: its disk has no locks; start no second run to {out} beside this one.")
        yield
