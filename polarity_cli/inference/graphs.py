"""Find a checkpoint's graphs: in its own folder, or in the cache, where those of a checkpoint without graphs are kept.

Nothing here needs torch. Next: `inference/onnx_engine`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli import __version__
from polarity_cli.cache.entries import Entry, Manifest, Place
from polarity_cli.cache.hashes import are_whole
from polarity_cli.cache.layout import fingerprint
from polarity_cli.cache.publish import read_json
from polarity_cli.checkpoint.classes import check_head
from polarity_cli.checkpoint.positions import count_reserved_positions
from polarity_cli.config import SHORTEST_LENGTH, TRUNCATIONS
from polarity_cli.errors import CheckpointError

if TYPE_CHECKING:
    from polarity_cli.checkpoint.checkpoint import CheckpointInfo
    from polarity_cli.data.tokenizing import TextEncoder

FORMAT = 3
"""Raised when what is kept in the cache changes, so that an older entry is made again."""
TOKENIZER = "tokenizer.json"
GRAPHS = {"fp32": "polarity.fp32.onnx", "int8": "polarity.int8.onnx"}
"""The file of each precision, in a checkpoint's folder or in the cache.

Not `model.onnx`: these graphs take no attention mask, which programs that look for that name feed, or leave out without a word.
"""
OLD_GRAPHS = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
"""What they were called in older checkpoints, which are still read."""


@dataclass(frozen=True)
class GraphFolder:
    """A folder with graphs and what else a prediction needs."""

    folder: Path
    graphs: Mapping[str, Any]
    """What the export found: `default` and the figures of each precision."""
    hashes: Mapping[str, str]
    class_names: Mapping[int, str]
    max_length: int
    """Most tokens of a text, special tokens included."""
    truncation: str
    sigmoid: bool = False
    """Whether the head scores each class by itself."""
    notes: tuple[str, ...] = ()
    """What to say whenever it is used."""

    def read(self, precision: str | None) -> bytes | None:
        """Return the graph of a precision, or of the default one; None where it is missing or not what was written."""
        name = self._name(precision)
        try:
            graph = (self.folder / name).read_bytes()
        except OSError:
            return None
        return graph if hashlib.sha256(graph).hexdigest() == self.hashes.get(name) else None

    def describe_loss(self, precision: str | None) -> str:
        """Return what is wrong with the graph of a precision that cannot be read."""
        path = self.folder / self._name(precision)
        return f"{path} is damaged: it is not as it was written" if path.exists() else f"{path} is missing"

    def _name(self, precision: str | None) -> str:
        wanted = precision or self.graphs["default"]
        return GRAPHS[wanted] if GRAPHS[wanted] in self.hashes else OLD_GRAPHS[wanted]

    def load_encoder(self) -> TextEncoder:
        """Return what turns texts into token ids.

        Raises:
            CheckpointError: the tokenizer is missing or damaged.
        """
        from tokenizers import Tokenizer

        from polarity_cli.data.tokenizing import TextEncoder

        try:
            tokenizer = Tokenizer.from_file(str(self.folder / TOKENIZER))
            return TextEncoder(tokenizer, max_length=self.max_length, truncation=self.truncation)
        except Exception as error:  # what the Rust library raises is a plain Exception
            raise CheckpointError(f"{self.folder / TOKENIZER}: no tokenizer that can be read ({error}).") from error


def find_own_graphs(info: CheckpointInfo) -> GraphFolder | None:
    """Return the graphs that a training run left in its checkpoint; None where there are none."""
    manifest, config = info.manifest, read_json(info.folder / "config.json")
    if manifest is None or config is None or not _is_sound(manifest.get("graphs")):
        return None
    names = config.get("id2label")
    positions = config.get("max_position_embeddings")
    if not _are_classes(names) or not isinstance(names, dict):
        return None
    longest = int(manifest["max_length"])
    if type(positions) is int:
        n_reserved = count_reserved_positions(str(config.get("model_type")), config.get("pad_token_id"))
        longest = min(longest, positions - n_reserved)
    if longest < SHORTEST_LENGTH:
        return None
    return GraphFolder(
        folder=info.folder,
        graphs=manifest["graphs"],
        hashes=manifest["files"],
        class_names={int(index): name for index, name in names.items()},
        max_length=longest,
        truncation=info.truncation,
        sigmoid=check_head(config, info.folder),
    )


def fit_together(found: GraphFolder, cache_dir: Path) -> bool:
    """Tell whether a checkpoint's own graphs were made from the config, tokenizer and weights that are beside them now.

    Hashing the weights takes longer than a prediction, so what was found is noted in the cache.
    """
    names = [name for name in found.hashes if name in ("config.json", TOKENIZER) or name.endswith(".safetensors")]
    notes = cache_dir / "seen" / f"folder--{fingerprint(str(found.folder.resolve()))}.json"
    return are_whole(found.folder, {name: found.hashes[name] for name in names}, notes)


def place_cached_graphs(info: CheckpointInfo, cache_dir: Path) -> tuple[Place, Manifest]:
    """Return the place in the cache for a checkpoint's graphs, and the key for its files as they are now."""
    key: Manifest = {
        "format": FORMAT,
        "checkpoint": str(info.folder.resolve()),
        "files": _describe_files(info.folder),
        "version": __version__,
    }
    return Place(cache_dir, "graphs", fingerprint(key)), key


def _describe_files(folder: Path) -> list[list[object]]:
    """Return name, size and times of the files that make a model."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in (".json", ".safetensors", ".txt"))
    stats = [(path.name, path.stat()) for path in files]
    return [[name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino] for name, stat in stats]


def is_sound_entry(manifest: Manifest) -> bool:
    """Tell whether a manifest in the cache holds what graphs need, or says that its checkpoint has none."""
    longest = manifest.get("max_length")
    return (
        (("graphs" in manifest and manifest["graphs"] is None) or _is_sound(manifest.get("graphs")))
        and _are_classes(manifest.get("class_names"))
        and type(longest) is int
        and longest >= SHORTEST_LENGTH
        and manifest.get("truncation") in TRUNCATIONS
        and type(manifest.get("sigmoid")) is bool
        and isinstance(manifest.get("notes"), list)
        and all(isinstance(note, str) for note in manifest["notes"])
    )


def open_cached_graphs(entry: Entry) -> GraphFolder | None:
    """Return the graphs of an entry in the cache; None where its checkpoint has none."""
    manifest = entry.manifest
    if manifest["graphs"] is None:
        return None
    return GraphFolder(
        folder=entry.folder,
        graphs=manifest["graphs"],
        hashes={name: known["sha256"] for name, known in manifest["files"].items()},
        class_names={int(index): name for index, name in manifest["class_names"].items()},
        max_length=manifest["max_length"],
        truncation=manifest["truncation"],
        sigmoid=manifest["sigmoid"],
        notes=tuple(manifest["notes"]),
    )


def _is_sound(graphs: object) -> bool:
    return isinstance(graphs, dict) and isinstance(graphs.get("default"), str) and graphs["default"] in GRAPHS


def _are_classes(names: object) -> bool:
    return isinstance(names, dict) and sorted(names) == ["0", "1"] and all(isinstance(name, str) for name in names.values())
