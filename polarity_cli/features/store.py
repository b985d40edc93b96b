"""Features: the trunk's hidden states of each review, kept in the cache so that the trunk is passed once.

    <cache>/features/<fingerprint>/hidden.f16      (n_tokens, H) float16, the reviews one after the other, no padding
                                   manifest.json   the key they were made from, and the file's SHA-256

The key holds everything that decides the values, so a changed encoder, cut, tokenizer or text can never meet old features.
Next on the road: `encoder/top`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polarity_cli.cache.entries import Entry, Manifest, Place, find_entry
from polarity_cli.cache.layout import fingerprint
from polarity_cli.cache.new_entry import get_entry
from polarity_cli.cache.publish import report_unwritable
from polarity_cli.data.batches import Batch, pad, plan_batches
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.distributed.cache_group import Draw, draw_batches
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.encoder.logits import get_token_budget
from polarity_cli.encoder.trunk import Trunk
from polarity_cli.errors import CacheError
from polarity_cli.records import Observer, SilentObserver

FORMAT = 2
_FILE = "hidden.f16"
_WINDOW = 32_768
"""Reviews sorted by length together: enough to pad next to nothing, few enough that the file is written roughly in order."""


Forward = Callable[[Tensor, Tensor], Tensor]


class FeatureRangeError(Exception):
    """A hidden state exceeds float16, so features of this encoder cannot be kept."""


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
        entry = find_entry(self._place(key), key, is_sound=self._tell_sound(split))
        return self._open(entry, split) if entry is not None else None

    def extract(
        self,
        split: TokenizedSplit,
        forward: Forward,
        *,
        pad_id: int,
        name: str = "",
        world: World = ALONE,
        advance: Callable[[int], None] = lambda n: None,
        observer: Observer | None = None,
    ) -> Features:
        """Pass a split through the trunk once, keep its features, and return them.

        Processes that have the same cache share the reviews and write into one file, which the first of them publishes and all
        map; so each review is passed once for each cache.

        Args:
            split: the reviews.
            forward: from token ids and mask `(B, T)` to hidden states `(B, T, H)`, on the trunk's device.
            pad_id: the token id of padding.
            name: the split's, for people who look what the cache holds.
            processes: all of which call this at the same time.
            advance: told the tokens that were passed.
            observer: told of features that are damaged, and of waiting for another process that makes the same.

        Raises:
            FeatureRangeError: a hidden state is beyond float16.
            CacheError: the cache cannot be written.
        """
        key = self.make_key(split)
        place, team, trunk_s = self._place(key), world.meet(self.cache_dir), 0.0

        def write(path: Path, draw: Draw) -> None:
            with _report_unwritten(place.folder), path.open("r+b") as file, torch.inference_mode():
                self._write(file, split, forward, pad_id=pad_id, draw=draw, advance=advance)

        def get(fill: Callable[[Path], None]) -> Entry:
            def make(work: Path) -> Manifest:
                nonlocal trunk_s
                with report_unwritable(place.folder):
                    (work / _FILE).touch()
                started = time.perf_counter()
                fill(work / _FILE)
                trunk_s = time.perf_counter() - started
                return {"encoder": self.encoder, "split": name, "n_reviews": len(split)}

            return get_entry(place, key, make, observer or SilentObserver(), is_sound=self._tell_sound(split))

        entry = team.make(get, write, failures=(CacheError, FeatureRangeError))
        entry = entry or find_entry(place, key, is_sound=self._tell_sound(split))
        gone = CacheError(f"{place.folder}: something removed it as soon as it was written.", hint="Run the command again.")
        world.raise_first(None if entry else gone)
        assert entry is not None  # else it is raised
        return self._open(entry, split, trunk_s)

    def _open(self, entry: Entry, split: TokenizedSplit, trunk_s: float = 0.0) -> Features:
        offsets = self._count_offsets(split)
        shape = (int(offsets[-1]), self.trunk.hidden_size)
        return Features(np.memmap(entry.folder / _FILE, dtype=np.float16, mode="r", shape=shape), offsets, entry, trunk_s)

    def _tell_sound(self, split: TokenizedSplit) -> Callable[[Manifest], bool]:
        """Return what tells whether a manifest names one file, of the size that the features have."""
        n_bytes = self.predict_bytes([split])
        return lambda manifest: {name: known["size"] for name, known in manifest["files"].items()} == {_FILE: n_bytes}

    def _write(
        self, file: BinaryIO, split: TokenizedSplit, forward: Forward, *, pad_id: int, draw: Draw, advance: Callable[[int], None]
    ) -> None:
        offsets, device = self._count_offsets(split), self.trunk.device
        passes = _plan_passes(split.lengths, get_token_budget(device))
        for batch in draw_batches(passes, draw, advance, lambda batch: int(split.lengths[batch].sum())):
            ids, mask = (torch.from_numpy(a).to(device) for a in pad(split.get_ids(batch), pad_id=pad_id))
            hidden = forward(ids, mask).half()
            if not bool(torch.isfinite(hidden[mask[:, : hidden.shape[1]].bool()]).all()):
                raise FeatureRangeError
            for index, states in zip(batch.tolist(), hidden.cpu().numpy(), strict=True):
                file.seek(int(offsets[index]) * self.trunk.hidden_size * 2)
                file.write(states[: offsets[index + 1] - offsets[index]].data)

    def _place(self, key: dict[str, Any]) -> Place:
        return Place(self.cache_dir, "features", fingerprint(key))

    def _count_kept(self, split: TokenizedSplit) -> NDArray[np.int64]:
        return np.ones_like(split.lengths) if self.trunk.first_token_only else split.lengths

    def _count_offsets(self, split: TokenizedSplit) -> NDArray[np.int64]:
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self._count_kept(split))])


@contextmanager
def _report_unwritten(folder: Path) -> Iterator[None]:
    """Turn what the disk answers into an error that says how to train all the same."""
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"{folder}: the features cannot be written ({error.strerror}).",
            hint="Free some space, choose another folder with --cache-dir, or train without them: --feature-cache off",
        ) from error


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


def _plan_passes(lengths: NDArray[np.int64], budget: int) -> list[Batch]:
    batches: list[Batch] = []
    for start in range(0, len(lengths), _WINDOW):
        batches += [start + batch for batch in plan_batches(lengths[start : start + _WINDOW], budget=budget)]
    return batches


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
