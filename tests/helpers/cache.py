"""Entries of a cache, made and looked at. Used by the tests of `cache`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from polarity_cli.cache.entries import Entry
from polarity_cli.cache.new_entry import open_or_begin
from polarity_cli.records import SilentObserver
from tests.helpers.making import KEY, place, write


class Notes(SilentObserver):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def get(cache: Path, observer: SilentObserver | None = None, make: Callable[[Path], dict[str, object]] = write) -> Entry:
    opened = open_or_begin(place(cache), KEY, observer or SilentObserver())
    if isinstance(opened, Entry):
        return opened
    with opened:
        return opened.commit(make(opened.folder))


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
