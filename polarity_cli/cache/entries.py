"""Entries of the cache: found whole, or made, once for all processes that ask at the same time.

    <cache>/<kind>/<name>/manifest.json    the key that it was made from, each file's size and SHA-256, what the maker says of it,
                                           and `seal`, the SHA-256 of all that

What is not whole to the last byte, or was made from another key, is never used; it is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarity_cli.cache.hashes import hash_files, hash_regular, write_notes
from polarity_cli.cache.layout import MANIFEST
from polarity_cli.cache.locks import Hold, hold, lock
from polarity_cli.cache.publish import publish, read_json, remove_tree, report_unwritable, write_json
from polarity_cli.errors import CacheError
from polarity_cli.records import Observer
from polarity_cli.text import clean_text

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where an entry stands, or would stand."""

    cache_dir: Path
    kind: str
    """The folder of the cache: `data`, `features`."""
    name: str
    """Below that folder; may have parts, divided by `/`."""

    @property
    def folder(self) -> Path:
        """The entry's own folder."""
        return self.cache_dir / self.kind / self.name

    @property
    def lock(self) -> Path:
        """Who makes or removes the entry has this file's lock."""
        return self.cache_dir / "locks" / self._flat_name

    @property
    def notes(self) -> Path:
        """What is known of the entry's files, see `cache/hashes`; its time is that of the last use."""
        return self.cache_dir / "seen" / f"{self._flat_name}.json"

    @property
    def _flat_name(self) -> str:
        return f"{self.kind}--{self.name.replace('/', '--')}"


@dataclass(frozen=True)
class Entry:
    """A whole entry; nobody removes it while this object is there."""

    folder: Path
    manifest: Manifest
    is_new: bool
    """Whether this call made it."""
    hold: Hold


class _DamagedError(Exception):
    """What stands at an entry's place is not whole; the message says how."""


def find_entry(
    place: Place, key: Mapping[str, Any] | None, *, is_sound: Callable[[Manifest], bool] = lambda manifest: True
) -> Entry | None:
    """Return the entry at a place if it is whole; None where there is none.

    Args:
        place: where.
        key: that it must have been made from; None takes any.
        is_sound: tells whether a manifest holds what its kind needs, in the right types.
    """
    try:
        return _read(place, key, is_sound)
    except _DamagedError:
        return None


def get_entry(
    place: Place,
    key: Mapping[str, Any],
    make: Callable[[Path], Mapping[str, Any]],
    observer: Observer,
    *,
    is_sound: Callable[[Manifest], bool] = lambda manifest: True,
) -> Entry:
    """Return the entry at a place, made first where it is not there or not whole.

    Where another process is making it, that is waited for, and its entry taken.

    Args:
        place: where.
        key: all that decides what is made, as plain JSON values.
        make: writes files into the empty folder given, and returns what the manifest shall say beside them.
        observer: told of an entry that is damaged, and of waiting.
        is_sound: as in `find_entry`.

    Raises:
        CacheError: the cache cannot be written; what `make` raises comes as it is. Nothing half-written stays.
    """
    try:
        found = _read(place, key, is_sound)
    except _DamagedError:
        found = None  # another process may be mending it: it is looked at again with the lock
    return found or _make_alone(place, key, make, observer, is_sound)


def _make_alone(
    place: Place,
    key: Mapping[str, Any],
    make: Callable[[Path], Mapping[str, Any]],
    observer: Observer,
    is_sound: Callable[[Manifest], bool],
) -> Entry:
    def say_busy() -> None:
        observer.note(f"{place.folder}: waiting for another process that makes the same.")

    with ExitStack() as stack:
        with report_unwritable(place.folder):
            is_alone = stack.enter_context(lock(place.lock, when_busy=say_busy))
        try:
            found = _read(place, key, is_sound)
            if found is not None:
                return found
        except _DamagedError as error:
            observer.warn(f"{place.folder}: damaged ({error}); it is made again.")
            with report_unwritable(place.folder):
                remove_tree(place.folder)
        if is_alone:
            _remove_leftovers(place.folder)
        with publish(place.folder) as work:
            said = make(work)
            with report_unwritable(place.folder):
                known = _seal(work, key, said)
        with contextlib.suppress(OSError):
            write_notes(place.notes, place.folder, known)
        return _read_made(place, key, is_sound)


