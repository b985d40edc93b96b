"""Where a verb works and whom it tells. Handed to every verb beside its config; what nobody says has the user's defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from polarity_cli.records import Observer, SilentObserver

CACHE_VARIABLES = ("POLARITY_CACHE", "POLARITY_CACHE_DIR")
OFFLINE_VARIABLE = "POLARITY_OFFLINE"
_YES = ("1", "on", "t", "true", "y", "yes")


def find_cache_dir() -> Path:
    """Return the cache folder that the environment names, else the user's for this program."""
    import platformdirs

    named = next((os.environ[name] for name in CACHE_VARIABLES if os.environ.get(name)), None)
    return Path(named or platformdirs.user_cache_dir("polarity"))


def is_told_to_be_offline() -> bool:
    """Tell whether the environment forbids connections."""
    return os.environ.get(OFFLINE_VARIABLE, "").strip().lower() in _YES


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a verb works and whom it tells."""

    cache_dir: Path = field(default_factory=find_cache_dir)
    offline: bool = field(default_factory=is_told_to_be_offline)
    observer: Observer = field(default_factory=SilentObserver)
