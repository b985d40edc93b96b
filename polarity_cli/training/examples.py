"""The splits of a run with their features: read from the cache, or made in one pass through the trunk. Next: `training/loop`."""

from __future__ import annotations

import torch
from rich.filesize import decimal

from polarity_cli.config import FeatureCache
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.errors import CacheError
from polarity_cli.features.budget import find_budget
from polarity_cli.features.store import FeatureRangeError, FeatureStore
from polarity_cli.records import Observer
from polarity_cli.training.fine_tuner import Examples, FineTuner


def make_examples(
    learner: FineTuner, splits: dict[str, TokenizedSplit], store: FeatureStore | None, setting: FeatureCache, observer: Observer
) -> dict[str, Examples]:
    """Return each split with its features, where `setting` lets them be kept; with `store` None, without.

    Raises:
        CacheError: the features cannot be written, and `setting` is a size; `auto` goes on without them.
    """
    if store is None or setting == "off":
        return {name: Examples(split) for name, split in splits.items()}
    world = learner.world
    found = {name: store.find(split) for name, split in splits.items()}
    missing = [name for name in splits if not all(world.all_gather(found[name] is not None))]
    found |= dict.fromkeys(missing)  # on every machine, or on none
    device = learner.accelerator.device
    if missing and all(world.all_gather(_fits(store, splits, missing, setting=setting, device=device, observer=observer))):
        try:
            with observer.track("Passing the frozen blocks, once", sum(len(splits[name].tokens) for name in missing)) as advance:
                for name in missing:
                    found[name] = store.extract(
                        splits[name],
                        learner.forward_trunk,
                        pad_id=learner.pad_id,
                        name=name,
                        world=world,
                        advance=advance,
                        observer=observer,
                    )
            learner.free_packed_trunk()
        except FeatureRangeError:
            observer.note(f"Hidden states beyond float16: features cannot be kept.{_PASSED_AGAIN}")
        except CacheError as error:
            if setting != "auto":
                raise
            observer.note(f"{error}{_PASSED_AGAIN}")
    return {name: Examples(split, found[name]) for name, split in splits.items()}


_PASSED_AGAIN = " Each epoch passes the frozen blocks again."


def _fits(
    store: FeatureStore,
    splits: dict[str, TokenizedSplit],
    missing: list[str],
    *,
    setting: FeatureCache,
    device: torch.device,
    observer: Observer,
) -> bool:
    """Tell whether the features that are missing fit the budget, and note it where they do not."""
    n_missing = store.predict_bytes(splits[name] for name in missing)
    n_kept = store.predict_bytes(splits.values()) - n_missing
    budget = find_budget(setting, store.cache_dir, device=device, n_kept=n_kept)
    if n_missing <= budget:
        return True
    asked = setting if isinstance(setting, str) else decimal(setting)
    observer.note(
        f"The features of these reviews take {decimal(n_missing)} more, and --feature-cache {asked} leaves {decimal(budget)} for "
        f"them here.{_PASSED_AGAIN}"
    )
    return False
