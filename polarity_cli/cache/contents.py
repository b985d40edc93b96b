"""List what the cache holds, by kind, with sizes and descriptions for people. Changes nothing; next: `cache/prune`."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from polarity_cli.cache.entries import Place
from polarity_cli.cache.layout import MANIFEST
from polarity_cli.cache.locks import is_held
from polarity_cli.cache.publish import read_json

_DEPTHS = {"hub": 3, "data": 1, "features": 1, "graphs": 1, "checkpoints": 1, "runs": 1, "tracking": 1}
"""How deep an entry's folder is below the folder of its kind."""
_PRECIOUS = ("checkpoints", "runs")
_MANIFESTS = {"checkpoints": "polarity.json"}


@dataclass(frozen=True)
class CacheItem:
    """A folder of the cache."""

    place: Place
    description: str
    size: int
    """In bytes."""
    made: float
    """When it was made, in seconds since 1970."""
    used: float
    """When a run last used it, in seconds since 1970; too early where the cache could not be written."""
    in_use: bool
    """Whether a process uses it now."""
    needs: str | None = None
    """The fingerprint of the tokenized reviews that a checkpoint or an interrupted run needs; None for the rest."""
    needed_by: tuple[str, ...] = field(default=())
    """Checkpoints and interrupted runs that need it."""

    @property
    def kind(self) -> str:
        """The folder of the cache that it is in."""
        return self.place.kind

    @property
    def name(self) -> str:
        """Its path below that folder."""
        return self.place.name

    @property
    def folder(self) -> Path:
        """Its path."""
        return self.place.folder

    @property
    def is_precious(self) -> bool:
        """Whether it is a result of training, which cannot simply be made again."""
        return self.kind in _PRECIOUS and not self.is_leftover

    @property
    def is_leftover(self) -> bool:
        """Whether it is unfinished: still being made, or left by a process that was killed."""
        return self.folder.name.startswith(".")


def list_items(cache_dir: Path) -> list[CacheItem]:
    """Return everything that the cache holds, in no order."""
    items = [
        _describe(Place(cache_dir, kind, name)) for kind, depth in _DEPTHS.items() for name in _find(cache_dir / kind, depth)
    ]
    present = [item for item in items if item is not None]
    needers: dict[str, list[str]] = {}
    for item in present:
        if item.needs is not None:
            needers.setdefault(item.needs, []).append(f"{item.kind}/{item.name}")
    return [
        replace(item, needed_by=tuple(sorted(needers.get(item.name, [])))) if item.kind == "data" else item for item in present
    ]


def _find(folder: Path, depth: int, above: str = "") -> Iterator[str]:
    """Yield the names of the entries `depth` folders below, and of unfinished ones among them."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if not path.is_dir() or (folder.name == "hub" and path.name == "revisions"):
                continue
            name = f"{above}{path.name}"
            if depth == 1 or path.name.startswith("."):
                yield name
            elif not path.is_symlink():
                yield from _find(path, depth - 1, f"{name}/")
            if folder.name == "runs" and not path.is_symlink():
                yield from (f"{name}/{inner.name}" for inner in path.glob(".state-*"))
                yield from (f"{name}/{inner.parent.name}/{inner.name}" for inner in path.glob("fold-*/.state-*"))


def _describe(place: Place) -> CacheItem | None:
    """Return the item of a folder; None where it holds nothing, or has been removed meanwhile."""
    try:
        made_s = place.folder.stat().st_mtime
        size, n_files = _measure(place.folder)
        used_s = max(made_s, place.notes.stat().st_mtime if place.notes.exists() else 0.0)
        in_use = is_held(place.folder / "lock" if place.kind == "runs" else place.folder)
        description, needs = _read_manifest(place) if not place.folder.name.startswith(".") else ("", None)
    except OSError:
        return None
    if place.kind == "runs" and not place.folder.name.startswith("."):
        if n_files < 2 and not in_use:
            return None  # nothing but the lock of a run that ended well
    elif place.folder.name.startswith("."):
        in_use = is_held(place.folder)
        description = "being made" if in_use else "left by a process that was killed"
    return CacheItem(place, description, size, made_s, used_s, in_use, needs)


def _measure(folder: Path) -> tuple[int, int]:
    """Return the bytes and the number of files below a folder; links count as themselves."""
    size = n_files = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(path, name)).st_size
                n_files += 1
    return size, n_files


def _read_manifest(place: Place) -> tuple[str, str | None]:
    """Return an entry's description, and the fingerprint of the reviews that it needs or None; its manifest may hold anything."""
    states = sorted(place.folder.glob("state-*"), reverse=True) if place.kind == "runs" else []
    states += sorted(place.folder.glob("fold-*/state-*")) if place.kind == "runs" else []
    folder = states[0] if states else place.folder
    manifest = read_json(folder / _MANIFESTS.get(place.kind, MANIFEST))
    if manifest is None:
        return ("" if place.kind in ("runs", "tracking") else "damaged"), None
    needs = None
    match place.kind:
        case "hub":
            parts = [_get(manifest, "key", "repo"), _get(manifest, "key", "config"), _get(manifest, "split")]
            parts.append(_count(_get(manifest, "key", "rows") or "all", "row"))
        case "data":
            splits = _get(manifest, "splits")
            rows = [_get(counts, "n_rows") for counts in splits.values()] if isinstance(splits, dict) else []
            n_rows = sum(count for count in rows if isinstance(count, int))
            parts = [_get(manifest, "source"), _get(manifest, "encoder"), _count(n_rows, "review")]
        case "features":
            cut = _get(manifest, "key", "cut")
            parts = [
                _get(manifest, "encoder"),
                f"cut {cut}",
                _get(manifest, "split"),
                _count(_get(manifest, "n_reviews"), "review"),
            ]
        case "graphs":
            parts = [_get(manifest, "key", "checkpoint")]
        case "checkpoints":
            f1 = _get(manifest, "metrics", "test", "f1")
            score = f"test F1 {f1:.4f}" if isinstance(f1, float) else None
            parts, needs = (
                [_get(manifest, "data", "source"), _get(manifest, "encoder", "name"), score],
                _get(manifest, "data", "fingerprint"),
            )
        case "runs":
            run = manifest.get("run")
            parts = ["interrupted", _get(run, "--source"), _get(run, "--encoder")]
            needs = _get(run, "the tokenized reviews")
        case _:
            parts = []
    fingerprint = needs if isinstance(needs, str) and re.fullmatch(r"[0-9a-f]{16}", needs) else None
    return ", ".join(str(part) for part in parts if part), fingerprint


def _count(n: object, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}" if isinstance(n, int) else f"{n} {noun}s"


def _get(value: object, *names: str) -> object:
    """Return a value from nested objects by its names, or None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
