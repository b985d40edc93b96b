"""What of a checkpoint is published: the files that belong to it, without what they tell of the disk that they come from.

Nothing in the checkpoint's folder is changed: what is published otherwise than it lies there is made in memory. What becomes of
the card stands in `checkpoint/published_card`. Used by the verb `export`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarity_cli.cache.hashes import hash_file
from polarity_cli.cache.publish import read_json
from polarity_cli.checkpoint.card import CARD
from polarity_cli.checkpoint.card_words import find_base_model, is_hub_set, is_public, name_encoder, name_source
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.folder_check import INDEX, PORTABLE_FOLDER, find_weights, list_files
from polarity_cli.checkpoint.manifest import MANIFEST
from polarity_cli.checkpoint.out_of_fold import NAME as OUT_OF_FOLD
from polarity_cli.checkpoint.training_texts import NAME as TRAINING_TEXTS
from polarity_cli.errors import CheckpointError

Files = dict[str, Path | bytes]
_OF_REVIEWS = (OUT_OF_FOLD, TRAINING_TEXTS)
"""Files by which somebody who has a review can tell whether it stood in training: only where anybody may have the reviews."""
_FOREIGN = re.compile(
    rf"config\.json|generation_config\.json|{re.escape(INDEX)}|special_tokens_map\.json|added_tokens\.json|merges\.txt"
    r"|(tokenizer|tokenizer_config|vocab)\.(json|txt|model)|(sentencepiece|spiece)(\.bpe)?\.model|spm\.model|chat_template\.jinja"
    rf"|{PORTABLE_FOLDER}/[\w.-]+\.onnx|{re.escape(CARD)}|LICENSE(\.\w+)?"
)
"""Files that a model of another program has beside its weights."""
_OF_THE_DATA = ("rule", "labels", "left_out", "label", "text", "positive", "negative")
"""Keys of a manifest's `data` with values of the reviews' columns, which are kept to the letter."""
_PATH = re.compile(r"(?<![\w.:/\\])(?:~|[A-Za-z]:)?[/\\](?:[^/\\\s'\"`,]+[/\\])+([^/\\\s'\"`,]*)")
"""A path from a disk's root; its last part may be told."""
_SHORTEST_PATH = 4
"""Characters of a path that is looked for in sentences: `/` alone is in many."""
_PLACES = ("_name_or_path", "name_or_path", "tokenizer_file", "vocab_file", "merges_file", "spm_file", "special_tokens_map_file")
"""Keys under which libraries note where a config was read from."""


@dataclass(frozen=True)
class Selection:
    """What of a checkpoint's folder is published."""

    files: Files
    """By their paths, the card and the manifest left out, which are made later."""
    withheld: tuple[str, ...]
    """Files of the checkpoint that stay here."""
    strangers: tuple[str, ...]
    """Files in its folder that are none of the checkpoint's."""


def select_files(checkpoint: Checkpoint) -> Selection:
    """Return the files of a checkpoint that are published.

    Raises:
        CheckpointError: a file is missing, or not as it was written; or it tells of this disk.
    """
    folder, there = checkpoint.folder, list_files(checkpoint.folder)
    withheld: tuple[str, ...] = ()
    if checkpoint.manifest is None:
        own = {*(name for name in there if _FOREIGN.fullmatch(name)), *(path.name for path in find_weights(folder))}
        own = {name for name in own if is_inside(folder / name)}
    else:
        _check_whole(checkpoint)
        own = {*checkpoint.manifest.files}
        withheld = tuple(name for name in _OF_REVIEWS if name in own and not is_public(_read(folder)["data"]))
    files: Files = {name: _clean(folder, name) for name in sorted(own - {CARD, MANIFEST, *withheld})}
    for name, content in files.items():
        _check_silent(name, content)
    return Selection(files, withheld, tuple(sorted({*there} - own - {CARD, MANIFEST})))


