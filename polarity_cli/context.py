"""Where a verb works and whom it tells. Handed to every verb beside its config."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from polarity_cli.records import Observer, SilentObserver


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a verb works and whom it tells."""

    cache_dir: Path
    offline: bool = False
    observer: Observer = field(default_factory=SilentObserver)
