"""Features: the trunk's hidden states of each review, kept in the cache so that the trunk is passed once.

    <cache>/features/<fingerprint>/hidden.f16      (n_tokens, H) float16, the reviews one after the other, no padding
                                   manifest.json   the key they were made from

The key holds everything that decides the values, so a changed encoder, cut, tokenizer or text can never meet old features.
Next on the road: `encoder/top`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polarity_cli.cache import MANIFEST, fingerprint, publish, read_json, write_json
from polarity_cli.data.batches import Batch, pad, plan_batches
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.encoder.inference import get_token_budget
from polarity_cli.encoder.trunk import Trunk
from polarity_cli.errors import CacheError

FORMAT = 1
_FILE = "hidden.f16"
_WINDOW = 32_768
"""Reviews sorted by length together: enough to pad next to nothing, few enough that the file is written roughly in order."""


class FeatureRangeError(Exception):
    """A hidden state exceeds float16, so features of this encoder cannot be kept."""


@dataclass(frozen=True)
class Features:
    """One split's kept hidden states."""

    hidden: NDArray[np.float16]
    """`(n, H)`: all reviews' hidden states, one after the other, mapped from the disk."""
    offsets: NDArray[np.int64]
    """`(N + 1,)`: review `i` is `hidden[offsets[i] : offsets[i + 1]]`."""

    def read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the hidden states `(B, T, H) float16` of some reviews, padded with 0, and their mask `(B, T) int64`."""
        starts, ends = self.offsets[batch], self.offsets[batch + 1]
        lengths = torch.from_numpy(ends - starts)
        padded = torch.zeros(len(batch), int(lengths.max()), self.hidden.shape[1], dtype=torch.float16)
        for row, start, end in zip(padded.numpy(), starts, ends, strict=True):
            row[: end - start] = self.hidden[start:end]
        return padded, (torch.arange(padded.shape[1]) < lengths[:, None]).long()


def make_key(trunk: Trunk, split: TokenizedSplit, *, cut: int, tokenization: dict[str, Any], precision: str) -> dict[str, Any]:
    """Return all that decides a split's features, as plain values.

    Args:
        trunk: hashed by its weights, its config and the library that runs it.
        split: hashed by its token ids.
        cut: index of the first block above the trunk.
        tokenization: how texts became tokens (tokenizer, length, truncation), for the record: the token ids say it all.
        precision: what the trunk computes in.
    """
    from importlib.metadata import version

    return {
        "format": FORMAT,
        "weights": _hash_weights(trunk),
        "config": fingerprint(_get_architecture(trunk)),
        "cut": cut,
        "first_token_only": trunk.first_token_only,
        **tokenization,
        "tokens": _hash_arrays(split.tokens, split.offsets),
        "precision": precision,
        "dtype": "float16",
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }


def predict_bytes(trunk: Trunk, splits: list[TokenizedSplit]) -> int:
    """Return the bytes that the features of some splits take on the disk."""
    return sum(int(_count_kept(trunk, split).sum()) for split in splits) * trunk.hidden_size * 2


def find_features(cache_dir: Path, key: dict[str, Any], trunk: Trunk, split: TokenizedSplit) -> Features | None:
    """Return a split's features from the cache, or None where they are not there or not whole."""
    folder = cache_dir / "features" / fingerprint(key)
    manifest = read_json(folder / MANIFEST)
    offsets = _count_offsets(trunk, split)
    shape = (int(offsets[-1]), trunk.hidden_size)
    path = folder / _FILE
    if manifest is None or manifest.get("key") != key or not path.is_file() or path.stat().st_size != 2 * shape[0] * shape[1]:
        return None
    return Features(np.memmap(path, dtype=np.float16, mode="r", shape=shape), offsets)


def extract_features(
    cache_dir: Path,
    key: dict[str, Any],
    trunk: Trunk,
    split: TokenizedSplit,
    *,
    forward: Callable[[Tensor, Tensor], Tensor],
    pad_id: int,
    advance: Callable[[int], None] = lambda n: None,
) -> Features:
    """Pass a split through the trunk once, keep its features in the cache, and return them.

    Args:
        cache_dir: where they are kept.
        key: what `make_key` gave.
        trunk: decides the shapes.
        split: the reviews.
        forward: from token ids and mask `(B, T)` to hidden states `(B, T, H)`, on the trunk's device.
        pad_id: the token id of padding.
        advance: told the tokens that were passed.

    Raises:
        FeatureRangeError: a hidden state is beyond float16.
        CacheError: the cache cannot be written.
    """
    folder = cache_dir / "features" / fingerprint(key)
    offsets = _count_offsets(trunk, split)
    with publish(folder) as work:
        try:
            with (work / _FILE).open("wb") as file, torch.inference_mode():
                for batch in _plan_passes(split.lengths, get_token_budget(trunk.device)):
                    ids, mask = (torch.from_numpy(a).to(trunk.device) for a in pad(split.get_ids(batch), pad_id=pad_id))
                    hidden = forward(ids, mask).half().cpu()
                    if not bool(torch.isfinite(hidden).all()):
                        raise FeatureRangeError
                    for index, states in zip(batch.tolist(), hidden.numpy(), strict=True):
                        file.seek(int(offsets[index]) * trunk.hidden_size * 2)
                        file.write(states[: offsets[index + 1] - offsets[index]].data)
                    advance(int(split.lengths[batch].sum()))
            write_json(work / MANIFEST, {"key": key, "n_reviews": len(split), "n_bytes": (work / _FILE).stat().st_size})
        except OSError as error:
            raise CacheError(
                f"{folder}: the features cannot be written ({error.strerror}).",
                hint="Free some space, choose another folder with --cache-dir, or train without them: --feature-cache off",
            ) from error
    found = find_features(cache_dir, key, trunk, split)
    if found is None:
        raise CacheError(f"{folder}: the features that were just written cannot be read.", hint="Is the disk sound?")
    return found


def _plan_passes(lengths: NDArray[np.int64], budget: int) -> list[Batch]:
    batches: list[Batch] = []
    for start in range(0, len(lengths), _WINDOW):
        batches += [start + batch for batch in plan_batches(lengths[start : start + _WINDOW], budget=budget)]
    return batches


def _count_kept(trunk: Trunk, split: TokenizedSplit) -> NDArray[np.int64]:
    return np.ones_like(split.lengths) if trunk.first_token_only else split.lengths


def _count_offsets(trunk: Trunk, split: TokenizedSplit) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(_count_kept(trunk, split))])


def _get_architecture(trunk: Trunk) -> dict[str, Any]:
    """Return the config's fields that shape what the trunk computes: all but names and the head's."""
    config: dict[str, Any] = trunk.encoder.config.to_dict()  # type: ignore[union-attr,operator]
    unrelated = ("_name_or_path", "architectures", "dtype", "id2label", "label2id", "transformers_version")
    return {name: value if _is_plain(value) else repr(value) for name, value in config.items() if name not in unrelated}


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | list | dict)


def _hash_weights(trunk: Trunk) -> str:
    """Return the SHA-256 of the frozen weights, names, types and shapes included."""
    digest = hashlib.sha256()
    for name, tensor in sorted(trunk.encoder.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _hash_arrays(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
