"""Features: the trunk's hidden states of each review, kept in the cache so that the trunk is passed once.

    <cache>/features/<fingerprint>/hidden.f16      (n_tokens, H) float16, the reviews one after the other, no padding
                                   manifest.json   the key they were made from, and the file's SHA-256

The key holds everything that decides the values, so a changed encoder, cut, tokenizer or text can never meet old features.
`features/extract` makes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polarity_cli.cache.entries import Entry, Manifest, Place, find_entry
from polarity_cli.cache.layout import fingerprint
from polarity_cli.data.batches import Batch
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.encoder.trunk import Trunk

FORMAT = 2
FILE = "hidden.f16"


@dataclass(frozen=True)
class Features:
    """One split's kept hidden states."""

    hidden: NDArray[np.float16]
    """`(n, H)`: all reviews' hidden states, one after the other, mapped from the disk."""
    offsets: NDArray[np.int64]
    """`(N + 1,)`: review `i` is `hidden[offsets[i] : offsets[i + 1]]`."""
    entry: Entry
    """Where the cache keeps them."""
    trunk_s: float = 0.0
    """Seconds in which the trunk was passed; 0 where the cache had them."""

    def read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the hidden states `(B, T, H) float16` of some reviews, padded with 0, and their mask `(B, T) int64`."""
        starts, ends = self.offsets[batch], self.offsets[batch + 1]
        lengths = torch.from_numpy(ends - starts)
        padded = torch.zeros(len(batch), int(lengths.max()), self.hidden.shape[1], dtype=torch.float16)
        for row, start, end in zip(padded.numpy(), starts, ends, strict=True):
            row[: end - start] = self.hidden[start:end]
        return padded, (torch.arange(padded.shape[1]) < lengths[:, None]).long()


@dataclass(frozen=True)
class FeatureStore:
    """The features of one trunk in one cache."""

    cache_dir: Path
    trunk: Trunk
    tokenization: dict[str, Any]
    """How texts became tokens: tokenizer, length, truncation."""
    described: dict[str, Any]
    """What decides the trunk's answers, see `describe_trunk`."""
    encoder: str = ""
    """The encoder's name, for people who look what the cache holds."""

    def make_key(self, split: TokenizedSplit) -> dict[str, Any]:
        """Return all that decides a split's features, as plain values."""
        tokens = _hash_arrays(split.tokens, split.offsets)
        return {"format": FORMAT, "dtype": "float16", **self.described, **self.tokenization, "tokens": tokens}

    def predict_bytes(self, splits: Iterable[TokenizedSplit]) -> int:
        """Return the bytes that the features of some splits take on the disk."""
        return sum(int(self._count_kept(split).sum()) for split in splits) * self.trunk.hidden_size * 2

    def find(self, split: TokenizedSplit) -> Features | None:
        """Return a split's features, or None where they are not there or not whole."""
        key = self.make_key(split)
        entry = find_entry(self.find_place(key), key, is_sound=self.make_check(split))
        return self.open(entry, split) if entry is not None else None

    def open(self, entry: Entry, split: TokenizedSplit, trunk_s: float = 0.0) -> Features:
        """Return the features of a split, mapped from an entry of the cache."""
        offsets = self.count_offsets(split)
        shape = (int(offsets[-1]), self.trunk.hidden_size)
        return Features(np.memmap(entry.folder / FILE, dtype=np.float16, mode="r", shape=shape), offsets, entry, trunk_s)

    def make_check(self, split: TokenizedSplit) -> Callable[[Manifest], bool]:
        """Return a function that tells whether a manifest names one file, of the size that a split's features have."""
        n_bytes = self.predict_bytes([split])
        return lambda manifest: {name: file["size"] for name, file in manifest["files"].items()} == {FILE: n_bytes}

    def find_place(self, key: dict[str, Any]) -> Place:
        """Return where the cache keeps, or would keep, what was made from a key."""
        return Place(self.cache_dir, "features", fingerprint(key))

    def _count_kept(self, split: TokenizedSplit) -> NDArray[np.int64]:
        return np.ones_like(split.lengths) if self.trunk.first_token_only else split.lengths

    def count_offsets(self, split: TokenizedSplit) -> NDArray[np.int64]:
        """Return where each review's rows begin in the file, and where the last ends: `(N + 1,)`."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self._count_kept(split))])


def describe_trunk(trunk: Trunk, *, cut: int, precision: str) -> dict[str, Any]:
    """Return what decides a trunk's answers, as plain values: its weights, config and place, and what it computes in."""
    from importlib.metadata import version

    return {
        "weights": _hash_weights(trunk),
        "config": fingerprint(_get_architecture(trunk)),
        "cut": cut,
        "first_token_only": trunk.first_token_only,
        "precision": precision,
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }


def _get_architecture(trunk: Trunk) -> dict[str, Any]:
    """Return the config's fields that shape what the trunk computes: all but names and the head's."""
    config: dict[str, Any] = trunk.encoder.config.to_dict()  # type: ignore[union-attr,operator]
    unrelated = ("_name_or_path", "architectures", "dtype", "id2label", "label2id", "transformers_version")
    return {name: value if _is_plain(value) else repr(value) for name, value in config.items() if name not in unrelated}


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | list | dict)


def _hash_weights(trunk: Trunk) -> str:
    """Return a hash of the frozen weights, names, types and shapes included."""
    digest = hashlib.blake2b(digest_size=32)  # no file is known by it, and it takes half the time of SHA-256
    for name, tensor in sorted(trunk.encoder.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _hash_arrays(*arrays: NDArray[Any]) -> str:
    digest = hashlib.blake2b(digest_size=32)
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
