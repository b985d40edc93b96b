"""What a model's folder from anywhere may hold, checked before any of it is opened. Next: `checkpoint/weights`.

A checkpoint is data, never code, and it stays in its folder: every file of a kind that is read, by this program or by the
libraries that load a model, is a regular one, no larger than its kind ever is, and no link leads out of the folder. One
exception, since the Hub's own cache is made of links: those of `REPO/snapshots/REVISION` may lead to the files in `REPO/blobs`,
and nowhere else.

Nothing here needs torch.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path, PurePath
from typing import Any

from polarity_cli.errors import CheckpointError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_TEMPLATES = "additional_chat_templates"
"""A folder inside a checkpoint's, whose files the tokenizer's loader reads too."""
GRAPH_FOLDER, PORTABLE_FOLDER = "polarity", "onnx"
"""The folders inside a checkpoint's for the graphs that `predict` runs, and for those that other programs run."""
_OLD_GRAPHS = ("polarity.fp32.onnx", "polarity.int8.onnx", "model.onnx", "model.int8.onnx")
"""What the graphs that `predict` runs were called in older checkpoints."""
_LONGEST_NAME = 255
"""Bytes of a file's name on the file systems that are in use."""
_MIB = 1 << 20
_SMALL = (
    "adapter_config.json",
    "added_tokens.json",
    "config.json",
    "generation_config.json",
    INDEX,
    "polarity.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
_LARGEST: dict[str, int | None] = {
    **dict.fromkeys(_SMALL, 16 * _MIB),
    ".jinja": 16 * _MIB,
    ".json": 256 * _MIB,
    ".model": 256 * _MIB,
    ".txt": 256 * _MIB,
    ".onnx": 2048 * _MIB,
    ".safetensors": None,
    ".u64": 8192 * _MIB,
}
"""Bytes of the largest file of a name or a suffix: the largest vocabularies take 35 MB, configs some KB, and a graph holds less
than 2 GiB. Weights are measured against the config, by `encoder/memory_check`. What is not in this table is never opened."""
_OWN_NAMES = (
    "adapter_config",
    "added_tokens",
    "chat_template",
    "config",
    "generation_config",
    "merges",
    "model",
    "polarity",
    "special_tokens",
    "tokenizer",
    "training_texts",
    "vocab",
)
"""How the names of a model's own texts begin; others, a file of reviews or of scores, are not opened."""
_ALWAYS_OWN = (".jinja", ".model", ".safetensors")
_FILES_BESIDE: dict[str, tuple[str, ...]] = {
    "merges_file": ("merges.txt",),
    "spm_file": ("*.model",),
    "tokenizer_file": (),
    "vocab_file": ("vocab.txt", "vocab.json", "*.model"),
}
"""Keys by which a tokenizer's config may name a file, and the files in the folder that are taken before it."""
_HOW_TO_CONVERT = (
    "Where you trust them, convert them with transformers: "
    "AutoModelForSequenceClassification.from_pretrained(FOLDER).save_pretrained(FOLDER)."
)


def check_folder(folder: Path) -> None:
    """Refuse a folder with a file that is not what its name says, or that leads out of it.

    Raises:
        CheckpointError: a link leaves the folder, a file is no regular one or far too large, or a config names files elsewhere.
    """
    try:
        inner = (*folder.glob(f"{_TEMPLATES}/*"), *folder.glob(f"{GRAPH_FOLDER}/*.onnx"))
        paths = sorted(path for path in (*folder.iterdir(), *inner) if path in inner or _is_opened(path.name))
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read ({error.strerror}).") from error
    root = Path(os.path.realpath(folder))
    for path in paths:
        _check_file(path, root)
    for path in (folder / GRAPH_FOLDER, folder / PORTABLE_FOLDER):
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            raise CheckpointError(f"{path}: a link that leaves its folder.", hint="Copy the folder into the checkpoint's.")
    if (folder / "adapter_config.json").exists():
        raise CheckpointError(
            f"{folder}: an adapter, which changes the weights of another model.",
            hint="Merge it into its model (merge_and_unload), and save that.",
        )
    _check_tokenizer_config(folder)


def find_weights(folder: Path) -> list[Path]:
    """Return the weight files that will be loaded: `model.safetensors`, or the shards that its index names.

    Raises:
        CheckpointError: there are none, the index is damaged, or it names a file outside the folder.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        if pickled:
            raise CheckpointError(
                f"{folder}: the weights cannot be loaded ({pickled[0]} is pickled, which is code, and not read).",
                hint=_HOW_TO_CONVERT,
            )
        raise CheckpointError(
            f"{folder}: the weights cannot be loaded (there is no {WEIGHTS} in it).",
            hint=f"Save the model with save_pretrained, or call its file of weights {WEIGHTS}.",
        )
    index = read_object(folder / INDEX)
    shards = index.get("weight_map")
    if not isinstance(shards, dict) or not shards or not isinstance(index.get("metadata"), dict):
        raise CheckpointError(f"{folder / INDEX}: not an index of weights.")
    for name in shards.values():
        if not is_plain_name(name) or not name.endswith(".safetensors"):
            raise CheckpointError(f"{folder / INDEX}: {str(name)[:80]!r} is no name of a weight file in this folder.")
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder}: the weights cannot be loaded ({name[:80]} is missing).")
    return [folder / name for name in sorted(set(shards.values()))]


def is_plain_name(name: object) -> bool:
    """Tell whether a value is the name of a file, and no path to one somewhere else."""
    if not isinstance(name, str) or name in ("", ".", "..") or "\0" in name or PurePath(name).name != name:
        return False
    try:
        return len(os.fsencode(name)) <= _LONGEST_NAME
    except UnicodeEncodeError:  # no file is called so
        return False


def is_plain_path(path: object) -> bool:
    """Tell whether a value names a file of a checkpoint: one in its folder, or in a folder of graphs inside that."""
    folder, _, name = path.rpartition("/") if isinstance(path, str) else ("", "", path)
    is_known = folder in ("", GRAPH_FOLDER, PORTABLE_FOLDER)
    return is_known and is_plain_name(name) and (not folder or str(name).endswith((".onnx", ".json")))


def is_own_graph(path: str) -> bool:
    """Tell whether a path inside a checkpoint is that of a graph that `predict` runs."""
    return path in _OLD_GRAPHS or (path.startswith(f"{GRAPH_FOLDER}/") and path.endswith(".onnx"))


def list_files(folder: Path) -> list[str]:
    """Return the paths inside a folder of all that is in it but folders, sorted, with `/` between their parts.

    Links count as files.

    Raises:
        OSError: a folder cannot be read.
    """
    inner = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in inner)


def is_path(name: str) -> bool:
    """Tell whether a name is a folder's: there is one, or nothing on the Hub is called so."""
    return Path(name).exists() or name.startswith((".", "/", "~")) or name.count("/") > 1 or name.endswith("/")


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        CheckpointError: it holds anything else.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(value).__name__}.")
    return value


