"""Find a checkpoint's graphs: in its own folder, or in the cache, where those of a checkpoint without graphs are kept.

Next: `inference/onnx_engine`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from polarity_cli import __version__
from polarity_cli.cache.entries import Entry, Manifest, Place
from polarity_cli.cache.hashes import are_whole
from polarity_cli.cache.layout import fingerprint
from polarity_cli.checkpoint.classes import check_head
from polarity_cli.checkpoint.folder_check import GRAPH_FOLDER
from polarity_cli.checkpoint.positions import count_reserved_positions
from polarity_cli.checkpoint.tokenizer import TOKENIZER, load_backend
from polarity_cli.config import SHORTEST_LENGTH, TRUNCATIONS
from polarity_cli.errors import CheckpointError

if TYPE_CHECKING:
    from polarity_cli.checkpoint.checkpoint import Checkpoint
    from polarity_cli.data.tokenizing import ReviewTokenizer

FORMAT = 3
"""Raised when what is kept in the cache changes, so that an older entry is made again."""
GRAPHS = {"fp32": "fp32.onnx", "int8": "int8.onnx"}
"""The file of each precision: in the folder `polarity` of a checkpoint, or in an entry of the cache.

Not `model.onnx`: these graphs take no attention mask, which programs that look for that name feed, or leave out without a word.
The graphs for them are in the folder `onnx`, see `export/portable`.
"""
_NAMES = {
    "fp32": (f"{GRAPH_FOLDER}/{GRAPHS['fp32']}", GRAPHS["fp32"], "polarity.fp32.onnx", "model.onnx"),
    "int8": (f"{GRAPH_FOLDER}/{GRAPHS['int8']}", GRAPHS["int8"], "polarity.int8.onnx", "model.int8.onnx"),
}
"""Where each may be: in a checkpoint, in the cache, and in older checkpoints, which are still read."""


@dataclass(frozen=True)
class GraphFolder:
    """A folder with graphs and what else a prediction needs."""

    folder: Path
    default: str
    """The precision that answers where none is asked for."""
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
        names = _NAMES[precision or self.default]
        return next((name for name in names if name in self.hashes), names[0])

    def load_tokenizer(self) -> ReviewTokenizer:
        """Return what turns texts into token ids.

        Raises:
            CheckpointError: the tokenizer is missing or damaged.
        """
        from polarity_cli.data.tokenizing import ReviewTokenizer

        try:
            return ReviewTokenizer(load_backend(self.folder), max_length=self.max_length, truncation=self.truncation)
        except ValueError as error:
            raise CheckpointError(f"{self.folder / TOKENIZER}: no tokenizer that can be read ({error}).") from error


@dataclass(frozen=True)
class CachedGraphs:
    """What the cache says of a checkpoint's graphs, beside its key and its files."""

    graphs: Mapping[str, Any] | None
    """What the export found: `default` and the figures of each precision; None where the checkpoint has no graphs."""
    class_names: Mapping[int, str]
    max_length: int
    truncation: str
    sigmoid: bool
    notes: Sequence[str]

    @classmethod
    def from_json(cls, manifest: Manifest) -> CachedGraphs | None:
        """Return what a manifest says; None where it is not of this program."""
        graphs, names, longest, notes = (manifest.get(name) for name in ("graphs", "class_names", "max_length", "notes"))
        if "graphs" not in manifest or (graphs is not None and _read_default(graphs) is None) or not _are_classes(names):
            return None
        if type(longest) is not int or longest < SHORTEST_LENGTH or manifest.get("truncation") not in TRUNCATIONS:
            return None
        if type(manifest.get("sigmoid")) is not bool or not _are_texts(notes):
            return None
        class_names = {int(index): name for index, name in names.items()}
        return cls(graphs, class_names, longest, manifest["truncation"], manifest["sigmoid"], notes)

    def to_json(self) -> Manifest:
        """Return what the manifest holds of it."""
        return asdict(self)


def find_own_graphs(checkpoint: Checkpoint) -> GraphFolder | None:
    """Return the graphs that a training run left in its checkpoint; None where there are none."""
    manifest, config = checkpoint.manifest, checkpoint.model.config
    default = _read_default(manifest.graphs) if manifest else None
    names, positions = config.get("id2label"), config.get("max_position_embeddings")
    if manifest is None or default is None or not _are_classes(names):
        return None
    longest = manifest.max_length
    if type(positions) is int:
        n_reserved = count_reserved_positions(str(config.get("model_type")), config.get("pad_token_id"))
        longest = min(longest, positions - n_reserved)
    if longest < SHORTEST_LENGTH:
        return None
    return GraphFolder(
        folder=checkpoint.folder,
        default=default,
        hashes=manifest.files,
        class_names={int(index): name for index, name in names.items()},
        max_length=longest,
        truncation=checkpoint.truncation,
        sigmoid=check_head(config, checkpoint.folder),
    )


def fit_together(graphs: GraphFolder, cache_dir: Path) -> bool:
    """Tell whether a checkpoint's own graphs were made from the config, tokenizer and weights that are beside them now.

    Hashing the weights takes longer than a prediction, so what was found is noted in the cache.
    """
    names = [name for name in graphs.hashes if name in ("config.json", TOKENIZER) or name.endswith(".safetensors")]
    notes = cache_dir / "seen" / f"folder--{fingerprint(str(graphs.folder.resolve()))}.json"
    return are_whole(graphs.folder, {name: graphs.hashes[name] for name in names}, notes)


def place_cached_graphs(checkpoint: Checkpoint, cache_dir: Path) -> tuple[Place, Manifest]:
    """Return the place in the cache for a checkpoint's graphs, and the key for its files as they are now."""
    key: Manifest = {
        "format": FORMAT,
        "checkpoint": str(checkpoint.folder.resolve()),
        "files": describe_files(checkpoint.folder),
        "version": __version__,
    }
    return Place(cache_dir, "graphs", fingerprint(key)), key


def describe_files(folder: Path) -> list[list[object]]:
    """Return name, size and times of the files that make a model."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in (".json", ".safetensors", ".txt"))
    stats = [(path.name, path.stat()) for path in files]
    return [[name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino] for name, stat in stats]


def is_of_graphs(manifest: Manifest) -> bool:
    """Tell whether a manifest in the cache is one of graphs."""
    return CachedGraphs.from_json(manifest) is not None


def open_cached_graphs(entry: Entry) -> GraphFolder | None:
    """Return the graphs of an entry in the cache; None where its checkpoint has none."""
    cached = CachedGraphs.from_json(entry.manifest)
    default = _read_default(cached.graphs) if cached else None
    if cached is None or default is None:
        return None
    return GraphFolder(
        folder=entry.folder,
        default=default,
        hashes={name: stored["sha256"] for name, stored in entry.manifest["files"].items()},
        class_names=cached.class_names,
        max_length=cached.max_length,
        truncation=cached.truncation,
        sigmoid=cached.sigmoid,
        notes=tuple(cached.notes),
    )


def _read_default(graphs: object) -> str | None:
    """Return the precision that an export chose; None where it made no graphs."""
    default = graphs.get("default") if isinstance(graphs, dict) else None
    return default if isinstance(default, str) and default in GRAPHS else None


def _are_classes(names: object) -> TypeGuard[dict[str, str]]:
    return isinstance(names, dict) and sorted(names) == ["0", "1"] and all(isinstance(name, str) for name in names.values())


def _are_texts(values: object) -> TypeGuard[list[str]]:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
