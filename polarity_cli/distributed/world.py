"""The processes of a run, through Accelerate: which one this is, and what they tell each other. Next: `distributed/cache_group`.

What needs several processes takes a `World`; alone, nothing is told and all work is one's own.
"""

from __future__ import annotations

import platform
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from polarity_cli.cache.publish import report_unwritable
from polarity_cli.distributed.cache_group import Team
from polarity_cli.errors import CacheError, LostProcessError

if TYPE_CHECKING:
    import numpy as np
    from accelerate import PartialState
    from numpy.typing import NDArray
    from torch.distributed import ProcessGroup

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The processes of a run, on one machine or several."""

    state: PartialState | None = field(default=None, repr=False)
    group: ProcessGroup | None = field(default=None, repr=False)
    """Over which they tell each other things: Gloo's, which waits without work and notices a process that ends."""

    @property
    def size(self) -> int:
        """How many there are."""
        return self.state.num_processes if self.state else 1

    @property
    def rank(self) -> int:
        """Which one this is, from 0."""
        return self.state.process_index if self.state else 0

    @property
    def is_main(self) -> bool:
        """Whether this one reads, writes and prints for all."""
        return self.rank == 0

    def all_gather(self, value: T) -> list[T]:
        """Return what each process gives, in their order; plain values or arrays.

        Raises:
            LostProcessError: one is gone, as in all that follow.
        """
        if self.group is None:
            return [value]
        from torch.distributed import all_gather_object

        gathered: list[T] = [value] * self.size
        with report_lost():
            all_gather_object(gathered, value, group=self.group)
        return gathered

    def broadcast(self, value: T) -> T:
        """Return what the main process gives."""
        if self.group is None:
            return value
        from torch.distributed import broadcast_object_list

        told = [value]
        with report_lost():
            broadcast_object_list(told, src=0, group=self.group)
        return told[0]

    def all_reduce(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of each process's array, value by value; all have one shape."""
        if self.group is None:
            return values
        import torch

        total = torch.from_numpy(values.copy())
        with report_lost():
            torch.distributed.all_reduce(total, group=self.group)
        found: NDArray[np.float64] = total.numpy()
        return found

    def leave(self) -> None:
        """Let go of the others, where all have done what they do together."""
        if self.state is not None:
            self.state.destroy_process_group()

    def shard(self, batches: Sequence[T], count: Callable[[T], int]) -> Iterator[tuple[T, int]]:
        """Yield this process's share of batches, each with what all processes do of it in the same time, by `count`.

        Batches stand in order of size, so each round of one for everybody is about the same work.
        """
        for start in range(0, len(batches), self.size):
            among = batches[start : start + self.size]
            if self.rank < len(among):
                yield among[self.rank], sum(map(count, among))

    def barrier(self) -> None:
        """Wait until every process is here."""
        self.all_gather(None)

    def raise_first(self, failure: Exception | None) -> None:
        """Raise, in every process, what the first of them gives that gives anything."""
        for found in self.all_gather(failure):
            if found is not None:
                raise found

    def meet(self, folder: Path) -> Team:
        """Return the processes that have the same folder as this one, on its machine or over a network.

        Raises:
            CacheError: one cannot write into its folder; raised in all.
        """
        if self.group is None:
            return Team(self, (0,), (0,))
        place, failure = folder / "locks" / f"meeting-{self.broadcast(secrets.token_hex(8))}", None
        try:
            with report_unwritable(folder):
                place.mkdir(parents=True, exist_ok=True)
                (place / str(self.rank)).touch()
        except CacheError as error:
            failure = error
        self.raise_first(failure)
        seen = sorted(int(path.name) for path in place.iterdir())
        machines = self.all_gather(_name_machine())
        if seen[0] == self.rank:
            shutil.rmtree(place, ignore_errors=True)  # all have seen it
        return Team(self, tuple(seen), tuple(i for i in seen if machines[i] == machines[seen[0]]))

    def take_turns(self, folder: Path, work: Callable[[], T]) -> T:
        """Return what `work` gives, done by the main process, then by the leader of each team at the folder, then by the others.

        So what the first one leaves in the folder is there for the others.
        """
        team, results = self.meet(folder), list[T]()
        for turn in range(3):
            if turn == (0 if self.is_main else 1 if team.leads else 2):
                results.append(work())
            self.barrier()
        return results[0]


ALONE = World()


_GONE = ("closed by peer", "reset by peer", "Broken pipe")


@contextmanager
def report_lost() -> Iterator[None]:
    """Turn what torch says inside the block where another process is gone into LostProcessError."""
    import torch

    try:
        yield
    except RuntimeError as error:
        said = str(error)
        if not isinstance(error, torch.distributed.DistError) and "/gloo/" not in said:
            raise
        more = "" if any(words in said for words in _GONE) else f" ({said.splitlines()[0]})"
        raise LostProcessError(f"Another process of this run ended{more}.") from error


def _name_machine() -> str:
    """Return what tells one machine from another."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return platform.node()
