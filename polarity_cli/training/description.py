"""A run's settings and versions in plain values: for trackers, for the manifest, and to tell one run from another."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from typing import Any

from polarity_cli import __version__
from polarity_cli.config import TrainConfig

_WITHOUT_EFFECT = ("feature_cache", "fresh", "graphs", "out", "track")
"""Settings that change nothing that is learned."""
_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "onnxruntime", "scikit-learn")


def list_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings as flat plain values, by the names of their flags without dashes before."""
    settings = {**asdict(config), **asdict(config.data)}
    settings.pop("data")
    return {key: value if isinstance(value, int | float | str | bool) else str(value) for key, value in settings.items()}


def describe_run(config: TrainConfig, *, reviews: str) -> dict[str, Any]:
    """Return what makes a run what it is: the flags that matter with their values, and the fingerprint of its reviews.

    Two runs with equal descriptions learn the same; values are as they come back from JSON.
    """
    settings = {name: value for name, value in list_settings(config).items() if name not in _WITHOUT_EFFECT}
    flags = {f"--{name.replace('_', '-')}": value for name, value in settings.items()}
    described: dict[str, Any] = json.loads(json.dumps({**flags, "the tokenized reviews": reviews}))
    return described


def read_versions() -> dict[str, str]:
    """Return the versions of this program, Python, and the packages that a run depends on."""
    from importlib.metadata import version

    return {"polarity": __version__, "python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
