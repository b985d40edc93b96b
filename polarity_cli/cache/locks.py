"""Locks between processes, and holding a folder while it is used.

All are locks of the system (flock): they end with the process that has them, however it ends. A file system without locks is
worked on without them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
"""What file systems without locks answer, some of them only where a folder or a file open for reading is to be locked."""


class Hold:
    """A lock that lasts until it is closed, its object is gone, or the process ends."""

    def __init__(self, descriptor: int, *, is_real: bool = True) -> None:
        self._descriptor: int | None = descriptor
        self.is_real = is_real
        """False where the file system has no locks."""

    def close(self) -> None:
        """Let go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.close()


def hold(path: Path, *, alone: bool = False) -> Hold | None:
    """Return a hold on a folder or file, beside others' or `alone`; None where another's does not let it, or it was moved away.

    Who removes a folder holds it alone first, for as long as that takes, so what is held is not removed. A hold beside others
    waits for that; one alone waits for nobody.

    Raises:
        OSError: there is no such folder or file, or it is a link.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        is_real = _lock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, wait=not alone)
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
    """Tell whether a process holds a folder or file; where the file system has no locks, nobody can know, and it is not."""
    try:
        held = hold(path, alone=True)
    except OSError:
        return False
    if held is None:
        return True
    held.close()
    return False


@contextmanager
def lock(path: Path, *, when_busy: Callable[[], None] | None) -> Iterator[bool]:
    """Have a lock file to oneself inside the block; gives False where the file system has no locks.

    Signals end the waiting as they end anything else.

    Args:
        path: the lock file, made with its folders where it is not there. Whoever has the lock may remove it.
        when_busy: called before another process is waited for; with None it is not waited for.

    Raises:
        BlockingIOError: another process has it, and `when_busy` is None.
        OSError: the file cannot be made, or is a link.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:  # its folder was removed just now
            continue
        try:
            try:
                is_real = _lock(descriptor, fcntl.LOCK_EX, wait=False)
            except BlockingIOError:
                if when_busy is None:
                    raise
                when_busy()
                is_real = _lock(descriptor, fcntl.LOCK_EX, wait=True)
            if _is_at(descriptor, path):  # else it was removed while it was waited for, and another may have a new one
                yield is_real
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, kind: int, *, wait: bool) -> bool:
    """Lock an open file; return False where its file system has no locks."""
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Tell whether an open file is the one that stands at a path now."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    return False