def _is_opened(name: str) -> bool:
    suffix = PurePath(name).suffix
    return suffix in _ALWAYS_OWN or (suffix in _LARGEST and name.startswith(_OWN_NAMES))


def _check_file(path: Path, root: Path) -> None:
    real = Path(os.path.realpath(path))
    try:
        status = real.stat()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error
    if stat.S_ISDIR(status.st_mode):
        return
    if not real.is_relative_to(root) and real.parent != _find_blobs(root):
        raise CheckpointError(f"{path}: a link that leaves its folder.", hint="Copy the file into the folder.")
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{path}: not a regular file.")
    largest = _LARGEST.get(path.name, _LARGEST.get(path.suffix))
    if largest is not None and status.st_size > largest:
        raise CheckpointError(f"{path}: {status.st_size:,} bytes, expected at most {largest:,} of a file of this kind.")


def _find_blobs(root: Path) -> Path | None:
    """Return the folder that a snapshot of the Hub's cache may link to; None for any other folder."""
    blobs = root.parent.parent / "blobs"
    is_snapshot = root.parent.name == "snapshots" and blobs.is_dir() and not blobs.is_symlink()
    return blobs if is_snapshot else None


def _check_tokenizer_config(folder: Path) -> None:
    """Refuse a tokenizer's config that would have a file elsewhere read.

    Paths of the machine that it was saved on stand in many; they mean nothing where the folder has the file.
    """
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return
    config = read_object(path)
    has_own = (folder / "tokenizer.json").is_file()
    named = [
        config.get(key)
        for key, beside in _FILES_BESIDE.items()
        if not has_own and not any(any(folder.glob(pattern)) for pattern in beside)
    ]
    several = config.get("fast_tokenizer_files")
    named += several if isinstance(several, list) else [several]
    for name in named:
        if name is not None and not (is_plain_name(name) and (folder / name).is_file()):
            raise CheckpointError(f"{path}: it names a file that is not in this folder: {str(name)[:80]!r}.")
