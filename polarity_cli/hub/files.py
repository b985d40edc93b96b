"""Files of a Hub repository, fetched into the Hub's own cache and checked against what the Hub declares before they are used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from polarity_cli.cache.hashes import are_whole, hash_file, hash_known
from polarity_cli.cache.publish import read_json, write_json
from polarity_cli.config import Context
from polarity_cli.errors import HubError
from polarity_cli.hub import connect, is_of_content
from polarity_cli.hub.retries import CONTENT_HINT, TRIES_AT_CONTENT, Retries

if TYPE_CHECKING:
    from huggingface_hub import RepoFile

_MEGABYTE = 1_000_000


def fetch_files(
    repo: str, revision: str, patterns: Sequence[str], *, kind: Literal["dataset", "model"], context: Context, part: str = ""
) -> list[Path]:
    """Return the top files of a repository whose names match one of the patterns, all in one folder.

    What an earlier call has fetched is not asked for again while its SHA-256 is what it was. `part` names what else is fetched of
    the same repository, so that both are remembered.

    Raises:
        HubError: the Hub is out of reach, or sends other content than it declares; or the files were never fetched, and the
            run is offline.
    """
    record = context.cache_dir / "hub" / "files" / f"{kind}--{repo.replace('/', '--')}{part and f'--{part}'}.json"
    known = read_json(record) or {}
    notes = context.cache_dir / "seen" / f"hub--files--{record.name}"
    hashes = known.get("files")
    if (known.get("revision"), known.get("patterns")) == (revision, list(patterns)) and isinstance(hashes, dict):
        folder = Path(str(known.get("folder")))
        if are_whole(folder, hashes, notes):
            return [folder / name for name in hashes]
    if context.offline:
        raise HubError(
            f"{repo}: its files are not in the cache, and --offline makes no connection.", hint="Run once without --offline."
        )
    fetched = _fetch(repo, revision, patterns, kind, context)
    if fetched:
        folder = fetched[0].parent
        hashes = hash_known(folder, [path.name for path in fetched], notes)
        with suppress(OSError):  # a cache that cannot be written is one that an offline run cannot use
            record.parent.mkdir(parents=True, exist_ok=True)
            write_json(record, {"revision": revision, "patterns": list(patterns), "folder": str(folder), "files": hashes})
    return fetched


def _fetch(repo: str, revision: str, patterns: Sequence[str], kind: str, context: Context) -> list[Path]:
    from huggingface_hub import HfApi, RepoFile, hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # one bar is shown for all files
    with connect(repo, context.observer) as client:
        tree = HfApi().list_repo_tree(repo, revision=revision, repo_type=kind)
        files = [file for file in tree if isinstance(file, RepoFile) and any(fnmatch(file.path, p) for p in patterns)]
        n_megabytes = sum(file.size for file in files) // _MEGABYTE
        with context.observer.track(f"Fetching {repo} (MB)" if n_megabytes else f"Fetching {repo}", n_megabytes) as advance:
            client.receive = _count_megabytes(advance)
            return [
                _fetch_file(
                    lambda name=file.path: hf_hub_download(repo, name, revision=revision, repo_type=kind),  # type: ignore[misc]
                    file,
                    Retries(repo, context.observer),
                )
                for file in files
            ]


def _fetch_file(download: Callable[[], str], declared: RepoFile, retries: Retries) -> Path:
    """Return a file whose content is what the Hub declares; what came wrong does not stay in the Hub's cache."""
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
    """Return what is wrong with a file's content, or None. Large files are declared by SHA-256, small ones as git names them."""
    size = path.stat().st_size
    if size != declared.size:
        return f"with {size:,} bytes where the Hub declares {declared.size:,}"
    if declared.lfs is not None:
        return None if hash_file(path) == declared.lfs.sha256 else "with another SHA-256 than the Hub declares"
    found = hashlib.sha1(b"blob %d\0" % size + path.read_bytes(), usedforsecurity=False).hexdigest()
    return None if found == declared.blob_id else "with another checksum than the Hub declares"


def _count_megabytes(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Return what turns bytes into whole megabytes on a bar."""
    n_bytes = 0

    def receive(more: int) -> None:
        nonlocal n_bytes
        n_before = n_bytes // _MEGABYTE
        n_bytes += more
        advance(n_bytes // _MEGABYTE - n_before)

    return receive
