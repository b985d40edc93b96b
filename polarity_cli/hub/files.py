"""Fetch files of a Hub repository into the Hub's own cache, and check them against the checksums that the Hub declares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from polarity_cli.cache.hashes import are_whole, hash_file, hash_files
from polarity_cli.cache.publish import read_json, write_json
from polarity_cli.config import Context
from polarity_cli.errors import HubError
from polarity_cli.hub import connect, is_of_content
from polarity_cli.hub.retries import CONTENT_HINT, TRIES_AT_CONTENT, Retries

if TYPE_CHECKING:
    from huggingface_hub import RepoFile

_MEGABYTE = 1_000_000


def fetch_files(
    repo: str, revision: str, patterns: Sequence[str], *, repo_type: Literal["dataset", "model"], context: Context, part: str = ""
) -> list[Path]:
    """Return the files of a repository whose paths match one of the patterns; they are in one folder, or in folders inside it.

    A pattern with a `/` is looked for in all folders, others among the top-level files.

    Files of an earlier call are not fetched again while their SHA-256 is unchanged. Calls with other patterns for the same
    repository need another `part`, a name under which their files are remembered.

    Raises:
        HubError: the Hub is out of reach, or sends other content than it declares; or the files were never fetched, and the
            run is offline.
    """
    record_path = context.cache_dir / "hub" / "files" / f"{repo_type}--{repo.replace('/', '--')}{part and f'--{part}'}.json"
    record = read_json(record_path) or {}
    notes = context.cache_dir / "seen" / f"hub--files--{record_path.name}"
    hashes = record.get("files")
    if (record.get("revision"), record.get("patterns")) == (revision, list(patterns)) and isinstance(hashes, dict):
        folder = Path(str(record.get("folder")))
        if are_whole(folder, hashes, notes):
            return [folder / name for name in hashes]
    if context.offline:
        raise HubError(
            f"{repo}: its files are not in the cache, and --offline makes no connection.", hint="Run once without --offline."
        )
    fetched = _fetch(repo, revision, patterns, repo_type, context)
    if fetched:
        folder = _find_snapshot(fetched[0], revision)
        hashes = hash_files(folder, [path.relative_to(folder).as_posix() for path in fetched], notes)
        with suppress(OSError):  # a cache that cannot be written is one that an offline run cannot use
            record_path.parent.mkdir(parents=True, exist_ok=True)
            write_json(record_path, {"revision": revision, "patterns": list(patterns), "folder": str(folder), "files": hashes})
    return fetched


def _fetch(repo: str, revision: str, patterns: Sequence[str], repo_type: str, context: Context) -> list[Path]:
    from huggingface_hub import HfApi, RepoFile, hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # one bar is shown for all files
    with connect(repo, context.observer) as client:
        is_deep = any("/" in pattern for pattern in patterns)
        tree = HfApi().list_repo_tree(repo, revision=revision, repo_type=repo_type, recursive=is_deep)
        files = [file for file in tree if isinstance(file, RepoFile) and any(_matches(file.path, p) for p in patterns)]
        n_megabytes = sum(file.size for file in files) // _MEGABYTE
        with context.observer.track(f"Fetching {repo} (MB)" if n_megabytes else f"Fetching {repo}", n_megabytes) as advance:
            client.receive = _count_megabytes(advance)
            return [
                _fetch_file(
                    lambda name=file.path: hf_hub_download(repo, name, revision=revision, repo_type=repo_type),  # type: ignore[misc]
                    file,
                    Retries(repo, context.observer),
                )
                for file in files
            ]


def _matches(path: str, pattern: str) -> bool:
    return fnmatch(path, pattern) and path.count("/") == pattern.count("/")


def _find_snapshot(path: Path, revision: str) -> Path:
    """Return the folder of a commit in the Hub's cache that a file is in."""
    return next(folder for folder in path.parents if folder.name == revision)


def _fetch_file(download: Callable[[], str], declared: RepoFile, retries: Retries) -> Path:
    """Download a file until its content is what the Hub declares, and return its path; wrong content is removed."""
    while True:
        try:
            path = Path(download())
            fault = _find_fault(path, declared)
            if fault is None:
                return path
            content = path.resolve()
            path.unlink()
            content.unlink(missing_ok=True)
        except OSError as error:
            if not is_of_content(error):
                raise
            fault = "of another length than declared"
        retries.wait(f"{declared.path} came {fault}", tries=TRIES_AT_CONTENT, hint=CONTENT_HINT)


def _find_fault(path: Path, declared: RepoFile) -> str | None:
    """Return what is wrong with a file's content, or None. The Hub declares SHA-256 of large files, git's SHA-1 of others."""
    size = path.stat().st_size
    if size != declared.size:
        return f"with {size:,} bytes where the Hub declares {declared.size:,}"
    if declared.lfs is not None:
        return None if hash_file(path) == declared.lfs.sha256 else "with another SHA-256 than the Hub declares"
    blob_id = hashlib.sha1(b"blob %d\0" % size + path.read_bytes(), usedforsecurity=False).hexdigest()
    return None if blob_id == declared.blob_id else "with another checksum than the Hub declares"


def _count_megabytes(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Return a function that takes bytes and advances a progress bar by whole megabytes."""
    n_bytes = 0

    def receive(more: int) -> None:
        nonlocal n_bytes
        n_before = n_bytes // _MEGABYTE
        n_bytes += more
        advance(n_bytes // _MEGABYTE - n_before)

    return receive
