"""Files are hashed once, and notes of that are believed for the very same file alone."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from polarity_cli.cache.hashes import hash_files


def test_file_is_not_hashed_twice_and_its_copy_is(tmp_path: Path) -> None:
    folder, notes = tmp_path / "one", tmp_path / "notes.json"
    folder.mkdir()
    (folder / "file").write_bytes(b"content")
    time.sleep(0.15)
    hashes = hash_files(folder, ["file"], notes)
    stored = json.loads(notes.read_text())
    stored["files"]["file"][-1] = "as noted"
    notes.write_text(json.dumps(stored))
    assert hash_files(folder, ["file"], notes) == {"file": "as noted"}
    shutil.copytree(folder, tmp_path / "two")
    assert hash_files(tmp_path / "two", ["file"], notes) == hashes
    status = (folder / "file").stat()
    (folder / "file").write_bytes(b"CONTENT")
    os.utime(folder / "file", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert hash_files(folder, ["file"], notes) != hashes
    assert "as noted" not in hash_files(folder, ["file"], notes).values()


def test_file_that_changed_just_now_is_not_noted(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    hash_files(tmp_path, ["file"], tmp_path / "notes.json")
    assert json.loads((tmp_path / "notes.json").read_text())["files"] == {}


@pytest.mark.parametrize("notes", ["[]", '{"files": 1}', '{"files": {"file": "x"}}', '{"files": {"file": []}}', "\0"])
def test_notes_of_garbage_are_not_believed(tmp_path: Path, notes: str) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "notes.json").write_text(notes)
    assert hash_files(tmp_path, ["file"], tmp_path / "notes.json")["file"].startswith("ed7002b439e9ac84")
