"""Keep a run's state while it trains, and take it up again. Between `training/loop` and `training/state`."""

from __future__ import annotations

import fcntl
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any

import torch
from torch import Tensor

from polarity_cli.cache import fingerprint
from polarity_cli.errors import CacheError, InterruptedRunError, UsageError
from polarity_cli.training.learner import Learner
from polarity_cli.training.state import (
    HISTORY,
    Course,
    Record,
    State,
    append_history,
    find_states,
    get_random_states,
    read_run,
    read_state,
    replace_history,
    set_random_states,
    write_state,
)

EVERY_S = 30.0
"""Seconds between two states."""
_SHARE = 0.02
"""Most of a run's time that goes into writing states: where one takes long, the next waits longer."""


class Keeper:
    """The states of the run that publishes to one folder."""

    def __init__(self, cache_dir: Path, out: Path, run: Mapping[str, Any], *, fresh: bool, every_s: float) -> None:
        """Open the run's folder in the cache for this process alone.

        Args:
            cache_dir: the cache.
            out: where the checkpoint will be published; there is one run for it at a time.
            run: what makes the run what it is: flags and their values, and what they stand for.
            fresh: whether to drop what an interrupted run left.
            every_s: seconds between two states.

        Raises:
            UsageError: another process trains to `out` now, or an interrupted run was another than `run`.
            CacheError: the cache cannot be written.
        """
        self.folder = cache_dir / "runs" / fingerprint(str(out.resolve()))
        self._run, self._every_s = dict(run), every_s
        self._received: int | None = None
        self._n_written = 0
        self._new: list[Record] = []
        self._due = time.monotonic() + every_s
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock: IO[str] = (self.folder / "lock").open("w")
        except OSError as error:
            raise CacheError(
                f"{self.folder}: cannot be written ({error.strerror}).", hint="Choose another folder with --cache-dir."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"--out {out}: another run is training to it now.", hint="Wait for it, or name another folder."
            ) from error
        if fresh:
            self._clear()
        self._refuse_another(out)

    def _refuse_another(self, out: Path) -> None:
        known = next((run for run in map(read_run, find_states(self.folder)) if run is not None), None)
        if known is None or known == self._run:
            return
        names = sorted(name for name in {*known, *self._run} if known.get(name) != self._run.get(name))
        changed = "; ".join(f"{name} was {known.get(name)}, is {self._run.get(name)}" for name in names)
        raise UsageError(
            f"--out {out}: an interrupted run stands there, and it was another: {changed}.",
            hint="Give its options again to go on with it, or --fresh to start over.",
        )

    def restore(self) -> State | None:
        """Return the newest whole state; None where the run has none."""
        for path in find_states(self.folder):
            state = read_state(path)
            if state is not None:
                self._n_written = len(state.history)
                replace_history(self.folder / HISTORY, state.history)
                return state
            shutil.rmtree(path, ignore_errors=True)
        (self.folder / HISTORY).unlink(missing_ok=True)
        return None

    def follow(
        self,
        course: Course,
        records: Sequence[Record],
        learner: Learner,
        optimizer: torch.optim.Optimizer,
        best: Mapping[str, Tensor] | None,
    ) -> None:
        """Take note of what was done, and write a state when it is time or the run is to end.

        Raises:
            InterruptedRunError: a signal came; the state is written.
        """
        self._new += records
        if time.monotonic() < self._due and self._received is None:
            return
        begun = time.monotonic()
        append_history(self.folder / HISTORY, self._new)
        self._n_written += len(self._new)
        self._new = []
        packed = optimizer.state_dict()
        moments = {f"{index}/{name}": value for index, part in packed["state"].items() for name, value in part.items()}
        tensors = {"top": learner.get_top(), "optimizer": moments, "random": get_random_states(), "best": best or {}}
        write_state(self.folder, course, tensors, packed["param_groups"], n_records=self._n_written, run=self._run)
        took = time.monotonic() - begun
        self._due = time.monotonic() + max(self._every_s, took / _SHARE)
        if self._received is not None:
            raise InterruptedRunError(self._received, step=course.step)

    def finish(self) -> None:
        """Remove the states: the checkpoint is published."""
        self._clear()

    def close(self) -> None:
        """Let another process train to the same folder."""
        self._lock.close()

    @contextmanager
    def defer_signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM wait, inside the block, for the step's end; a second one ends the run at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: FrameType | None) -> None:
            if self._received is not None:
                raise KeyboardInterrupt
            self._received = number

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _clear(self) -> None:
        for path in find_states(self.folder):
            shutil.rmtree(path, ignore_errors=True)
        (self.folder / HISTORY).unlink(missing_ok=True)


@contextmanager
def open_keeper(cache_dir: Path, out: Path, run: Mapping[str, Any], *, fresh: bool) -> Iterator[Keeper]:
    """Give the keeper of a run, which no other process has meanwhile.

    Raises:
        UsageError, CacheError: as `Keeper` does.
    """
    keeper = Keeper(cache_dir, out, run, fresh=fresh, every_s=EVERY_S)
    try:
        yield keeper
    finally:
        keeper.close()


def take_up(state: State, learner: Learner, optimizer: torch.optim.Optimizer) -> None:
    """Put a state into a learner, its optimizer and the random generators."""
    learner.restore_top(state.top)
    optimizer.load_state_dict(state.optimizer)
    set_random_states(state.random)
