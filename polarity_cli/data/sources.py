"""Find the files of a source by split: the built-in sample, files, folders or a Hub data set, which is fetched first.

Next on the road: `data/reviews`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polarity_cli.cache.entries import Entry
from polarity_cli.cache.hashes import hash_file
from polarity_cli.config import DEFAULT_SOURCE, SAMPLE, Context
from polarity_cli.data.hub import fetch_rows
from polarity_cli.errors import DataError, UsageError
from polarity_cli.formats import BY_SUFFIX, is_readable
from polarity_cli.formats.class_folders import UNLABELLED, list_classes
from polarity_cli.formats.compression import split_suffix
from polarity_cli.formats.lines import name_class
from polarity_cli.sample import SAMPLE_DIR

HUB_NAMES = {DEFAULT_SOURCE: "fancyzhx/amazon_polarity"}
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
_SHARD = re.compile(r"([a-z]+?)(?:[-_.]?\d+(?:-?of-?\d+)?(?:-[0-9a-f]{6,40})?)?(?:\.ft)?")
"""A split's name, and the suffix that names one of its shards: `train-00000-of-00004`, `train_3`."""


@dataclass(frozen=True)
class Source:
    """The files of a source by split; a single file is `train`. A folder with a subfolder a class counts as one file."""

    name: str
    files: dict[str, tuple[Path, ...]]
    revision: str | None = None
    """The Hub's commit, where the rows came from there."""
    entry: Entry | None = None
    """The cache entry that holds those rows."""
    notes: tuple[str, ...] = ()
    """Sentences that say which files were passed over."""
    hub_split: str | None = None
    """The only split that was fetched of a Hub data set; None where its splits are those that training reads."""

    def identify(self) -> dict[str, object]:
        """Return the names and SHA-256 of the files by split, which identify the source's content."""
        return {split: [identity for path in paths for identity in _identify(path)] for split, paths in self.files.items()}

    @property
    def brings_test(self) -> bool:
        """Whether it has a test split of its own."""
        return "test" in self.files


def _identify(path: Path) -> list[list[str]]:
    if path.is_dir():
        return [[f"{label}/{text.name}", hash_file(text)] for label, texts in list_classes(path).items() for text in texts]
    return [[path.name, hash_file(path)]]


def find_source(names: str | Sequence[str], *, rows: int | None, context: Context, splits: Sequence[str] | None = None) -> Source:
    """Return the files of a source, fetched first where it is a Hub data set.

    Of a Hub data set only the first of `splits` that it has is read, where they are given.

    Raises:
        UsageError: there is no such file.
        DataError: a folder has no files of reviews.
        HubError: the Hub is out of reach or has no such data set.
    """
    names = [names] if isinstance(names, str) else list(names)
    if not all(names):
        raise UsageError("SOURCE is empty.", hint="Leave it out for amazon_polarity, or name a file, a folder or a Hub data set.")
    local = [path for name in names for path in expand(name)]
    if len(names) > 1 or len(local) > 1:
        return _join_files(names, local)
    (name,) = names
    if name == SAMPLE and not Path(name).exists():
        files, _ = _list_folder(SAMPLE_DIR)
        return Source(name, files)
    if local:
        return _find_local(name, local[0])
    if name not in HUB_NAMES and _looks_like_a_path(name):
        raise UsageError(f"{name}: no such file or folder.")
    entry, revision = fetch_rows(HUB_NAMES.get(name, name), rows=rows, context=context, splits=splits)
    if splits is not None:
        split = str(entry.manifest["split"])
        return Source(name, {split: (entry.folder / f"{split}.parquet",)}, revision, entry, hub_split=split)
    files, _ = _list_folder(entry.folder)
    return Source(name, files, revision, entry)


def expand(name: str) -> list[Path]:
    """Return the files that a path or a glob matches, in order; none for a path that does not exist.

    Raises:
        UsageError: a glob matches nothing.
    """
    path = Path(name)
    if path.exists() or not any(sign in name for sign in "*?["):
        return [path] if path.exists() else []
    import glob

    files = [Path(match) for match in sorted(glob.glob(name, recursive=True)) if Path(match).is_file()]
    if not files:
        raise UsageError(f"{name}: no file matches.", hint="Check the pattern; ** goes into folders.")
    return files


def _find_local(name: str, path: Path) -> Source:
    if path.is_dir():
        files, notes = _list_folder(path)
        return Source(name, files, notes=tuple(notes))
    if not path.is_file():
        raise UsageError(f"{name}: not a regular file; a source is read more than once.", hint="Save the stream to a file first.")
    return Source(name, {"train": (path,)})


