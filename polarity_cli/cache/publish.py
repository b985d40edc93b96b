"""Publish whole folders and files by rename, and turn errors of the disk into messages. Used by every room that writes."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polarity_cli.cache.locks import hold
from polarity_cli.errors import CacheError
from polarity_cli.machine import find_flags
from polarity_cli.text import clean_text

_OTHER_FOLDER = "Choose another folder with --cache-dir, or set POLARITY_CACHE."
_FULL = "Free some space (`polarity cache prune --max-size 5GB` frees what the cache can do without), or choose --cache-dir."
_HINTS = {
    errno.EDQUOT: _FULL,
    errno.ENOSPC: _FULL,
    errno.EFBIG: "The file is larger than this process may write (ulimit -f).",
}


@contextmanager
def publish(target: Path) -> Iterator[Path]:
    """Yield a new folder to write to, and rename it to `target` when the block ends well; otherwise remove it.

    The folder is held while it is written (see `cache/locks`), and synced to the disk before it is renamed. Where another process
    published `target` meanwhile, that stays and this one is dropped: both were made from the same key.

    Raises:
        CacheError: the cache cannot be written.
    """
    with report_unwritable(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    own_hold = None
    try:
        with report_unwritable(target):
            own_hold = hold(work)
            work.chmod(0o755)
        yield work
        with report_unwritable(target):
            for path in (*work.rglob("*"), work):
                _flush(path)
            try:
                work.rename(target)
            except OSError:
                if not target.is_dir() or not work.is_dir():
                    raise
            _flush(target.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if own_hold is not None:
            own_hold.close()


def _flush(path: Path) -> None:
    """Sync a file or folder to the disk: a rename may survive a power cut that the content does not."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY | find_flags("O_NOFOLLOW", "O_CLOEXEC"))
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EROFS):  # what file systems answer that do not sync folders
            raise
    finally:
        os.close(descriptor)


@contextmanager
def report_unwritable(target: Path) -> Iterator[None]:
    """Turn errors of the disk inside the block into CacheError with a hint.

    Errors of a connection, and those without the number of a system error, are raised unchanged.
    """
    try:
        yield
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        if error.errno is None:
            raise
        if error.errno in (errno.ENOENT, errno.ESTALE):
            message, hint = f"{target}: something removed it while it was written.", "Run the command again."
        else:
            message = f"{target}: cannot be written ({os.strerror(error.errno)})."
            hint = _HINTS.get(error.errno, _OTHER_FOLDER)
        raise CacheError(message, hint=hint) from error


def remove_tree(path: Path) -> None:
    """Remove a folder, renamed first, so that nobody sees it half removed. Of a link, remove the link alone.

    Raises:
        OSError: it cannot be removed.
    """
    aside = path.with_name(f".{path.name.lstrip('.')}.{secrets.token_hex(4)}")
    path.rename(aside)  # needs no room, unlike a folder to move it to: the disk may be full
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        aside.unlink()


def write_json(path: Path, value: object) -> None:
    """Write a value to a file as indented JSON, which replaces an earlier file in one step."""
    work = path.with_name(f".{path.name}.{os.getpid()}")
    work.write_text(clean_text(json.dumps(value, indent=2, ensure_ascii=False)) + "\n", encoding="utf-8")
    work.replace(path)


def read_json(path: Path) -> dict[str, object] | None:
    """Return the JSON object in a file, or None if the file is missing or holds anything else."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
