"""Repositories of the small Hub in `tests/hub`: a folder's files, and what the Hub says of them."""

import hashlib
import json
import re
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]

from tests.helpers.hub_faults import Answer

LARGE = (".npy", ".onnx", ".parquet", ".safetensors", ".u64")  # kept apart from git, and named by SHA-256
BYTE_RANGE = re.compile(r"bytes=(?P<first>\d+)-(?P<last>\d*)")


class Repository:
    """Hold the files below a folder as they are now, so that no request can reach any other file."""

    def __init__(self, files: Path | dict[str, bytes], *, private: bool = False, n_commits: int = 1) -> None:
        self.files = _read_files(files) if isinstance(files, Path) else dict(sorted(files.items()))
        self.private, self.n_commits = private, n_commits
        self.entries: dict[str, dict[str, Any]] = {}  # what the Hub's tree says of a path
        for name in {str(above) for path in self.files for above in PurePosixPath(path).parents[:-1]}:
            oid = hashlib.sha1(name.encode()).hexdigest()
            self.entries[name] = {"type": "directory", "path": name, "oid": oid}
        for name, content in self.files.items():
            size, oid = len(content), hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self.entries[name] = {"type": "file", "path": name, "size": size, "oid": oid}
            if PurePosixPath(name).suffix in LARGE:
                sha256 = hashlib.sha256(content).hexdigest()
                self.entries[name]["lfs"] = {"oid": sha256, "size": size, "pointerSize": 130}
        self.sha = hashlib.sha1(json.dumps([self.entries, n_commits], sort_keys=True).encode()).hexdigest()

    @property
    def card_data(self) -> dict[str, Any]:
        """What stands in the front of its card."""
        front = re.match(r"---\n(.*?)\n---\n", self.files.get("README.md", b"").decode(), re.DOTALL)
        read: dict[str, Any] = yaml.safe_load(front[1]) if front else {}
        return read

    def read_tree(self, folder: str, *, recursive: bool) -> Answer:
        """Return the entries of a folder (the root is ""), and those further below if `recursive`."""
        if folder and self.entries.get(folder, {}).get("type") != "directory":
            return missing("EntryNotFound", self.sha)
        top, paths = PurePosixPath(folder), [PurePosixPath(path) for path in self.entries]
        below = [path for path in paths if path.parent == top or (recursive and top in path.parents)]
        return found([self.entries[str(path)] for path in below])

    def read_file(self, path: str, byte_range: str) -> Answer:
        """Return a file, or the part of it that a Range header asks for."""
        if path not in self.files:
            return missing("EntryNotFound", self.sha)
        content, entry = self.files[path], self.entries[path]
        headers = {"ETag": f'"{entry["oid"]}"', "X-Repo-Commit": self.sha, "Accept-Ranges": "bytes"}
        if "lfs" in entry:
            headers |= {"X-Linked-Etag": f'"{entry["lfs"]["oid"]}"', "X-Linked-Size": str(len(content))}
        wanted = BYTE_RANGE.fullmatch(byte_range)
        if wanted is None:
            return HTTPStatus.OK, headers, content
        first, last = int(wanted["first"]), min(int(wanted["last"] or len(content)), len(content) - 1)
        if first > last:
            headers["Content-Range"] = f"bytes */{len(content)}"
            return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers, b""
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return HTTPStatus.PARTIAL_CONTENT, headers, content[first : last + 1]


def _read_files(folder: Path) -> dict[str, bytes]:
    root = folder.resolve(strict=True)  # a link below may lead out of it
    kept = [file for file in sorted(root.rglob("*")) if file.resolve().is_relative_to(root)]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in kept if file.is_file()}


def found(value: object) -> Answer:
    """Return a JSON document."""
    return HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps(value).encode()


def missing(code: str, sha: str = "") -> Answer:
    """Return a 404 that says what is missing; given the commit, clients remember that a file is not there."""
    headers = {"X-Error-Code": code, "X-Repo-Commit": sha}
    return HTTPStatus.NOT_FOUND, {name: value for name, value in headers.items() if value}, b"{}"