def _join_files(names: Sequence[str], paths: list[Path]) -> Source:
    """Return several files as one source: by split where their names say train and test, else all as train."""
    missing = [name for name in names if not expand(name)]
    if missing:
        raise UsageError(
            f"{missing[0]}: no such file.", hint="Several sources are local files; a Hub data set or the sample stands alone."
        )
    wrong = [path for path in paths if not path.is_file()]
    if wrong:
        raise UsageError(f"{wrong[0]}: not a regular file.", hint=f"Name its files instead: {wrong[0]}/*.csv, say.")
    splits = {path: find_split(path) for path in paths}
    if {"train", "test"} & {split for split in splits.values() if split} != {"train", "test"}:
        return Source(" ".join(names), {"train": tuple(dict.fromkeys(paths))})
    files = {split: tuple(path for path in splits if splits[path] == split) for split in ("train", "validation", "test")}
    others = [path for path, split in splits.items() if split is None]
    files["train"] += tuple(others)
    notes = [f"{', '.join(p.name for p in members)}: {split}." for split, members in files.items() if members]
    return Source(" ".join(names), {split: members for split, members in files.items() if members}, notes=tuple(notes))


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or split_suffix(Path(name))[0] in BY_SUFFIX


def find_split(path: Path) -> str | None:
    """Return the split that a file or folder is named for: `train.csv`, `test-00000-of-00002.parquet`; else None."""
    suffix, compression = split_suffix(path) if path.is_file() else ("", "")
    stem = path.name.lower().removesuffix(compression).removesuffix(suffix)
    match = _SHARD.fullmatch(stem)
    return SPLIT_NAMES.get(match[1]) if match else None


def _list_folder(folder: Path) -> tuple[dict[str, tuple[Path, ...]], list[str]]:
    """Return a folder's files by split, shards in order, and sentences that say what was passed over.

    Raises:
        DataError: there are none.
    """
    inner = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))
    readable = [path for path in inner if path.is_file() and is_readable(path)]
    files: dict[str, list[Path]] = {}
    for path in readable:
        split = find_split(path) or ("train" if name_class(path) else None)
        if split:
            files.setdefault(split, []).append(path)
    for path in inner:
        split = (find_split(path) or SPLIT_NAMES.get(path.name.partition(".")[0].lower())) if path.is_dir() else None
        if split and split not in files:
            files[split] = [path] if list_classes(path) else _list_shards(path)
    if "train" not in files and "test" not in files:
        files = _list_otherwise(folder, readable)
    by_split = {split: tuple(paths) for split, paths in files.items() if paths}
    used = {path for paths in by_split.values() for path in paths}
    over = [path.name for path in readable if path not in used]
    over += [f"{place.name}/{unlabelled}/" for place in used if place.is_dir() for unlabelled in _list_unlabelled(place)]
    shown = ", ".join(over[:10]) + (f" and {len(over) - 10:,} more" if len(over) > 10 else "")
    return by_split, [f"{folder}: passed over {shown}; only files named train, test or validation are read."] if over else []


def _list_unlabelled(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name.lower() in UNLABELLED)


def _list_shards(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_file() and is_readable(path) and not path.name.startswith((".", "_"))
    )


def _list_otherwise(folder: Path, readable: list[Path]) -> dict[str, list[Path]]:
    """Return the files of a folder whose names tell no split: a folder a class, a folder `data` with splits, or a single file.

    Raises:
        DataError: none of these.
    """
    if list_classes(folder):
        return {"train": [folder]}
    if (folder / "data").is_dir() and not readable:
        files, _ = _list_folder(folder / "data")
        return {split: list(paths) for split, paths in files.items()}
    if len(readable) == 1:
        return {"train": readable}
    there = ", ".join(path.name for path in readable[:10]) or "no file of a known format"
    raise DataError(
        f"{folder}: expected files named train.* and test.*, or a folder a class (neg/, pos/), found {there}.",
        hint=_suggest_files(folder, readable),
    )


def _suggest_files(folder: Path, readable: list[Path]) -> str:
    """Return a hint how to name the files of a folder as sources."""
    if readable:
        return f"Name the files as sources, e.g. {folder}/*{''.join(split_suffix(readable[0]))}, or rename them."
    deeper = next((path for path in sorted(folder.glob("*/*")) if path.is_file() and is_readable(path)), None)
    if deeper is not None:
        return f"Name the files as sources, e.g. {deeper.parent}/*{''.join(split_suffix(deeper))}."
    if any(folder.glob("*.arrow")) or any(folder.glob("*/*.arrow")):
        return "A data set of save_to_disk is not read: save it with to_parquet."
    return f"Formats: {', '.join(sorted(BY_SUFFIX))}."
