"""The splits of a run with their features: read from the cache, or made in one pass through the trunk. Next: `training/loop`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.filesize import decimal

from polarity_cli.config import FeatureCache
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.encoder.feature_budget import find_budget
from polarity_cli.encoder.features import FeatureRangeError, extract_features, find_features, make_key, predict_bytes
from polarity_cli.records import Observer
from polarity_cli.training.learner import Examples, Learner


def make_examples(
    learner: Learner,
    splits: dict[str, TokenizedSplit],
    *,
    setting: FeatureCache,
    cache_dir: Path,
    cut: int,
    tokenization: dict[str, Any],
    observer: Observer,
) -> dict[str, Examples]:
    """Return each split with its features, where `setting` lets them be kept; see `encoder/features.make_key` for the rest.

    Raises:
        CacheError: the features cannot be written.
    """
    plain = {name: Examples(split) for name, split in splits.items()}
    trunk = learner.trunk
    if trunk is None or setting == "off":
        return plain
    n_bytes = predict_bytes(trunk, list(splits.values()))
    budget = find_budget(setting, cache_dir, learner.accelerator.device)
    keys = {
        name: make_key(trunk, split, cut=cut, tokenization=tokenization, precision=learner.accelerator.mixed_precision)
        for name, split in splits.items()
    }
    found = {name: find_features(cache_dir, keys[name], trunk, split) for name, split in splits.items()}
    missing = [name for name, features in found.items() if features is None]
    if missing and n_bytes > budget:
        observer.note(
            f"Features of these reviews take {decimal(n_bytes)}, more than the {decimal(budget)} that --feature-cache "
            f"{setting if isinstance(setting, str) else decimal(setting)} allows here: each epoch passes the frozen blocks again."
        )
        return plain
    n_tokens = sum(int(splits[name].lengths.sum()) for name in missing)
    if missing:
        try:
            with observer.track("Passing the frozen blocks, once", n_tokens) as advance:
                for name in missing:
                    found[name] = extract_features(
                        cache_dir,
                        keys[name],
                        trunk,
                        splits[name],
                        forward=learner.pass_trunk,
                        pad_id=learner.pad_id,
                        advance=advance,
                    )
        except FeatureRangeError:
            observer.note("Hidden states beyond float16: features cannot be kept, and each epoch passes the frozen blocks again.")
            return plain
        learner.rest_trunk()
    return {name: Examples(split, found[name]) for name, split in splits.items()}
