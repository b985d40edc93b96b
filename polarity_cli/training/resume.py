"""Save a run's state while it trains, and find the one to resume from. Between `training/run` and `training/state`."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from polarity_cli.cache.layout import fingerprint
from polarity_cli.errors import CacheError, DivergedError, InterruptedRunError, LostProcessError, UsageError
from polarity_cli.records import Observer
from polarity_cli.training.fine_tuner import FineTuner
from polarity_cli.training.run_lock import lock_run
from polarity_cli.training.runtime import describe_machine
from polarity_cli.training.signals import Signals
from polarity_cli.training.state import (
    SavedState,
    clear_states,
    find_states,
    read_run,
    read_state,
    remove_leftovers,
    set_state_aside,
    write_state,
)
from polarity_cli.training.training_state import TrainingState

SAVE_EVERY_S = 30.0
"""Seconds between two states."""
SAVE_SHARE = 0.02
"""Most of a run's time that goes into writing states: where one takes long, the next waits longer."""
_FEATURES = "the use of kept features"
_MACHINE = "the machine"
"""What may change the last digits of what is learned: a run is resumed elsewhere, and says so."""


class ResumableRun:
    """The run that publishes to one folder, and its states on disk."""

    def __init__(
        self,
        folder: Path,
        out: Path,
        run: Mapping[str, Any],
        observer: Observer,
        *,
        fresh: bool,
        signals: Signals | None = None,
        part: str = "",
    ) -> None:
        """Look at what an interrupted run left.

        Args:
            folder: the run's in the cache, whose lock this process holds.
            out: where the checkpoint will be published; there is one run for it at a time.
            run: what makes the run what it is: flags and their values, and what they stand for.
            observer: who is told of a state that is torn or cannot be written.
            fresh: whether to drop what an interrupted run left.
            signals: of the run that this one is a fold of.
            part: which part of it this is, for messages: ` of fold 2`.

        Raises:
            UsageError: an interrupted run was another than `run`.
        """
        self.folder, self._out, self._run, self._observer = folder, out, dict(run), observer
        self.signals, self._part = signals or Signals(), part
        self._fold: ResumableRun | None = None
        self._has_learned = False
        self._saved_step: int | None = None
        self._due = time.monotonic() + SAVE_EVERY_S
        remove_leftovers(folder)
        if fresh:
            self.finish()
        self._refuse_another()

    @property
    def kept_features(self) -> bool | None:
        """Whether the interrupted run trained from kept features; None where there is no such run."""
        run = self._read_interrupted_run()
        return None if run is None else run.get(_FEATURES) is True

    def _read_interrupted_run(self) -> dict[str, Any] | None:
        """Return what makes the interrupted run what it is; None where there is none."""
        states = [state for folder in (self.folder, *self._list_folds()) for state in find_states(folder)]
        return next((run for run in map(read_run, states) if run is not None), None)

    def _list_folds(self) -> list[Path]:
        """Return the folders of the run's folds."""
        return sorted(self.folder.glob("fold-*"))

    def _refuse_another(self) -> None:
        """Raise UsageError where the interrupted run was another than this one, as far as this one is described yet."""
        before = self._read_interrupted_run() or self._run
        names = sorted({*before, *self._run} - {_MACHINE} - ({_FEATURES} - self._run.keys()))
        changes = {name: (before.get(name), self._run.get(name)) for name in names if before.get(name) != self._run.get(name)}
        if not changes:
            return
        listing = "; ".join(f"{name} was {old}, is {new}" for name, (old, new) in changes.items()).replace("--source", "SOURCE")
        hint = "It goes on only with the reviews, encoder and versions that it began with; --fresh starts over."
        if any(name.startswith("--") for name in changes) or changes.keys() == {_FEATURES}:
            again = "--feature-cache SIZE for room to keep them" if changes.keys() == {_FEATURES} else "its options again"
            hint = f"Give {again} to go on with it, or --fresh to start over."
        raise UsageError(f"--out {self._out}: an interrupted run stands there, and it was another: {listing}.", hint=hint)

    def find_state(self, fine_tuner: FineTuner, plan: Sequence[int], *, kept_features: bool) -> SavedState | None:
        """Return the newest whole state that fits this run; None where there is none.

        Args:
            fine_tuner: whose weights the state's must match in name and shape.
            plan: the number of batches in each epoch.
            kept_features: whether the run trains from kept features, which are rounded to float16.

        Raises:
            UsageError: the interrupted run trained from kept features, and this one does not, or the other way round.
            CacheError: a state cannot be read, though it may be whole.
        """
        self._run[_FEATURES] = kept_features
        self._run[_MACHINE] = describe_machine(fine_tuner.accelerator)
        self._refuse_another()
        for path in find_states(self.folder):
            state, run = read_state(path), read_run(path)
            if state is not None and run is not None and _fits(state, fine_tuner, plan):
                self._note_changed_machine(run.get(_MACHINE))
                self._saved_step = state.progress.step
                return state
            self._observer.warn(f"{path}: the state is torn or of another program; it is set aside.")
            set_state_aside(path)
        return None

    def _note_changed_machine(self, machine: object) -> None:
        before = machine if isinstance(machine, dict) else {}
        changes = [
            f"{name} {before.get(name)}, now {now}" for name, now in self._run[_MACHINE].items() if before.get(name) != now
        ]
        if changes:
            self._observer.note(f"The interrupted run had {'; '.join(changes)}: the last digits of its weights may differ.")

    def record(self, state: TrainingState, *, is_end: bool = False) -> None:
        """Take note that the loop has come to an event; save the state when one is due, a signal came, or the run ends.

        A state that cannot be written costs nothing but the safety of having it: the run goes on and tries again.

        Raises:
            RunStoppedError: a signal came.
        """
        self._has_learned = True
        if time.monotonic() < self._due and self.signals.received is None and not is_end:
            return
        if self.signals.received is not None:
            self._observer.note("Saving what was learned; another Ctrl-C stops at once.")
        self._save(state)
        self.signals.check()

    def _save(self, state: TrainingState) -> None:
        started = time.monotonic()
        try:
            write_state(self.folder, state.export(), self._run)
            self._saved_step = state.progress.step
        except (OSError, CacheError, SafetensorError) as error:
            self._observer.warn(f"{self.folder}: the state cannot be written ({error}).")
        self._due = time.monotonic() + max(SAVE_EVERY_S, (time.monotonic() - started) / SAVE_SHARE)

    @contextmanager
    def hold_signals(self, state: TrainingState) -> Iterator[None]:
        """Let a signal inside the block wait for the next `record`; save `state` where another process is gone."""
        with self.signals.catch(at_once=False):
            try:
                yield
            except LostProcessError:
                if state.is_consistent and state.progress.step != self._saved_step:
                    self._save(state)
                raise

    def open_fold(self, number: int) -> ResumableRun:
        """Return one fold of this run, counted from 1, whose states lie in a folder of their own inside this one's.

        Its last state stays until the run is finished: a run that goes on scores from it what the fold did not see.
        """
        folder, part = self.folder / f"fold-{number}", f" of fold {number}"
        self._fold = ResumableRun(folder, self._out, self._run, self._observer, fresh=False, signals=self.signals, part=part)
        return self._fold

    def describe_saved(self) -> str:
        """Return what of the run is on disk, as a sentence without its end."""
        if self._fold is not None and not self._has_learned:
            return self._fold.describe_saved()
        if self._saved_step is not None:
            return f"What was learned up to step {self._saved_step:,}{self._part} is kept"
        return f"Nothing{self._part} of what was learned is kept" if self._has_learned else "Nothing was learned yet"

    @property
    def goes_on(self) -> bool:
        """Whether the same command resumes this run, and does not start over."""
        return self._saved_step is not None or any(map(find_states, self._list_folds()))

    def finish(self) -> None:
        """Remove the states: the checkpoint is published, or the run cannot come to a good end."""
        clear_states(self.folder)
        for folder in self._list_folds():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_resumable_run(
    cache_dir: Path, out: Path, run: Mapping[str, Any], observer: Observer, *, fresh: bool
) -> Iterator[ResumableRun]:
    """Give the run that publishes to `out`, which no other process has meanwhile.

    Raises:
        UsageError: another process trains to `out` now, or as `ResumableRun` does.
        CacheError: the cache cannot be written; one that comes out of the block says what is kept of the run.
        InterruptedRunError: a signal ended the block.
        DivergedError: as the block raised it; the states are removed, since going on would come to the same end.
    """
    folder = cache_dir / "runs" / fingerprint(str(out.resolve()))
    with lock_run(folder, out, observer):
        resumable = ResumableRun(folder, out, run, observer, fresh=fresh)
        try:
            with resumable.signals.catch(at_once=True):
                yield resumable
        except (KeyboardInterrupt, LostProcessError) as error:
            number = resumable.signals.received or (signal.SIGINT if isinstance(error, KeyboardInterrupt) else None)
            if number is not None:  # which also ended the others
                raise InterruptedRunError(number, kept=resumable.describe_saved(), goes_on=resumable.goes_on) from error
            raise LostProcessError(f"{error} {resumable.describe_saved()}.", goes_on=resumable.goes_on) from error
        except DivergedError:
            resumable.finish()
            raise
        except CacheError as error:
            after = "goes on from there" if resumable.goes_on else "starts over"
            error.hint = f"{error.hint or ''} {resumable.describe_saved()}: the same command {after}.".strip()
            raise


def _fits(state: SavedState, fine_tuner: FineTuner, plan: Sequence[int]) -> bool:
    """Tell whether a state has the weights that train here, and stands somewhere in this plan."""
    expected = {name: (weight.shape, weight.dtype) for name, weight in fine_tuner.get_top().items()}
    progress = state.progress
    if not 1 <= progress.epoch <= len(plan) + 1:
        return False
    if progress.position and (progress.epoch > len(plan) or progress.position > plan[progress.epoch - 1]):
        return False
    parts = [state.top, *([state.best] if state.best else [])]
    return all({name: (weight.shape, weight.dtype) for name, weight in part.items()} == expected for part in parts)
