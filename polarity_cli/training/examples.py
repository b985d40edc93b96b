"""The splits of a run with their features: read from the cache, or made in one pass through the trunk. Next: `training/loop`.

Whether features are kept is decided here, once for a run and for all of its processes; whoever comes after looks at the examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.filesize import decimal

from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.errors import CacheError
from polarity_cli.features.budget import find_budget
from polarity_cli.features.extract import FeatureRangeError, extract
from polarity_cli.features.store import Features, FeatureStore
from polarity_cli.records import Observer
from polarity_cli.train_config import FeatureCache
from polarity_cli.training.fine_tuner import Examples, FineTuner

_PASSED_AGAIN = " Each epoch passes the frozen blocks again."


def make_examples(
    fine_tuner: FineTuner,
    splits: Mapping[str, TokenizedSplit],
    open_store: Callable[[], FeatureStore],
    setting: FeatureCache,
    observer: Observer,
    *,
    kept_before: bool | None = None,
) -> dict[str, Examples]:
    """Return each split with its features, where they are kept.

    They are where there is a trunk, `setting` is not `off`, and those that are not in the cache yet fit its budget.

    Args:
        fine_tuner: whose trunk is passed.
        splits: tokenized reviews.
        open_store: returns where the trunk's features are kept.
        setting: `--feature-cache`.
        observer: told why features are not kept, and how far the pass is.
        kept_before: whether the interrupted run that is resumed kept them; one that did not goes on without.

    Raises:
        CacheError: the features cannot be written, and `setting` is a size; `auto` goes on without them.
    """
    if fine_tuner.trunk is None or setting == "off" or kept_before is False:
        return {name: Examples(split) for name, split in splits.items()}
    store, world = open_store(), fine_tuner.world
    features = {name: store.find(split) for name, split in splits.items()}
    missing = [name for name in splits if not all(world.all_gather(features[name] is not None))]
    features |= dict.fromkeys(missing)  # on every machine, or on none
    if missing and all(world.all_gather(_fit_budget(fine_tuner, store, splits, missing, setting, observer))):
        try:
            features |= _extract(fine_tuner, store, {name: splits[name] for name in missing}, observer)
        except FeatureRangeError:
            observer.note(f"Hidden states beyond float16: features cannot be kept.{_PASSED_AGAIN}")
        except CacheError as error:
            if setting != "auto":
                raise
            observer.note(f"{error}{_PASSED_AGAIN}")
    return {name: Examples(split, features[name]) for name, split in splits.items()}


def _extract(
    fine_tuner: FineTuner, store: FeatureStore, splits: Mapping[str, TokenizedSplit], observer: Observer
) -> dict[str, Features]:
    with observer.track("Passing the frozen blocks, once", sum(len(split.tokens) for split in splits.values())) as advance:
        features = {
            name: extract(
                store,
                split,
                fine_tuner.forward_trunk,
                pad_id=fine_tuner.pad_id,
                name=name,
                world=fine_tuner.world,
                advance=advance,
                observer=observer,
            )
            for name, split in splits.items()
        }
    fine_tuner.free_packed_trunk()
    return features


def _fit_budget(
    fine_tuner: FineTuner,
    store: FeatureStore,
    splits: Mapping[str, TokenizedSplit],
    missing: Sequence[str],
    setting: FeatureCache,
    observer: Observer,
) -> bool:
    """Tell whether the features that are missing fit the budget, and note it where they do not."""
    n_missing = store.predict_bytes(splits[name] for name in missing)
    n_kept = store.predict_bytes(splits.values()) - n_missing
    budget = find_budget(setting, store.cache_dir, device=fine_tuner.accelerator.device, n_kept=n_kept)
    if n_missing <= budget:
        return True
    observer.note(
        f"The features of these reviews take {decimal(n_missing)} more, and --feature-cache "
        f"{setting if isinstance(setting, str) else decimal(setting)} leaves {decimal(budget)} for them here.{_PASSED_AGAIN}"
    )
    return False
