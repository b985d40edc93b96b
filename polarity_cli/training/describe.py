"""A run's settings and versions in plain values: for trackers, for the manifest, and to tell one run from another."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from polarity_cli import __version__
from polarity_cli.records import EpochRecord, StepRecord
from polarity_cli.text import clean_text
from polarity_cli.train_config import TrainConfig

if TYPE_CHECKING:
    from polarity_cli.checkpoint.locate import EncoderLocation
    from polarity_cli.data.prepared import PreparedManifest
    from polarity_cli.encoder.freeze import FreezePlan

_WITHOUT_EFFECT = ("export", "feature_cache", "fresh", "graphs", "of", "out", "report", "require", "target_precision", "track")
"""Settings that change nothing that is learned."""
_PACKAGES = ("torch", "numpy", "transformers", "tokenizers", "accelerate", "datasets", "onnxruntime", "scikit-learn")


def list_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings as flat plain values, by the names of their flags without dashes before."""
    settings = {**asdict(config), **asdict(config.data), **asdict(config.data.read)}
    for name in ("data", "read", *(name for name, value in settings.items() if value == ())):
        settings.pop(name)
    return {key: _make_plain(value) for key, value in settings.items()}


def _make_plain(value: object) -> int | float | str | bool:
    """Return a setting as it is typed."""
    if value is None:
        return "not given"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return value if isinstance(value, int | float | str | bool) else str(value)


def describe_run(config: TrainConfig, *, reviews: str, encoder: str) -> dict[str, Any]:
    """Return what makes a run what it is, by names that a message can show; values are as they come back from JSON.

    Two runs with equal descriptions learn the same, but for what device and number of threads do to the last digits.

    Args:
        config: whose flags that matter are described.
        reviews: the fingerprint of the tokenized reviews.
        encoder: what the encoder's files are known by.
    """
    settings = {name: value for name, value in list_settings(config).items() if name not in _WITHOUT_EFFECT}
    flags = {f"--{name.replace('_', '-')}": value for name, value in settings.items()}
    versions = {f"the version of {name}": version for name, version in read_versions().items()}
    described = {**flags, "the tokenized reviews": reviews, "the encoder's files": encoder, **versions}
    plain: dict[str, Any] = json.loads(clean_text(json.dumps(described, ensure_ascii=False)))
    return plain


def describe_checkpoint(
    config: TrainConfig,
    *,
    encoder: EncoderLocation,
    reviews: PreparedManifest,
    fingerprint: str,
    plan: FreezePlan,
    features: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a checkpoint's manifest, but for the graphs and the time that the run took.

    Args:
        config: as it was run: `data` holds the length that the encoder reads.
        encoder: that was trained.
        reviews: the manifest of the tokenized reviews.
        fingerprint: theirs.
        plan: what trained.
        features: whether they were kept, and the seconds that they took.
        metrics: by split.
    """
    values = {
        name: getattr(config, name) for name in ("epochs", "batch_size", "learning_rate", "weight_decay", "warmup", "patience")
    }
    return {
        "format": 1,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "encoder": {"name": encoder.name, "hub_id": encoder.hub_id, "revision": encoder.revision},
        "freeze_plan": plan.to_json(),
        "data": {
            "source": config.data.source,
            "revision": reviews.revision,
            "fingerprint": fingerprint,
            "files": reviews.key["files"],
            "text": list(reviews.text),
            **{name: getattr(reviews, name) for name in ("label", "labels", "rule", "left_out")},
            "splits": reviews.splits_as_json,
            "rows": config.data.row_limit,
            **{name: getattr(config.data, name) for name in ("test", "validation", "seed", "on_error")},
            **{name: list(getattr(config.data, name)) for name in ("positive", "negative", "more_sources")},
            "read": asdict(config.data.read),
        },
        "max_length": config.data.max_length,
        "truncation": config.data.truncation,
        "recipe": {
            "name": config.recipe,
            "values": {"unfreeze": config.unfreeze, **values},
        },
        "seed": config.data.seed,
        "features": dict(features),
        "metrics": dict(metrics),
        "versions": read_versions(),
    }


def describe_training(history: Iterable[StepRecord | EpochRecord], *, epochs: int) -> dict[str, Any]:
    """Return which epoch's weights were kept, how many were run of the `epochs` wanted, and why the run ended there."""
    run = [record for record in history if isinstance(record, EpochRecord)]
    best = [record for record in run if record.is_best][-1]
    n_run = run[-1].epoch
    return {
        "epoch_kept": best.epoch,
        "epochs_run": n_run,
        "stopped": "all epochs done" if n_run >= epochs else "patience",
        "validation_f1": best.validation["f1"] if best.validation else None,
    }


def read_versions() -> dict[str, str]:
    """Return the versions of this program, Python, and the packages that a run depends on, but for those not installed."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"polarity": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):  # `datasets`, say, which only the Hub's data sets need
            versions[name] = version(name)
    return versions
