"""The processes of a run, through Accelerate: which one this is, what they tell each other, how work is dealt out.

The verbs and rooms ask `Context.processes`; alone, nothing is told and all work is one's own.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from polarity_cli.errors import LostProcessError, UsageError
from polarity_cli.follower import find_rank

if TYPE_CHECKING:
    import numpy as np
    from accelerate import PartialState
    from numpy.typing import NDArray

T = TypeVar("T")
LONGEST_WAIT = timedelta(days=7)
"""How long processes wait for each other: one may download or tokenize millions of reviews. A dead one is noticed at once."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run, on one machine or several."""

    state: PartialState | None = field(default=None, repr=False)

    @property
    def n(self) -> int:
        """How many there are."""
        return self.state.num_processes if self.state else 1

    @property
    def index(self) -> int:
        """Which one this is, from 0."""
        return self.state.process_index if self.state else 0

    @property
    def is_main(self) -> bool:
        """Whether this one reads, writes and prints for all."""
        return self.index == 0

    def gather(self, value: T) -> list[T]:
        """Return what each process gives, in their order; plain values or arrays.

        Raises:
            LostProcessError: one is gone, as in all that follow.
        """
        if self.state is None:
            return [value]
        from accelerate.utils import gather_object

        with report_lost():
            gathered: list[T] = gather_object([value])
        return gathered

    def hear_main(self, value: T) -> T:
        """Return what the main process gives."""
        if self.state is None:
            return value
        from accelerate.utils import broadcast_object_list

        told = [value]
        with report_lost():
            broadcast_object_list(told, from_process=0)
        return told[0]

    def add_up(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of each process's array, value by value; all have one shape."""
        if self.state is None:
            return values
        import torch
        from accelerate.utils import reduce

        with report_lost():
            total: NDArray[np.float64] = reduce(torch.from_numpy(values).to(self.state.device), "sum").cpu().numpy()
        return total

    def deal(self, batches: Sequence[T], count: Callable[[T], int]) -> Iterator[tuple[T, int]]:
        """Yield this process's share of batches, see `deal`."""
        return deal(batches, count, n=self.n, index=self.index)

    def wait(self) -> None:
        """Wait until every process is here."""
        self.gather(None)

    def agree(self, failure: Exception | None) -> None:
        """Raise, in every process, what the first of them gives that gives anything."""
        for found in self.gather(failure):
            if found is not None:
                raise found

    def meet(self, folder: Path) -> Team:
        """Return the processes that have the same folder as this one, on the same machine."""
        if self.state is None:
            return Team(self, (0,))
        folder.mkdir(parents=True, exist_ok=True)
        status = folder.stat()
        places = self.gather((_name_machine(), status.st_dev, status.st_ino))
        return Team(self, tuple(i for i, place in enumerate(places) if place == places[self.index]))

    def take_turns(self, folder: Path, work: Callable[[], T]) -> T:
        """Return what `work` gives, done by the main process, then by the leader of each team at the folder, then by the others.

        So what the first one leaves in the folder is there for the others.
        """
        team, results = self.meet(folder), list[T]()
        for turn in range(3):
            if turn == (0 if self.is_main else 1 if team.leads else 2):
                results.append(work())
            self.wait()
        return results[0]


@dataclass(frozen=True)
class Team:
    """The processes that share a folder. What says so is done by all processes, of every team, at the same time."""

    processes: Processes
    members: tuple[int, ...]

    @property
    def leads(self) -> bool:
        """Whether this process publishes for its team."""
        return self.members[0] == self.processes.index

    def deal(self, batches: Sequence[T], count: Callable[[T], int]) -> Iterator[tuple[T, int]]:
        """Yield this process's share of what its team does, see `deal`."""
        return deal(batches, count, n=len(self.members), index=self.members.index(self.processes.index))

    def make(
        self,
        get: Callable[[Callable[[Path], None]], T],
        write: Callable[[Path], None],
        *,
        failures: tuple[type[Exception], ...],
    ) -> T | None:
        """Make a file together, all processes at the same time; return what `get` gives in the leader, None in the others.

        Args:
            get: called in the leader with a function that has a file, which must be there, filled by all members; it need not
                call it where there is nothing to do.
            write: writes this process's part into the file.
            failures: what may go wrong; of what does, the first is raised in every process.
        """
        result, failure, is_filled = None, None, False

        def fill(path: Path | None) -> None:
            nonlocal is_filled
            is_filled, failed = True, None
            shared = self.processes.gather(path)[self.members[0]]
            try:
                if shared is not None:
                    write(shared)
            except failures as error:
                failed = error
            parts = self.processes.gather(failed)
            for part in map(parts.__getitem__, self.members):
                if part is not None:
                    raise part

        try:
            if self.leads:
                result = get(fill)
        except failures as error:
            failure = error
        try:
            if not is_filled:
                fill(None)
        except failures as error:
            failure = failure or error
        self.processes.agree(failure)
        return result


def deal(batches: Sequence[T], count: Callable[[T], int], *, n: int, index: int) -> Iterator[tuple[T, int]]:
    """Yield one process's share of batches, each with what all `n` processes do of it in the same time, by `count`.

    Batches stand in order of size, so each round of `n` batches is about the same work for everybody.
    """
    for start in range(0, len(batches), n):
        among = batches[start : start + n]
        if index < len(among):
            yield among[index], sum(map(count, among))


ALONE = Processes()


def join_processes() -> Processes:
    """Return the processes that a launcher started, when all of them are there; alone, those of one.

    Raises:
        UsageError: the launcher asks for an engine that cannot train a part of a model.
        LostProcessError: one of them is gone.
    """
    if find_rank() is None:
        return ALONE
    for engine in ("DEEPSPEED", "FSDP", "MEGATRON_LM"):
        if os.environ.get(f"ACCELERATE_USE_{engine}", "").lower() == "true":
            raise UsageError(
                f"The launcher's config asks for {engine}, which divides models that do not fit one device; encoders do.",
                hint="Choose multi-GPU or multi-CPU in `accelerate config`.",
            )
    from accelerate import PartialState

    with report_lost():
        state = PartialState(cpu=uses_processors(), timeout=LONGEST_WAIT)
    return Processes(state)


def uses_processors() -> bool:
    """Tell whether several processes compute on the machine's processors: there is no GPU, or the launcher says so."""
    import torch

    return os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true" or not torch.cuda.is_available()


@contextmanager
def report_lost() -> Iterator[None]:
    """Turn what torch says inside the block where another process is gone into LostProcessError."""
    import torch

    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.distributed.DistError) or "/gloo/" in str(error):
            raise LostProcessError("Another process of this run ended.") from error
        raise


def _name_machine() -> str:
    """Return what tells one machine from another."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return platform.node()
