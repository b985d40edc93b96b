"""Make an entry of the cache that is not there: once for all processes that ask for it at the same time.

Open it or begin it, fill the folder, commit. What was begun and not committed leaves nothing.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from polarity_cli.cache.entries import DamagedError, Entry, Manifest, Place, compute_seal, make_plain, read_entry
from polarity_cli.cache.hashes import hash_regular, write_notes
from polarity_cli.cache.layout import MANIFEST
from polarity_cli.cache.locks import lock
from polarity_cli.cache.publish import publish, remove_tree, report_unwritable, write_json
from polarity_cli.errors import CacheError
from polarity_cli.records import Observer

IsSound = Callable[[Manifest], bool]
"""Tells whether a manifest holds what its kind of entry needs, in the right types."""


class NewEntry:
    """An entry that this process alone is making. At the end of its `with` block, what was not committed is removed."""

    def __init__(self, place: Place, key: Mapping[str, Any], is_sound: IsSound, locked: ExitStack) -> None:
        """Begin to write, with the place's lock, which `locked` lets go at the end of the block.

        Raises:
            CacheError: the cache cannot be written.
        """
        self._place, self._key, self._is_sound = place, key, is_sound
        self._publishing: AbstractContextManager[Path] | None = publish(place.folder)
        self.folder = self._publishing.__enter__()
        """The empty folder to fill."""
        self._locked = locked.pop_all()

    def commit(self, about: Mapping[str, Any]) -> Entry:
        """Publish what was written, with a manifest that says `about` beside the key and the files, and return the whole entry.

        Raises:
            CacheError: the cache cannot be written.
        """
        assert self._publishing is not None  # it is committed once
        with report_unwritable(self._place.folder):
            hashes = _seal(self.folder, self._key, about)
        publishing, self._publishing = self._publishing, None
        publishing.__exit__(None, None, None)
        with contextlib.suppress(OSError):
            write_notes(self._place.notes, self._place.folder, hashes)
        return _read_new(self._place, self._key, self._is_sound)

    def __enter__(self) -> NewEntry:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._locked:
            if self._publishing is not None:
                unfinished = error or CacheError("it was not committed")
                self._publishing.__exit__(type(unfinished), unfinished, trace)


def open_or_begin(
    place: Place, key: Mapping[str, Any], observer: Observer, *, is_sound: IsSound = lambda manifest: True
) -> Entry | NewEntry:
    """Return the entry at a place, or where it is not there or not whole, a new one to fill and commit.

    Where another process is making it, that is waited for, and its entry returned.

    Args:
        place: where.
        key: all that decides what is made, as plain JSON values.
        observer: told of an entry that is damaged, and of waiting.
        is_sound: as in `find_entry`.

    Raises:
        CacheError: the cache cannot be written.
    """
    with contextlib.suppress(DamagedError):  # another process may be mending it: it is looked at again with the lock
        entry = read_entry(place, key, is_sound)
        if entry is not None:
            return entry

    def note_waiting() -> None:
        observer.note(f"{place.folder}: waiting for another process that makes the same.")

    with ExitStack() as locked:
        with report_unwritable(place.folder):
            has_locks = locked.enter_context(lock(place.lock, when_busy=note_waiting))
        try:
            entry = read_entry(place, key, is_sound)
            if entry is not None:
                return entry
        except DamagedError as error:
            observer.warn(f"{place.folder}: damaged ({error}); it is made again.")
            with report_unwritable(place.folder):
                remove_tree(place.folder)
        if has_locks:
            _remove_leftovers(place.folder)
        return NewEntry(place, key, is_sound, locked)


def _read_new(place: Place, key: Mapping[str, Any], is_sound: IsSound) -> Entry:
    try:
        entry = read_entry(place, key, is_sound)
    except DamagedError as error:
        raise CacheError(f"{place.folder}: written just now, and damaged ({error}).", hint="Is the disk sound?") from error
    if entry is None:
        raise CacheError(f"{place.folder}: something removed it as soon as it was written.", hint="Run the command again.")
    return Entry(entry.folder, entry.manifest, True, entry.hold)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed makers of an entry left; its lock must be held, so that no maker is at work."""
    if folder.parent.is_dir():
        for path in folder.parent.iterdir():
            if path.name.startswith(f".{folder.name}."):
                shutil.rmtree(path, ignore_errors=True)


def _seal(work: Path, key: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, list[object]]:
    """Write the manifest, and return what `write_notes` takes of the files that it names."""
    files, notes = {}, {}
    for path in sorted(work.iterdir()):
        digest, identity = hash_regular(path)
        files[path.name] = {"size": path.stat().st_size, "sha256": digest}
        if identity:
            notes[path.name] = [*identity, digest]
    manifest: Manifest = make_plain({"key": key, **about, "files": files})
    write_json(work / MANIFEST, {**manifest, "seal": compute_seal(manifest)})
    return notes
