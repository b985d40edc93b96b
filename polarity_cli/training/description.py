"""A run's settings and versions in plain values: for trackers, for the manifest, and to tell one run from another."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from typing import Any

from polarity_cli import __version__
from polarity_cli.config import TrainConfig
from polarity_cli.records import clean_text

_WITHOUT_EFFECT = ("feature_cache", "fresh", "graphs", "out", "track")
"""Settings that change nothing that is learned."""
_PACKAGES = ("torch", "numpy", "transformers", "tokenizers", "accelerate", "datasets", "onnxruntime", "scikit-learn")


def list_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings as flat plain values, by the names of their flags without dashes before."""
    settings = {**asdict(config), **asdict(config.data)}
    settings.pop("data")
    return {key: _make_plain(key, value) for key, value in settings.items()}


def _make_plain(name: str, value: object) -> int | float | str | bool:
    """Return a setting as it is typed."""
    if value is None:
        return "all" if name in ("rows", "unfreeze") else "not given"
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


def read_versions() -> dict[str, str]:
    """Return the versions of this program, Python, and the packages that a run depends on."""
    from importlib.metadata import version

    return {"polarity": __version__, "python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
