"""Keep a run's state while it trains, and take it up again. Between `training/loop` and `training/state`."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from polarity_cli.cache.layout import fingerprint
from polarity_cli.errors import CacheError, DivergedError, InterruptedRunError, LostProcessError, UsageError
from polarity_cli.records import Observer
from polarity_cli.training.fine_tuner import FineTuner
from polarity_cli.training.run_lock import lock_run
from polarity_cli.training.runtime import describe_machine
from polarity_cli.training.signals import Signals
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
    set_state_aside,
    write_state,
)

EVERY_S = 30.0
"""Seconds between two states."""
_KEPT = "the use of kept features"
_MACHINE = "the machine"
"""What may change the last digits of what is learned: a run goes on elsewhere, and says so."""
_SHARE = 0.02
"""Most of a run's time that goes into writing states: where one takes long, the next waits longer."""


class Keeper:
    """The states of the run that publishes to one folder."""

    def __init__(self, folder: Path, out: Path, run: Mapping[str, Any], observer: Observer, *, fresh: bool) -> None:
        """Look at what an interrupted run left.

        Args:
            folder: the run's in the cache, which this process has to itself.
            out: where the checkpoint will be published; there is one run for it at a time.
            run: what makes the run what it is: flags and their values, and what they stand for.
            observer: who is told of a state that is torn or cannot be written.
            fresh: whether to drop what an interrupted run left.

        Raises:
            UsageError: an interrupted run was another than `run`.
        """
        self.folder, self._out, self._run, self._observer = folder, out, dict(run), observer
        self.signals = Signals()
        self._records: list[Record] = []
        self._saved_step: int | None = None
        self._last: tuple[Course, FineTuner, torch.optim.Optimizer, Mapping[str, Tensor] | None] | None = None
        self._due = time.monotonic() + EVERY_S
        remove_leftovers(folder)
        if fresh:
            clear_states(folder)
        self._refuse_another()

    @property
    def kept_features(self) -> bool | None:
        """Whether the interrupted run trained from kept features; None where there is no such run."""
        known = self._find_known()
        return None if known is None else known.get(_KEPT) is True

    def _find_known(self) -> dict[str, Any] | None:
        return next((run for run in map(read_run, find_states(self.folder)) if run is not None), None)

    def _refuse_another(self) -> None:
        known = self._find_known() or self._run
        names = sorted({*known, *self._run} - {_MACHINE} - ({_KEPT} - self._run.keys()))
        changed = {name: (known.get(name), self._run.get(name)) for name in names if known.get(name) != self._run.get(name)}
        if not changed:
            return
        shown = "; ".join(f"{name} was {before}, is {now}" for name, (before, now) in changed.items()).replace(
            "--source", "SOURCE"
        )
        hint = "It goes on only with the reviews, encoder and versions that it began with; --fresh starts over."
        if any(name.startswith("--") for name in changed) or changed.keys() == {_KEPT}:
            again = "--feature-cache SIZE for room to keep them" if changed.keys() == {_KEPT} else "its options again"
            hint = f"Give {again} to go on with it, or --fresh to start over."
        raise UsageError(f"--out {self._out}: an interrupted run stands there, and it was another: {shown}.", hint=hint)

    def restore(self, fine_tuner: FineTuner, plan: Sequence[int], *, kept_features: bool) -> State | None:
        """Return the newest whole state that fits; None where the run has none.

        Args:
            fine_tuner: whose weights the state's must match in name and shape.
            plan: batches in each epoch.
            kept_features: whether the run trains from kept features, which are rounded to float16.

        Raises:
            UsageError: the interrupted run trained from kept features, and this one does not, or the other way round.
            CacheError: a state cannot be read, though it may be whole.
        """
        self._run[_KEPT] = kept_features
        self._run[_MACHINE] = describe_machine(fine_tuner.accelerator)
        self._refuse_another()
        for path in find_states(self.folder):
            state, run = read_state(path), read_run(path)
            if state is not None and run is not None and _fits(state, fine_tuner, plan):
                self._compare_machine(run.get(_MACHINE))
                self._records = list(state.history)
                self._saved_step = state.course.step
                return state
            self._observer.warn(f"{path}: the state is torn or of another program; it is set aside.")
            set_state_aside(path)
        return None

    def _compare_machine(self, known: object) -> None:
        before = known if isinstance(known, dict) else {}
        changed = [
            f"{name} {before.get(name)}, now {now}" for name, now in self._run[_MACHINE].items() if before.get(name) != now
        ]
        if changed:
            self._observer.note(f"The interrupted run had {'; '.join(changed)}: the last digits of its weights may differ.")

    def follow(
        self,
        course: Course,
        records: Sequence[Record],
        fine_tuner: FineTuner,
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
        self._last = (course, fine_tuner, optimizer, best)
        if time.monotonic() < self._due and self.signals.received is None and not is_end:
            return
        if self.signals.received is not None:
            self._observer.note("Saving what was learned; another Ctrl-C stops at once.")
        self._save(course, fine_tuner, optimizer, best)
        self.signals.check()

    def _save(
        self, course: Course, fine_tuner: FineTuner, optimizer: torch.optim.Optimizer, best: Mapping[str, Tensor] | None
    ) -> None:
        begun = time.monotonic()
        try:
            tensors = {
                "top": fine_tuner.get_top(),
                "best": best or {},
                "optimizer": pack_optimizer(optimizer),
                "random": get_random_states(),
            }
            groups = optimizer.state_dict()["param_groups"]
            write_state(self.folder, course, tensors, groups, history=self._records, run=self._run)
            self._saved_step = course.step
        except (OSError, CacheError, SafetensorError) as error:
            self._observer.warn(f"{self.folder}: the state cannot be written ({error}).")
        self._due = time.monotonic() + max(EVERY_S, (time.monotonic() - begun) / _SHARE)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Hold signals until a step's end inside the block, and save what was learned where another process is gone."""
        with self.signals.take(at_once=False):
            try:
                yield
            except LostProcessError:
                self._save_last()
                raise

    def _save_last(self) -> None:
        """Write the state of the last step that was followed, if no step was taken since."""
        if self._last is None:
            return
        course, fine_tuner, optimizer, best = self._last
        taken = {int(part["step"]) for part in optimizer.state_dict()["state"].values()}
        if taken == {course.step} and course.step != self._saved_step:
            self._save(course, fine_tuner, optimizer, best)

    def describe_kept(self) -> str:
        """Return what of the run is kept, as a sentence without its end."""
        if self._saved_step is not None:
            return f"What was learned up to step {self._saved_step:,} is kept"
        return "Nothing was learned yet" if self._last is None else "Nothing of what was learned is kept"

    @property
    def goes_on(self) -> bool:
        """Whether the same command goes on where this run stood, and does not start over."""
        return self._saved_step is not None

    def finish(self) -> None:
        """Remove the states: the checkpoint is published, or the run cannot come to a good end."""
        clear_states(self.folder)


@contextmanager
def open_keeper(cache_dir: Path, out: Path, run: Mapping[str, Any], observer: Observer, *, fresh: bool) -> Iterator[Keeper]:
    """Give the keeper of a run, which no other process has meanwhile.

    Raises:
        UsageError: another process trains to `out` now, or as `Keeper` does.
        CacheError: the cache cannot be written; one that comes out of the block says what is kept of the run.
        InterruptedRunError: a signal ended the block.
        DivergedError: as the block raised it; the states are removed, since going on would come to the same end.
    """
    folder = cache_dir / "runs" / fingerprint(str(out.resolve()))
    with lock_run(folder, out, observer):
        keeper = Keeper(folder, out, run, observer, fresh=fresh)
        try:
            with keeper.signals.take(at_once=True):
                yield keeper
        except (KeyboardInterrupt, LostProcessError) as error:
            number = keeper.signals.received or (signal.SIGINT if isinstance(error, KeyboardInterrupt) else None)
            if number is not None:  # which also ended the others
                raise InterruptedRunError(number, kept=keeper.describe_kept(), goes_on=keeper.goes_on) from error
            raise LostProcessError(f"{error} {keeper.describe_kept()}.", goes_on=keeper.goes_on) from error
        except DivergedError:
            keeper.finish()
            raise
        except CacheError as error:
            after = "goes on from there" if keeper.goes_on else "starts over"
            error.hint = f"{error.hint or ''} {keeper.describe_kept()}: the same command {after}.".strip()
            raise


def _fits(state: State, fine_tuner: FineTuner, plan: Sequence[int]) -> bool:
    """Tell whether a state is one of this fine_tuner's, somewhere in this plan."""
    expected = {name: (weight.shape, weight.dtype) for name, weight in fine_tuner.get_top().items()}
    course = state.course
    if not 1 <= course.epoch <= len(plan) + 1:
        return False
    if course.position and (course.epoch > len(plan) or course.position > plan[course.epoch - 1]):
        return False
    parts = [state.top, *([state.best] if state.best else [])]
    return all({name: (weight.shape, weight.dtype) for name, weight in part.items()} == expected for part in parts)
