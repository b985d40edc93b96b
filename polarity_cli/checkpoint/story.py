"""How a checkpoint was trained, as its manifest and history tell it: for the report's page. Read only to be shown.

Both files may come from anywhere: what is not as a training run writes it is left out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarity_cli.cache.publish import read_json
from polarity_cli.checkpoint.checkpoint import HISTORY
from polarity_cli.checkpoint.manifest import MANIFEST
from polarity_cli.scoring.values import Blocks, Epoch

_MOST_BYTES = 1 << 28


@dataclass(frozen=True, kw_only=True)
class Story:
    """What is known of how a checkpoint was trained; each part empty or None where it does not say."""

    epochs: tuple[Epoch, ...] = ()
    losses: tuple[tuple[int, float], ...] = ()
    """Steps, and the training loss of each in nats."""
    blocks: Blocks | None = None
    calibration: tuple[tuple[str, float, float], ...] | None = None
    """Names of figures, each before and after calibration."""
    versions: dict[str, str] | None = None


def read_story(folder: Path) -> Story:
    """Return how a checkpoint was trained."""
    manifest = read_json(folder / MANIFEST)
    manifest = manifest if isinstance(manifest, dict) else {}
    epochs, losses = _read_history(folder / HISTORY)
    return Story(
        epochs=tuple(epochs),
        losses=tuple(losses),
        blocks=_read_blocks(manifest),
        calibration=_read_calibration(manifest.get("calibration")),
        versions=_read_versions(manifest.get("versions")),
    )


def _read_history(path: Path) -> tuple[list[Epoch], list[tuple[int, float]]]:
    epochs: list[Epoch] = []
    losses: list[tuple[int, float]] = []
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return [], []
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if "step" in record:
                losses.append((int(record["step"]), float(record["loss"])))
            else:
                scores = record.get("validation") or {}
                f1, log_loss = _read_number(scores.get("f1")), _read_number(scores.get("log_loss"))
                epochs.append(Epoch(int(record["epoch"]), float(record["loss"]), f1, log_loss, record.get("is_best") is True))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return [], []
    return epochs, losses


def _read_number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _read_blocks(manifest: dict[str, Any]) -> Blocks | None:
    plan, encoder = manifest.get("freeze_plan"), manifest.get("encoder")
    if not isinstance(plan, dict) or not isinstance(encoder, dict):
        return None
    counts: dict[str, Any] = {name: plan.get(name) for name in ("n_blocks", "cut", "n_trainable", "n_frozen")}
    if any(type(count) is not int or count < 0 for count in counts.values()) or not counts["cut"] <= counts["n_blocks"] <= 1000:
        return None
    name = encoder.get("hub_id") or Path(str(encoder.get("name"))).name
    return Blocks(encoder=str(name), embeddings_train=plan.get("embeddings_train") is True, **counts)


def _read_calibration(value: object) -> tuple[tuple[str, float, float], ...] | None:
    if not isinstance(value, dict):
        return None
    figures = []
    for name, title in (("calibration_error", "calibration error"), ("log_loss", "log loss")):
        before, after = (_read_number(value.get(f"{name}_{when}")) for when in ("before", "after"))
        if before is not None and after is not None:
            figures.append((title, before, after))
    return tuple(figures) or None


def _read_versions(value: object) -> dict[str, str] | None:
    return {str(name): str(version) for name, version in value.items()} if isinstance(value, dict) else None
