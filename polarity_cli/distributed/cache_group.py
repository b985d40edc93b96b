"""The processes of a run that have the same folder, and the files that they make there together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from polarity_cli.cache.publish import report_unwritable

if TYPE_CHECKING:
    from polarity_cli.distributed.world import World

T = TypeVar("T")
Draw = Callable[[], int]
"""Gives the next number, from 0, that none of the workers has drawn."""
_BEYOND_ALL = 1 << 40


@dataclass(frozen=True)
class Team:
    """The processes that share a folder. What says so is done by all processes, of every team, at the same time."""

    world: World
    members: tuple[int, ...]
    workers: tuple[int, ...]
    """Those on the leader's machine: only they write, since file systems over a network differ in how many may."""

    @property
    def leads(self) -> bool:
        """Whether this process publishes for its team."""
        return self.members[0] == self.world.rank

    def make(
        self,
        get: Callable[[Callable[[Path], None]], T],
        write: Callable[[Path, Draw], None],
        *,
        failures: tuple[type[Exception], ...],
    ) -> T | None:
        """Make a file together, all processes at the same time; return what `get` gives in the leader, None in the others.

        Args:
            get: called in the leader with a function that has a file, which must be there, filled by the workers; it need not
                call it where there is nothing to do.
            write: writes into the file the parts whose numbers it draws.
            failures: what may go wrong; of what does, the first is raised in every process.
        """
        result, failure, is_filled = None, None, False

        def fill(path: Path | None) -> None:
            """Let the workers fill the leader's file; None where there is nothing to fill."""
            nonlocal is_filled
            is_filled, failed = True, None
            shared = self.world.all_gather(path)[self.members[0]]
            try:
                if shared is not None and self.world.rank in self.workers:
                    with report_unwritable(shared), _open_draw(_name_drawn(shared)) as draw:
                        write(shared, draw)
            except failures as error:
                failed = error
            parts = self.world.all_gather(failed)
            for part in map(parts.__getitem__, self.members):
                if part is not None:
                    raise part
            if path is not None:
                with report_unwritable(path):
                    _name_drawn(path).unlink()

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
        self.world.raise_first(failure)
        return result


def draw_batches(batches: Sequence[T], draw: Draw, advance: Callable[[int], None], count: Callable[[T], int]) -> Iterator[T]:
    """Yield the batches whose numbers are drawn, so that a process on a slower core does fewer and nobody waits for it.

    `advance` is told, by `count`, what all workers have done.
    """
    told = 0
    while (number := draw()) < len(batches):
        yield batches[number]
        advance(sum(map(count, batches[told : number + 1])))
        told = number + 1
    advance(sum(map(count, batches[told:])))


def _name_drawn(path: Path) -> Path:
    return path.with_name(f"{path.name}.drawn")


@contextmanager
def _open_draw(path: Path) -> Iterator[Draw]:
    """Give what draws numbers, each once for all processes of a machine that have the same file open here.

    A number is the place where the system put a byte at the file's end, which it does for one process after the other. Where the
    block fails, no number is left that the others would work on in vain.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def draw() -> int:
        os.write(descriptor, b".")
        return os.lseek(descriptor, 0, os.SEEK_CUR) - 1

    try:
        yield draw
    except BaseException:
        with suppress(OSError):
            os.ftruncate(descriptor, _BEYOND_ALL)
        raise
    finally:
        os.close(descriptor)
