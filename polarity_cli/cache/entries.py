"""Entries of the cache, found whole or not at all. `cache/new_entry` makes them.

    <cache>/<kind>/<name>/manifest.json    the key that it was made from, each file's size and SHA-256, what the maker says of it,
                                           and `seal`, the SHA-256 of all that

What is not whole to the last byte, or was made from another key, is never used; it is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarity_cli.cache.hashes import hash_files
from polarity_cli.cache.layout import MANIFEST
from polarity_cli.cache.locks import Hold, hold
from polarity_cli.cache.publish import read_json
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


class DamagedError(Exception):
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
        return read_entry(place, key, is_sound)
    except DamagedError:
        return None


def make_plain(value: Mapping[str, Any]) -> Manifest:
    """Return a value as it comes back from a file."""
    plain: Manifest = json.loads(clean_text(json.dumps(value, ensure_ascii=False)))
    return plain


def compute_seal(manifest: Mapping[str, Any]) -> str:
    unsealed = {name: value for name, value in manifest.items() if name != "seal"}
    return hashlib.sha256(json.dumps(unsealed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_entry(place: Place, key: Mapping[str, Any] | None, is_sound: Callable[[Manifest], bool]) -> Entry | None:
    """Return the whole entry at a place, held; None where there is none, or another process is removing it.

    Raises:
        DamagedError: it is not whole, or another.
    """
    try:
        held = hold(place.folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedError("it is a link, or cannot be read") from error
    if held is None:
        return None
    try:
        manifest = _check(place, key, is_sound)
    except OSError as error:
        raise DamagedError(f"it cannot be read: {error.strerror or error}") from error
    except RecursionError as error:
        raise DamagedError(f"{MANIFEST} is nested too deep") from error
    return Entry(place.folder, manifest, False, held)


def _check(place: Place, key: Mapping[str, Any] | None, is_sound: Callable[[Manifest], bool]) -> Manifest:
    """Return the manifest of an entry that is whole, and note its use.

    Raises:
        DamagedError: it is not whole, or another.
        OSError: it cannot be read.
    """
    statuses = {item.name: item.stat(follow_symlinks=False) for item in os.scandir(place.folder)}
    if not all(stat.S_ISREG(status.st_mode) for status in statuses.values()):
        raise DamagedError("something in it is not a regular file")
    manifest = read_json(place.folder / MANIFEST)
    if manifest is None or manifest.get("seal") != compute_seal(manifest):
        raise DamagedError(f"{MANIFEST} is missing, torn or edited")
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(stored, dict) for stored in files.values()):
        raise DamagedError(f"{MANIFEST} names no files")
    if statuses.keys() != files.keys() | {MANIFEST}:
        odd = ", ".join(sorted(statuses.keys() ^ (files.keys() | {MANIFEST}))[:3])
        raise DamagedError(f"missing, or not its own: {odd}")
    if key is not None and manifest.get("key") != make_plain(key):
        raise DamagedError("it was made from something else")
    changed = [name for name, stored in files.items() if statuses[name].st_size != stored.get("size")]
    if not changed:
        hashes = hash_files(place.folder, files, place.notes)
        changed = [name for name, stored in files.items() if hashes[name] != stored.get("sha256")]
    if changed:
        raise DamagedError(f"not as it was written: {', '.join(changed[:3])}")
    if not is_sound(manifest):
        raise DamagedError(f"{MANIFEST} is not one of this program")
    return manifest
