"""The verb `cache`: list what the cache holds, and free what nothing needs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from polarity_cli.cache.contents import CacheItem, list_items
from polarity_cli.cache.locks import hold, lock
from polarity_cli.cache.publish import remove_tree
from polarity_cli.config import Context, PruneConfig
from polarity_cli.errors import CacheError

_SETTLED_S = 60.0
"""A leftover younger than this may be a folder that its maker is about to hold."""
_WITHOUT_LOCKS_S = 86_400.0
"""The same where the file system has no locks, so that nobody knows whether its maker still lives."""


@dataclass(frozen=True)
class PruneResult:
    """What became of the cache."""

    freed: tuple[CacheItem, ...]
    """What went, or with `dry_run` would go."""
    spared: tuple[CacheItem, ...]
    """What should have gone and is still there: it is used now, or was not agreed to."""
    size: int
    """Bytes in the cache afterwards."""


def list_cache(context: Context) -> list[CacheItem]:
    """Return what the cache holds, what was used last first."""
    return sorted(list_items(context.cache_dir), key=lambda item: item.used, reverse=True)


def prune(config: PruneConfig, context: Context, confirm: Callable[[Sequence[CacheItem]], bool]) -> PruneResult:
    """Remove what `config` lets go, what was used longest ago first.

    First goes what can be made again; then, if `confirm` agrees, checkpoints and interrupted runs. Reviews that one of those
    needs stay as long as it does, and so does what a process uses now, or the logs of a tracker.

    Args:
        config: what may go.
        context: whose cache.
        confirm: asked once, before a checkpoint or an interrupted run goes; not with `dry_run`.

    Raises:
        CacheError: something cannot be removed.
    """
    items = list_items(context.cache_dir)
    ranked, refused = rank_items(items, config, now=time.time()), list[CacheItem]()
    precious = [item for item in ranked if item.is_precious]
    if precious and not config.dry_run and not confirm(precious):
        ranked, refused = ranked[: ranked.index(precious[0])], precious  # what follows it goes only because it goes
    removed = ranked if config.dry_run else _remove_all(ranked, context.cache_dir)
    gone = {item.folder for item in removed}
    spared = [*refused, *(item for item in ranked if item.folder not in gone)]
    return PruneResult(tuple(removed), tuple(spared), sum(item.size for item in items if item.folder not in gone))


def rank_items(items: Iterable[CacheItem], config: PruneConfig, *, now: float) -> list[CacheItem]:
    """Return what goes, in the order in which it goes.

    First leftovers, then what can be made again, then checkpoints and interrupted runs, each followed by the reviews that nothing
    needs once it is gone; of each, first what was used longest ago.

    Args:
        items: everything that the cache holds.
        config: for how long something may lie unused, and how much may be left.
        now: in seconds since 1970.
    """
    by_use = sorted(items, key=lambda item: item.used)
    size = sum(item.size for item in by_use)
    staying = {item.folder: item for item in by_use}
    ranked: list[CacheItem] = []
    for item in _list_candidates(by_use):
        is_old = config.older_than is not None and now - item.used > config.older_than
        is_too_much = config.max_size is not None and size > config.max_size
        if item.folder not in staying or not (item.is_leftover or is_old or is_too_much) or _find_needers(item, staying.values()):
            continue
        ranked.append(staying.pop(item.folder))
        size -= item.size
    return ranked


def _list_candidates(by_use: Sequence[CacheItem]) -> Iterator[CacheItem]:
    """Yield what may go at all, in the order in which it is asked for; reviews come again after each that needs them."""
    free = [item for item in by_use if not item.in_use and item.kind != "tracking"]
    yield from (item for item in free if item.is_leftover)
    yield from (item for item in free if not item.is_leftover and not item.is_precious)
    for precious in (item for item in free if item.is_precious):
        yield precious
        yield from (item for item in free if item.kind == "data" and item.name == precious.needs)


def _find_needers(item: CacheItem, others: Iterable[CacheItem]) -> list[CacheItem]:
    """Return the checkpoints and interrupted runs among `others` that need these reviews."""
    return [other for other in others if other.needs == item.name] if item.kind == "data" else []


def _remove_all(ranked: Iterable[CacheItem], cache_dir: Path) -> list[CacheItem]:
    """Remove what nothing has come to use or need meanwhile, and return what is gone.

    Raises:
        CacheError: something cannot be removed.
    """
    removed: list[CacheItem] = []
    current = list_items(cache_dir)  # the question may have stood for long
    for item in ranked:
        needers = {other.folder for other in _find_needers(item, current)}
        if needers <= {other.folder for other in removed} and _remove(item):
            removed.append(item)
    return removed


def _remove(item: CacheItem) -> bool:
    """Remove something from the cache; return False where a process uses it.

    Raises:
        CacheError: it cannot be removed.
    """
    try:
        if item.is_leftover:
            return _remove_held(item)
        if item.kind == "runs":  # its folder stays, since a run that starts may have opened the lock in it
            with lock(item.folder / "lock", when_busy=None):
                for path in item.folder.iterdir():
                    if path.name != "lock":
                        remove_tree(path)
            return True
        with lock(item.place.lock, when_busy=None):
            if not _remove_held(item):
                return False
            for path in (item.place.notes, item.place.lock):
                path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True  # another process was faster
    except OSError as error:
        raise CacheError(f"{item.folder}: cannot be removed ({error.strerror}).", hint="Check its permissions.") from error
    _remove_empty(item.folder.parent, item.place.cache_dir / item.kind)
    return True


def _remove_held(item: CacheItem) -> bool:
    if item.folder.is_symlink():
        item.folder.unlink()
        return True
    held = hold(item.folder, alone=True)
    if held is None:
        return False
    with contextlib.closing(held):
        if item.is_leftover and time.time() - item.made < (_SETTLED_S if held.is_real else _WITHOUT_LOCKS_S):
            return False
        remove_tree(item.folder)
    return True


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder below `top`, and those above it, as long as they are empty."""
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
