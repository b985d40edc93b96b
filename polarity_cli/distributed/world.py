"""The processes of a run, through Accelerate: which one this is, and what they tell each other. Next: `distributed/cache_group`.

What needs several processes takes a `World`; alone, nothing is told and all work is one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from polarity_cli.errors import LostProcessError

if TYPE_CHECKING:
    import numpy as np
    from accelerate import PartialState
    from numpy.typing import NDArray
    from torch.distributed import ProcessGroup, Store  # type: ignore[attr-defined]

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The processes of a run, on one machine or several."""

    state: PartialState | None = field(default=None, repr=False)
    group: ProcessGroup | None = field(default=None, repr=False)
    """For what they tell each other: Gloo's, which waits without work and notices a process that ends."""
    store: Store | None = field(default=None, repr=False)
    """The key-value store that they met at."""

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
        """Return every process's value, by rank; plain values or arrays.

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
        """Return the main process's value."""
        if self.group is None:
            return value
        from torch.distributed import broadcast_object_list

        values = [value]
        with report_lost():
            broadcast_object_list(values, src=0, group=self.group)
        return values[0]

    def all_reduce(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of each process's array, value by value; all have one shape."""
        if self.group is None:
            return values
        import torch

        total = torch.from_numpy(values.copy())
        with report_lost():
            torch.distributed.all_reduce(total, group=self.group)
        summed: NDArray[np.float64] = total.numpy()
        return summed

    def leave(self) -> None:
        """Leave the others, after the last collective call of the run."""
        if self.state is not None:
            self.state.destroy_process_group()

    def shard(self, batches: Sequence[T], count: Callable[[T], int]) -> Iterator[tuple[T, int]]:
        """Yield every `size`-th batch, this process's share, each with the sum of `count` over all ranks' batches of that round.

        Batches are sorted by size, so the batches of a round are about the same work.
        """
        for start in range(0, len(batches), self.size):
            batches_of_round = batches[start : start + self.size]
            if self.rank < len(batches_of_round):
                yield batches_of_round[self.rank], sum(map(count, batches_of_round))

    def barrier(self) -> None:
        """Wait until every process is here."""
        self.all_gather(None)

    def raise_first(self, failure: Exception | None) -> None:
        """Raise, in every process, the failure of the lowest rank that has one."""
        for error in self.all_gather(failure):
            if error is not None:
                raise error


ALONE = World()
_GONE = ("closed by peer", "reset by peer", "Broken pipe")


@contextmanager
def report_lost() -> Iterator[None]:
    """Raise LostProcessError for the error that torch raises inside the block when another process is gone."""
    import torch

    try:
        yield
    except RuntimeError as error:
        message = str(error)
        if not isinstance(error, torch.distributed.DistError) and "/gloo/" not in message:
            raise
        more = "" if any(words in message for words in _GONE) else f" ({message.splitlines()[0]})"
        raise LostProcessError(f"Another process of this run ended{more}.") from error