def make_public_manifest(checkpoint: Checkpoint, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's manifest without the paths of this disk, and with what is said on publishing."""
    manifest = {**_read(checkpoint.folder), **{key: value for key, value in about.items() if value}}
    data, encoder = dict(manifest["data"]), dict(manifest["encoder"])
    if not is_public(data):
        data["files"] = {}  # names and hashes of the files, which can be one for each review
    kept = {key: data.pop(key) for key in _OF_THE_DATA if key in data}
    known = _shorten_names(data, encoder)
    paths = {name: known[name] for name in sorted(known, key=len, reverse=True) if _is_path(name)}
    public: dict[str, Any] = _hide_paths({**manifest, "data": data, "encoder": encoder}, paths)
    public["data"] |= kept
    return public


def _shorten_names(data: dict[str, Any], encoder: dict[str, Any]) -> dict[str, str]:
    """Cut the paths of the sources and of the encoder to their last parts, and return what each was cut to."""
    known = {}
    if not is_hub_set(data):
        names = [str(name) for name in (data["source"], *(data.get("more_sources") or ()))]
        known = {name: name_source({**data, "source": name}) for name in names}
        data["source"], data["more_sources"] = known[names[0]], [known[name] for name in names[1:]]
    if find_base_model(encoder) is None:
        known[str(encoder["name"])] = name_encoder(encoder)
        encoder["name"] = name_encoder(encoder)
    return known


def _is_path(name: str) -> bool:
    return len(name) >= _SHORTEST_PATH and ("/" in name or "\\" in name)


def seal(manifest: Mapping[str, Any], files: Files, *, card_sha256: str) -> bytes:
    """Return the manifest's file for the files that are published with it."""
    hashes = {name: hash_content(content) for name, content in files.items()} | {CARD: card_sha256}
    return (json.dumps({**manifest, "files": dict(sorted(hashes.items()))}, indent=2) + "\n").encode()


def hash_content(content: Path | bytes) -> str:
    """Return the SHA-256 of what is published under a name."""
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else hash_file(content)


def _read(folder: Path) -> dict[str, Any]:
    return dict(read_json(folder / MANIFEST) or {})


def _check_whole(checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint with a file that is not as its manifest says; a card may have been edited."""
    hashes = checkpoint.manifest.files if checkpoint.manifest else {}
    lost = [name for name in hashes if name != CARD and not (checkpoint.folder / name).is_file()]
    names = [name for name in hashes if name != CARD and name not in lost]
    changed = [name for name in names if hash_file(checkpoint.folder / name) != hashes[name]]
    if lost or changed:
        shown = ", ".join([*(f"{name} is missing" for name in lost), *(f"{name} was changed" for name in changed)][:10])
        raise CheckpointError(
            f"{checkpoint.name}: not as it was written: {shown}.",
            hint="Copy the folder again from where it came, or train it again; `polarity cache list` shows the cache's.",
        )


def is_inside(path: Path) -> bool:
    """Return whether a path is a regular file of its folder, or of the store that the Hub's cache links to."""
    real = Path(os.path.realpath(path))
    roots = [Path(os.path.realpath(folder)) for folder in path.parents[:2]]
    blobs = [root.parent.parent / "blobs" for root in roots if root.parent.name == "snapshots"]
    return real.is_file() and (any(real.is_relative_to(root) for root in roots[:1]) or real.parent in blobs)


def _clean(folder: Path, name: str) -> Path | bytes:
    """Return a file as it is published: a config without the places that a library noted in it."""
    path = folder / name
    if name not in ("config.json", "tokenizer_config.json"):
        return path
    config = read_json(path)
    noted = [key for key in _PLACES if config and _is_place(config.get(key))]
    if config is None or not noted:
        return path
    return (json.dumps({key: value for key, value in config.items() if key not in noted}, indent=2) + "\n").encode()


def _is_place(value: object) -> bool:
    return isinstance(value, str) and (value.startswith((".", "/", "~")) or "\\" in value or value.count("/") > 1)


def _hide_paths(value: Any, known: Mapping[str, str]) -> Any:
    """Return a value of JSON in which each path of a disk is cut to its last part.

    Args:
        value: any value.
        known: paths that are known to be such, the longest first, each with what is shown instead.
    """
    if isinstance(value, dict):
        return {key: _hide_paths(part, known) for key, part in value.items()}
    if isinstance(value, list):
        return [_hide_paths(part, known) for part in value]
    if not isinstance(value, str):
        return value
    for path, short in known.items():
        value = value.replace(path, short)
    return _PATH.sub(lambda match: match[1] or "-", value)


def _check_silent(name: str, content: Path | bytes) -> None:
    """Refuse a file, unless it is one of weights, that names the user's folders.

    Raises:
        CheckpointError: it does.
    """
    if name.endswith(".safetensors"):
        return
    read = content if isinstance(content, bytes) else content.read_bytes()
    check_no_folder(name, read)


def check_no_folder(name: str, content: bytes) -> None:
    """Refuse content that names the user's own folders.

    Raises:
        CheckpointError: it does.
    """
    for folder in {str(Path.home()), os.getcwd()} - {"/"}:
        if os.fsencode(folder) + b"/" in content:
            hint = "Take it out of the card." if name == CARD else "Write it again: `polarity export --onnx`, or train again."
            raise CheckpointError(f"{name}: it names {folder}/, a folder of this machine, and would be published.", hint=hint)
