"""Keep a run's state while it trains, and take it up again. Between `training/loop` and `training/state`."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from polarity_cli.cache import fingerprint
from polarity_cli.errors import CacheError, DivergedError, InterruptedRunError, UsageError
from polarity_cli.records import Observer
from polarity_cli.training.learner import Learner
from polarity_cli.training.signals import RunStoppedError, Signals
from polarity_cli.training.state import (
    Course,
    Record,
    State,
    clear_states,
    find_states,
    get_random_states,
    pack_optimizer,
    read_run,
    read_state,
    remove_leftovers,
    set_random_states,
    set_state_aside,
    write_state,
)

EVERY_S = 30.0
"""Seconds between two states."""
_KEPT = "the use of kept features"
_SHARE = 0.02
"""Most of a run's time that goes into writing states: where one takes long, the next waits longer."""


class Keeper:
    """The states of the run that publishes to one folder."""

    def __init__(self, cache_dir: Path, out: Path, run: Mapping[str, Any], observer: Observer, *, fresh: bool) -> None:
        """Open the run's folder in the cache for this process alone.

        Args:
            cache_dir: the cache.
            out: where the checkpoint will be published; there is one run for it at a time.
            run: what makes the run what it is: flags and their values, and what they stand for.
            observer: who is told of a state that is torn or cannot be written.
            fresh: whether to drop what an interrupted run left.

        Raises:
            UsageError: another process trains to `out` now, or an interrupted run was another than `run`.
            CacheError: the cache cannot be written.
        """
        self.folder = cache_dir / "runs" / fingerprint(str(out.resolve()))
        self._run, self._observer, self._fresh = dict(run), observer, fresh
        self._out = out
        self.signals = Signals()
        self._records: list[Record] = []
        self._saved_step: int | None = None
        self._due = time.monotonic() + EVERY_S
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise CacheError(
                f"{self.folder}: cannot be written ({error.strerror}).", hint="Choose another folder with --cache-dir."
            ) from error
        try:
            self._lock_folder(out)
            remove_leftovers(self.folder)
            if not fresh:
                self._refuse_another()
        except BaseException:
            self.close()
            raise

    def _lock_folder(self, out: Path) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"--out {out}: another run is training to it now.", hint="Wait for it, or name another folder."
            ) from error
        except OSError as error:
            raise CacheError(
                f"{self.folder}: its disk has no locks ({error.strerror}).", hint="Choose a local folder with --cache-dir."
            ) from error

    def _refuse_another(self) -> None:
        known = next((run for run in map(read_run, find_states(self.folder)) if run is not None), None)
        if known is None:
            return
        names = sorted({*known, *self._run} - ({_KEPT} - self._run.keys()))
        pairs = [(name, known.get(name), self._run.get(name)) for name in names]
        changed = [f"{name} was {before}, is {now}" for name, before, now in pairs if before != now]
        if not changed:
            return
        raise UsageError(
            f"--out {self._out}: an interrupted run stands there, and it was another: {'; '.join(changed)}.",
            hint="Give its options again to go on with it, or --fresh to start over.",
        )

    def restore(self, learner: Learner, plan: Sequence[int], *, kept_features: bool) -> State | None:
        """Return the newest whole state that fits; None where the run has none.

        Args:
            learner: whose weights the state's must match in name and shape.
            plan: batches in each epoch.
            kept_features: whether the run trains from kept features, which are rounded to float16.

        Raises:
            UsageError: the interrupted run trained from kept features, and this one does not, or the other way round.
            CacheError: a state cannot be read, though it may be whole.
        """
        if self._fresh:
            clear_states(self.folder)
        self._run[_KEPT] = kept_features
        self._refuse_another()
        for path in find_states(self.folder):
            state = read_state(path)
            if state is not None and read_run(path) == self._run and _fits(state, learner, plan):
                self._records = list(state.history)
                self._saved_step = state.course.step
                return state
            self._observer.note(f"{path}: the state is torn or of another program; it is set aside.")
            set_state_aside(path)
        return None

    def follow(
        self,
        course: Course,
        records: Sequence[Record],
        learner: Learner,
        optimizer: torch.optim.Optimizer,
        best: Mapping[str, Tensor] | None,
        *,
        is_end: bool = False,
    ) -> None:
        """Take note of what was done, and write a state when it is time, or the run ends.

        A state that cannot be written costs nothing but the safety of having it: the run goes on and tries again.

        Raises:
            RunStoppedError: a signal came.
        """
        self._records += records
        if time.monotonic() < self._due and self.signals.received is None and not is_end:
            return
        if self.signals.received is not None:
            self._observer.note("Saving what was learned; another Ctrl-C stops at once.")
        begun = time.monotonic()
        try:
            tensors = {
                "top": learner.get_top(),
                "best": best or {},
                "optimizer": pack_optimizer(optimizer),
                "random": get_random_states(),
            }
            groups = optimizer.state_dict()["param_groups"]
            write_state(self.folder, course, tensors, groups, history=self._records, run=self._run)
            self._saved_step = course.step
        except (OSError, CacheError, SafetensorError) as error:
            self._observer.note(f"{self.folder}: the state cannot be written ({error}).")
        self._due = time.monotonic() + max(EVERY_S, (time.monotonic() - begun) / _SHARE)
        self.signals.check()

    def explain(self) -> InterruptedRunError:
        """Return the error that says what is kept of a run that was stopped."""
        return InterruptedRunError(self.signals.received or signal.SIGINT, saved_step=self._saved_step)

    def finish(self) -> None:
        """Remove the states: the checkpoint is published, or the run cannot come to a good end."""
        clear_states(self.folder)

    def close(self) -> None:
        """Let another process train to the same folder."""
        os.close(self._lock)


@contextmanager
def open_keeper(cache_dir: Path, out: Path, run: Mapping[str, Any], observer: Observer, *, fresh: bool) -> Iterator[Keeper]:
    """Give the keeper of a run, which no other process has meanwhile.

    Raises:
        UsageError, CacheError: as `Keeper` does.
        InterruptedRunError: a signal ended the block.
        DivergedError: as the block raised it; the states are removed, since going on would come to the same end.
    """
    keeper = Keeper(cache_dir, out, run, observer, fresh=fresh)
    try:
        with keeper.signals.take(at_once=True):
            yield keeper
    except RunStoppedError as error:
        raise keeper.explain() from error
    except DivergedError:
        keeper.finish()
        raise
    finally:
        keeper.close()


def _fits(state: State, learner: Learner, plan: Sequence[int]) -> bool:
    """Tell whether a state is one of this learner's, somewhere in this plan."""
    expected = {name: (weight.shape, weight.dtype) for name, weight in learner.get_top().items()}
    course = state.course
    if not 1 <= course.epoch <= len(plan) + 1:
        return False
    if course.position and (course.epoch > len(plan) or course.position > plan[course.epoch - 1]):
        return False
    parts = [state.top, *([state.best] if state.best else [])]
    return all({name: (weight.shape, weight.dtype) for name, weight in part.items()} == expected for part in parts)


def take_up(state: State, learner: Learner, optimizer: torch.optim.Optimizer) -> None:
    """Put a state into a learner, its optimizer and the random generators."""
    learner.restore_top(state.top)
    optimizer.load_state_dict(state.optimizer)
    set_random_states(state.random)
