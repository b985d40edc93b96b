"""The cache directory: its layout, fingerprints, and publishing whole entries by rename.

    <cache>/hub/<owner>--<name>/<revision>/   rows read from a Hub data set
    <cache>/data/<fingerprint>/               tokenized splits and their manifest
    <cache>/features/<fingerprint>/           a split's hidden states at the cut, and the key they were made from
    <cache>/checkpoints/<time>-<run>/         every run's checkpoint

An entry is written to a folder beside its place and renamed when it is whole, so that what has its final name is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polarity_cli.errors import CacheError
from polarity_cli.records import clean_text

MANIFEST = "manifest.json"


def default_cache_dir() -> Path:
    """Return the user's cache folder for this program."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("polarity"))


def fingerprint(value: object) -> str:
    """Return 16 hexadecimal digits that name a value made of plain JSON types."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def publish(target: Path) -> Iterator[Path]:
    """Give a new folder to write to, and rename it to `target` when the block ends well; otherwise remove it.

    Where another process published `target` meanwhile, its entry stays and this one is dropped: both were made from the same
    key. An entry without a manifest that can be read is replaced.

    Raises:
        CacheError: the cache cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        work.chmod(0o755)
    except OSError as error:
        raise CacheError(
            f"{target.parent}: cannot be written ({error.strerror}).",
            hint="Choose another folder with --cache-dir, or set POLARITY_CACHE.",
        ) from error
    try:
        yield work
        if target.exists() and read_json(target / MANIFEST) is None:
            shutil.rmtree(target)
        try:
            work.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON, in one step."""
    work = path.with_name(f".{path.name}.{os.getpid()}")
    work.write_text(clean_text(json.dumps(value, indent=2, ensure_ascii=False)) + "\n", encoding="utf-8")
    work.replace(path)


def read_json(path: Path) -> dict[str, object] | None:
    """Return the JSON object in a file, or None where there is no such file or it holds anything else."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
