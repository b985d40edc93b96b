"""Lock files between processes, and hold folders while they are used. Used by `cache/publish`, `entries` and `prune`.

All are system locks (flock), which end with their process, however it ends. On a file system without locks, and on a system
without flock, which Windows is, the work goes on without them.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from polarity_cli.machine import find_flags

_HAS_FLOCK = importlib.util.find_spec("fcntl") is not None
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
"""Errors of file systems without locks; some raise them only for folders or files that are open for reading."""


class Hold:
    """A lock on a folder or file, until it is closed, garbage-collected, or its process ends."""

    def __init__(self, descriptor: int | None, *, is_real: bool = True) -> None:
        self._descriptor = descriptor
        self.is_real = is_real
        """False where the file system, or the system, has no locks."""

    def close(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.close()


def hold(path: Path, *, alone: bool = False) -> Hold | None:
    """Return a shared or (with `alone`) exclusive hold on a folder or file; None if another process prevents it, or it was moved.

    Whoever removes a folder holds it alone first, so no folder is removed while it is held. A shared hold waits for an exclusive
    one to end; an exclusive hold never waits.

    Raises:
        OSError: there is no such folder or file, or it is a link.
    """
    if not _HAS_FLOCK:
        _refuse_links(path)
        return Hold(None, is_real=False)
    descriptor = os.open(path, os.O_RDONLY | find_flags("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"))
    try:
        is_real = _lock(descriptor, alone=alone, wait=not alone)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    if _is_at(descriptor, path):
        return Hold(descriptor, is_real=is_real)
    os.close(descriptor)  # it was moved away meanwhile
    return None


def is_held(path: Path) -> bool:
    """Return whether a process holds a folder or file; always False on a file system without locks."""
    try:
        exclusive = hold(path, alone=True)
    except OSError:
        return False
    if exclusive is None:
        return True
    exclusive.close()
    return False


@contextmanager
def lock(path: Path, *, when_busy: Callable[[], None] | None) -> Iterator[bool]:
    """Hold a lock file exclusively inside the block; yields False on a file system without locks.

    A signal interrupts the waiting.

    Args:
        path: the lock file, created with its folders if need be. Whoever has the lock may remove it.
        when_busy: called before waiting for another process; None means not to wait.

    Raises:
        BlockingIOError: another process has it, and `when_busy` is None.
        OSError: the file cannot be made, or is a link.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | find_flags("O_NOFOLLOW", "O_CLOEXEC"), 0o644)
        except FileNotFoundError:  # its folder was removed just now
            continue
        if not _HAS_FLOCK:
            os.close(descriptor)  # Windows removes no file that is open
            yield False
            return
        try:
            try:
                is_real = _lock(descriptor, alone=True, wait=False)
            except BlockingIOError:
                if when_busy is None:
                    raise
                when_busy()
                is_real = _lock(descriptor, alone=True, wait=True)
            if _is_at(descriptor, path):  # else it was removed while it was waited for, and another may have a new one
                yield is_real
                return
        finally:
            os.close(descriptor)


def _refuse_links(path: Path) -> None:
    """Raise what opening a path without following links raises."""
    if stat.S_ISLNK(path.lstat().st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _lock(descriptor: int, *, alone: bool, wait: bool) -> bool:
    """Lock an open file; return False where its file system has no locks."""
    import fcntl

    operation = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    try:
        fcntl.flock(descriptor, operation if wait else operation | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is the one that is at a path now."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    return False
