"""Locks between processes, and folders that are held while they are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from polarity_cli.cache.entries import find_entry
from polarity_cli.cache.locks import hold, is_held, lock
from polarity_cli.cache.publish import publish, remove_tree
from polarity_cli.errors import CacheError
from tests.helpers.cache import get, list_names
from tests.helpers.making import KEY, place


def test_lock_that_is_removed_while_it_is_waited_for_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "one"
    with lock(path, when_busy=None):
        path.unlink()
        with lock(path, when_busy=None) as is_real:
            assert is_real
        with pytest.raises(BlockingIOError), lock(path, when_busy=None), lock(path, when_busy=None):
            pass


def test_link_in_the_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache" / "locks").mkdir(parents=True)
    place(tmp_path / "cache").lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CacheError, match="cannot be written"):
        get(tmp_path / "cache")
    assert not (tmp_path / "elsewhere").exists()


def test_entry_that_is_used_is_held_until_its_object_is_gone(tmp_path: Path) -> None:
    entry = get(tmp_path)
    assert not entry.folder.is_symlink()
    assert is_held(entry.folder)
    folder = entry.folder
    del entry
    assert not is_held(folder)
    exclusive = hold(folder, alone=True)
    assert exclusive is not None
    remove_tree(folder)
    exclusive.close()
    assert find_entry(place(tmp_path), KEY) is None
    assert list_names(tmp_path / "data") == []


def test_folder_is_held_while_it_is_written(tmp_path: Path) -> None:
    with publish(tmp_path / "entry") as work:
        assert is_held(work)
    assert not is_held(tmp_path / "entry")
