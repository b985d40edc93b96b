"""Compute SHA-256 of files, once while a file stays the same. Used by `cache/entries` and `hub/files`.

Each SHA-256 is noted in the cache with the file's device, inode, size and times. A copy has another inode, and every change sets
the change time, which no program can set back, so a note fits only the very file that was read. The modification time of the
notes is when the files were last used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from polarity_cli.cache.publish import read_json, write_json
from polarity_cli.machine import find_flags

_SETTLED_NS = 100_000_000
"""A file that changed later than this before it was read is not noted: another change might leave the same times."""


def hash_files(folder: Path, names: Iterable[str], notes: Path) -> dict[str, str]:
    """Return the SHA-256 of some of a folder's files as 64 hexadecimal digits, by name.

    Args:
        folder: where the files are.
        names: the names of regular files; links are followed.
        notes: the file that keeps the results. Where it cannot be written, they are computed again next time.

    Raises:
        OSError: a file cannot be read, or is not a regular file.
    """
    stored = (read_json(notes) or {}).get("files")
    before = stored if isinstance(stored, dict) else {}
    hashes: dict[str, str] = {}
    entries: dict[str, list[object]] = {}
    for name in names:
        entry = before.get(name)
        identity = _identify((folder / name).stat())
        if isinstance(entry, list) and entry[:-1] == identity and isinstance(entry[-1], str):
            hashes[name], entries[name] = entry[-1], entry
            continue
        hashes[name], identity = hash_regular(folder / name)
        if identity:
            entries[name] = [*identity, hashes[name]]
    with contextlib.suppress(OSError):
        if entries.items() <= before.items() and notes.exists():
            os.utime(notes)
        else:
            write_notes(notes, folder, {**before, **entries})
    return hashes


def write_notes(notes: Path, folder: Path, files: Mapping[str, list[object]]) -> None:
    """Write the notes of a folder's files: for each its identity, from `hash_regular`, and its SHA-256.

    Raises:
        OSError: they cannot be written.
    """
    notes.parent.mkdir(parents=True, exist_ok=True)
    write_json(notes, {"folder": str(folder), "files": dict(files)})


def are_whole(folder: Path, hashes: Mapping[str, object], notes: Path) -> bool:
    """Return whether all files are there with the SHA-256 in `hashes`; see `hash_files`."""
    try:
        return hash_files(folder, hashes, notes) == dict(hashes)
    except (OSError, ValueError):  # a name that no file can have
        return False


def hash_regular(path: Path) -> tuple[str, list[object]]:
    """Return a file's SHA-256, and its identity: device, inode, size and times; empty where it changed just now.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | find_flags("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
    with open(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(f"{path} is not a regular file")
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.fstat(descriptor)
    settled = time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _SETTLED_NS
    return digest, _identify(after) if settled and _identify(before) == _identify(after) else []


def _identify(status: os.stat_result) -> list[object]:
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
