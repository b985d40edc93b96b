"""SIGINT and SIGTERM while a run trains: they wait for the end of a step, or end the run at once. Used by `training/resume`."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_REPEATED_S = 1.0
"""A signal that comes again so soon is the same one: a terminal and a wrapper may both send it."""


class RunStoppedError(KeyboardInterrupt):
    """A signal ends the run; like the interrupt that it is, nothing on the way takes it for a failure."""


class Signals:
    """The signal that came, if one did."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._received_at = 0.0

    def check(self) -> None:
        """Raise RunStoppedError if a signal came."""
        if self.received is not None:
            raise RunStoppedError

    @contextmanager
    def catch(self, *, at_once: bool) -> Iterator[None]:
        """Turn a signal inside the block into RunStoppedError: at once, or where `check` is called next.

        A second one, a second later, ends the run at once and unsaved. What the process ignores stays ignored.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: FrameType | None) -> None:
            if self.received is not None and time.monotonic() - self._received_at > _REPEATED_S:
                raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
            if self.received is None:
                self.received, self._received_at = number, time.monotonic()
                if at_once:
                    self.check()

        before: dict[signal.Signals, Callable[..., Any] | int | None] = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self.check()
