"""The processes of a run that share a cache, and how they divide the work of writing one file there."""

from __future__ import annotations

import itertools
import platform
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from polarity_cli.cache.publish import report_unwritable
from polarity_cli.distributed.world import World, report_lost
from polarity_cli.errors import CacheError

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

T = TypeVar("T")
_BEYOND_ALL = 1 << 40
"""More numbers than anything is divided into."""


@dataclass(frozen=True)
class CacheGroup:
    """The processes that share a cache: those of one machine, or of all that have its disk."""

    world: World
    members: tuple[int, ...]
    """Their ranks."""
    workers: tuple[int, ...]
    """The ranks on the leader's machine: only they write, since file systems over a network differ in how many may."""

    @property
    def leader(self) -> int:
        """The rank of the process that publishes what the group makes."""
        return self.members[0]

    @property
    def is_leader(self) -> bool:
        """Whether this process is the leader."""
        return self.leader == self.world.rank

    @property
    def is_worker(self) -> bool:
        """Whether this process takes part in writing."""
        return self.world.rank in self.workers

    def broadcast(self, value: T) -> T:
        """Return the leader's value. All processes of the world call this at the same time."""
        return self.world.all_gather(value)[self.leader]


def find_cache_group(world: World, folder: Path) -> CacheGroup:
    """Return the processes that have the same folder as this one, on its machine or over a network.

    Each leaves a file with its rank there, and reads the others'. All processes of the world call this at the same time.

    Raises:
        CacheError: one cannot write into its folder; raised in all.
    """
    if world.size == 1:
        return CacheGroup(world, (0,), (0,))
    roll, failure = folder / "locks" / f"group-{world.broadcast(secrets.token_hex(8))}", None
    try:
        with report_unwritable(folder):
            roll.mkdir(parents=True, exist_ok=True)
            (roll / str(world.rank)).touch()
    except CacheError as error:
        failure = error
    world.raise_first(failure)
    members = sorted(int(path.name) for path in roll.iterdir())
    machines = world.all_gather(name_machine())
    if members[0] == world.rank:
        shutil.rmtree(roll, ignore_errors=True)  # all have read it
    return CacheGroup(world, tuple(members), tuple(rank for rank in members if machines[rank] == machines[members[0]]))


def take_turns(world: World, folder: Path, work: Callable[[], T]) -> T:
    """Return what `work` returns, done by the main process, then by each group's leader at the folder, then by the others.

    So what the first one leaves in the folder is there for the others. All processes of the world call this at the same time.
    """
    group, results = find_cache_group(world, folder), list[T]()
    for turn in range(3):
        if turn == (0 if world.is_main else 1 if group.is_leader else 2):
            results.append(work())
        world.barrier()
    return results[0]


class Claims:
    """Numbers from 0 on, of which each is claimed by one process: a counter in the store that the processes met at.

    A process on a slower core claims fewer, and nobody waits for it.
    """

    def __init__(self, store: Store | None, name: str) -> None:
        """Count in `store` under a name that nothing else has; without a store, for this process alone."""
        self._store, self._name = store, f"polarity/claims/{name}"
        self._alone = itertools.count()

    def claim(self) -> int:
        """Return the next number that nobody has claimed."""
        if self._store is None:
            return next(self._alone)
        with report_lost():
            return self._store.add(self._name, 1) - 1

    def close(self) -> None:
        """Leave no number for the others, which would work in vain where this process has failed."""
        if self._store is not None:
            with report_lost():
                self._store.add(self._name, _BEYOND_ALL)


def claim_batches(batches: Sequence[T], claims: Claims, advance: Callable[[int], None], count: Callable[[T], int]) -> Iterator[T]:
    """Yield the batches whose numbers this process claims; `advance` is told, by `count`, what all workers have begun."""
    n_known = 0
    while (number := claims.claim()) < len(batches):
        yield batches[number]
        advance(sum(map(count, batches[n_known : number + 1])))
        n_known = number + 1
    advance(sum(map(count, batches[n_known:])))


def name_machine() -> str:
    """Return what tells one machine from another."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return platform.node()
