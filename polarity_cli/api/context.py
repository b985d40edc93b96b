"""Where the program works when another program imports it, and how it tells that one what it has to say.

Notes go to the logger `polarity_cli`, what nobody should miss to `warnings`.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from contextlib import AbstractContextManager, nullcontext

from polarity_cli.context import Context
from polarity_cli.records import Advance, ignore_progress

LOGGER = logging.getLogger("polarity_cli")


class LogObserver:
    """Write notes to a log and give warnings as Python does; show no progress."""

    def note(self, message: str) -> None:
        """Log a sentence."""
        LOGGER.info(message)

    def warn(self, message: str) -> None:
        """Warn with a sentence."""
        warnings.warn(message, stacklevel=3)

    @property
    def shows_progress(self) -> bool:
        """Say that nobody looks."""
        return False

    def track(self, task: str, total: int | None = None, *, unit: str = "") -> AbstractContextManager[Advance]:
        """Log what begins."""
        LOGGER.info("%s", task)
        return nullcontext(ignore_progress)

    def countdown(self, reason: str, seconds: float) -> None:
        """Log why nothing goes on, and wait."""
        LOGGER.info("%s; trying again in %.0f s.", reason, seconds)
        time.sleep(seconds)


def find_context(context: Context | None) -> Context:
    """Return where to work: as given, else with the user's cache folder, and what is said to a log."""
    return settle_process(context or Context(observer=LogObserver()))


def settle_process(context: Context) -> Context:
    """Return a context as it is, and set for this process what its libraries read when they are imported, which is later."""
    if context.offline:
        os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    # torch, when imported, makes a folder for what it compiles, which is nothing here: one that is there spares /tmp another.
    folder = context.cache_dir.absolute()
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(there))
    return context