def _read_made(place: Place, key: Mapping[str, Any], is_sound: Callable[[Manifest], bool]) -> Entry:
    try:
        made = _read(place, key, is_sound)
    except _DamagedError as error:
        raise CacheError(f"{place.folder}: written just now, and damaged ({error}).", hint="Is the disk sound?") from error
    if made is None:
        raise CacheError(f"{place.folder}: something removed it as soon as it was written.", hint="Run the command again.")
    return Entry(made.folder, made.manifest, True, made.hold)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed makers of an entry left; its lock must be held, so that no maker is at work."""
    if folder.parent.is_dir():
        for path in folder.parent.iterdir():
            if path.name.startswith(f".{folder.name}."):
                shutil.rmtree(path, ignore_errors=True)


def _seal(work: Path, key: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, list[object]]:
    """Write the manifest, and return what is known of the files that it names, for `write_notes`."""
    files, known = {}, {}
    for path in sorted(work.iterdir()):
        digest, seen = hash_regular(path)
        files[path.name] = {"size": path.stat().st_size, "sha256": digest}
        if seen:
            known[path.name] = [*seen, digest]
    manifest: Manifest = _make_plain({"key": key, **said, "files": files})
    write_json(work / MANIFEST, {**manifest, "seal": _compute_seal(manifest)})
    return known


def _make_plain(value: Mapping[str, Any]) -> Manifest:
    """Return a value as it comes back from a file."""
    plain: Manifest = json.loads(clean_text(json.dumps(value, ensure_ascii=False)))
    return plain


def _compute_seal(manifest: Mapping[str, Any]) -> str:
    unsealed = {name: value for name, value in manifest.items() if name != "seal"}
    return hashlib.sha256(json.dumps(unsealed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read(place: Place, key: Mapping[str, Any] | None, is_sound: Callable[[Manifest], bool]) -> Entry | None:
    """Return the whole entry at a place, held; None where there is none, or another process is removing it.

    Raises:
        _DamagedError: it is not whole, or another.
    """
    try:
        held = hold(place.folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _DamagedError("it is a link, or cannot be read") from error
    if held is None:
        return None
    try:
        manifest = _check(place, key, is_sound)
    except OSError as error:
        raise _DamagedError(f"it cannot be read: {error.strerror or error}") from error
    except RecursionError as error:
        raise _DamagedError(f"{MANIFEST} is nested too deep") from error
    return Entry(place.folder, manifest, False, held)


def _check(place: Place, key: Mapping[str, Any] | None, is_sound: Callable[[Manifest], bool]) -> Manifest:
    """Return the manifest of an entry that is whole, and note its use.

    Raises:
        _DamagedError: it is not whole, or another.
        OSError: it cannot be read.
    """
    statuses = {item.name: item.stat(follow_symlinks=False) for item in os.scandir(place.folder)}
    if not all(stat.S_ISREG(status.st_mode) for status in statuses.values()):
        raise _DamagedError("something in it is not a regular file")
    manifest = read_json(place.folder / MANIFEST)
    if manifest is None or manifest.get("seal") != _compute_seal(manifest):
        raise _DamagedError(f"{MANIFEST} is missing, torn or edited")
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(known, dict) for known in files.values()):
        raise _DamagedError(f"{MANIFEST} names no files")
    if statuses.keys() != files.keys() | {MANIFEST}:
        odd = ", ".join(sorted(statuses.keys() ^ (files.keys() | {MANIFEST}))[:3])
        raise _DamagedError(f"missing, or not its own: {odd}")
    if key is not None and manifest.get("key") != _make_plain(key):
        raise _DamagedError("it was made from something else")
    changed = [name for name, known in files.items() if statuses[name].st_size != known.get("size")]
    if not changed:
        hashes = hash_files(place.folder, files, place.notes)
        changed = [name for name, known in files.items() if hashes[name] != known.get("sha256")]
    if changed:
        raise _DamagedError(f"not as it was written: {', '.join(changed[:3])}")
    if not is_sound(manifest):
        raise _DamagedError(f"{MANIFEST} is not one of this program")
    return manifest
