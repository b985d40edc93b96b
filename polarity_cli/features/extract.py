"""Pass reviews through the frozen blocks and keep what comes out: each review once for each cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polarity_cli.cache.entries import Entry, Place, find_entry
from polarity_cli.cache.new_entry import NewEntry, open_or_begin
from polarity_cli.cache.publish import report_unwritable
from polarity_cli.data.batches import Batch, pad, plan_batches
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.distributed.cache_group import CacheGroup, Claims, claim_batches, find_cache_group
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.encoder.logits import get_token_budget
from polarity_cli.errors import CacheError
from polarity_cli.features.store import FILE, Features, FeatureStore
from polarity_cli.records import Observer, SilentObserver

T = TypeVar("T")
Forward = Callable[[Tensor, Tensor], Tensor]
"""From token ids and mask `(B, T)` to hidden states `(B, T, H)`, on the trunk's device."""
_WINDOW = 32_768
"""Reviews sorted by length together: enough to pad next to nothing, few enough that the file is written roughly in order."""


class FeatureRangeError(Exception):
    """A hidden state exceeds float16, so features of this encoder cannot be kept."""


def extract(
    store: FeatureStore,
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

    Processes that share a cache divide the reviews and write into one file, which their leader publishes and all map.

    Args:
        store: where features of the trunk are kept.
        split: the reviews.
        forward: runs the trunk.
        pad_id: the token id of padding.
        name: the split's, for people who look what the cache holds.
        world: the processes, all of which call this at the same time.
        advance: told the tokens that were passed.
        observer: told of features that are damaged, and of waiting for another process that makes the same.

    Raises:
        FeatureRangeError: a hidden state is beyond float16.
        CacheError: the cache cannot be written.
    """
    key = store.make_key(split)
    place, is_sound = store.find_place(key), store.make_check(split)
    group, entry = find_cache_group(world, store.cache_dir), None
    with ExitStack() as stack:
        # 1. Open or begin: the leader looks for the features, and begins them where there are none.
        opened, failure = _attempt(
            lambda: open_or_begin(place, key, observer or SilentObserver(), is_sound=is_sound) if group.is_leader else None
        )
        new = stack.enter_context(opened) if isinstance(opened, NewEntry) else None
        if new is not None:
            _, failure = _attempt(lambda: _create_file(new, place))
        world.raise_first(failure)
        # 2. Broadcast the file to fill, if there is one.
        path = group.broadcast(new.folder / FILE if new else None)
        # 3. Fill: each worker passes the batches that it claims.
        started = time.perf_counter()
        _, failure = _attempt(lambda: _fill(path, place, store, split, forward, group, pad_id=pad_id, advance=advance))
        # 4. Raise the first error, everywhere.
        world.raise_first(failure)
        trunk_s = time.perf_counter() - started if path else 0.0
        # 5. Commit: the leader publishes, and all open what it published.
        about = {"encoder": store.encoder, "split": name, "n_reviews": len(split)}
        entry, failure = _attempt(lambda: new.commit(about) if new else opened if isinstance(opened, Entry) else None)
        world.raise_first(failure)
    entry = entry or find_entry(place, key, is_sound=is_sound)
    gone = CacheError(f"{place.folder}: something removed it as soon as it was written.", hint="Run the command again.")
    world.raise_first(None if entry else gone)
    assert entry is not None  # else it is raised
    return store.open(entry, split, trunk_s)


def _attempt(work: Callable[[], T]) -> tuple[T | None, Exception | None]:
    """Return what `work` returns, and None, or None and its failure, which another process may have to hear of."""
    try:
        return work(), None
    except (CacheError, FeatureRangeError) as error:
        return None, error


def _create_file(new: NewEntry, place: Place) -> None:
    with report_unwritable(place.folder):
        (new.folder / FILE).touch()


def _fill(
    path: Path | None,
    place: Place,
    store: FeatureStore,
    split: TokenizedSplit,
    forward: Forward,
    group: CacheGroup,
    *,
    pad_id: int,
    advance: Callable[[int], None],
) -> None:
    """Write the features of the batches that this process claims; nothing where there is no file, or it is no worker's."""
    if path is None or not group.is_worker:
        return
    claims = Claims(group.world.store, str(path))
    passes = _plan_passes(split.lengths, get_token_budget(store.trunk.device))
    offsets, row_bytes = store.count_offsets(split), store.trunk.hidden_size * 2
    try:
        with _report_unwritten(place.folder), path.open("r+b") as file, torch.inference_mode():
            for batch in claim_batches(passes, claims, advance, lambda batch: int(split.lengths[batch].sum())):
                for index, states in zip(batch.tolist(), _pass(store, split, batch, forward, pad_id), strict=True):
                    file.seek(int(offsets[index]) * row_bytes)
                    file.write(states[: offsets[index + 1] - offsets[index]].data)
    except BaseException:
        claims.close()
        raise


def _pass(store: FeatureStore, split: TokenizedSplit, batch: Batch, forward: Forward, pad_id: int) -> NDArray[np.float16]:
    """Return the hidden states `(B, T, H)` of a batch."""
    ids, mask = (torch.from_numpy(array).to(store.trunk.device) for array in pad(split.get_ids(batch), pad_id=pad_id))
    hidden = forward(ids, mask).half()
    if not bool(torch.isfinite(hidden[mask[:, : hidden.shape[1]].bool()]).all()):
        raise FeatureRangeError
    states: NDArray[np.float16] = hidden.cpu().numpy()
    return states


def _plan_passes(lengths: NDArray[np.int64], budget: int) -> list[Batch]:
    """Return batches of like length that cover all reviews, roughly in their order."""
    batches: list[Batch] = []
    for start in range(0, len(lengths), _WINDOW):
        batches += [start + batch for batch in plan_batches(lengths[start : start + _WINDOW], budget=budget)]
    return batches


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
