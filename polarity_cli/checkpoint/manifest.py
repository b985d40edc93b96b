"""A checkpoint's manifest, polarity.json, as typed values: what is read of it by `evaluate`, `predict` and `train`.

A manifest may come from anywhere, and older ones lack what was added since: `read`, `on_error`, `rule`,
`more_sources` and `threshold`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarity_cli.cache.publish import read_json
from polarity_cli.checkpoint.folder_check import is_plain_path
from polarity_cli.config import SHORTEST_LENGTH, TRUNCATIONS, DataConfig, ReadOptions
from polarity_cli.data.labels import LabelRule
from polarity_cli.errors import UsageError
from polarity_cli.records import LABEL_NAMES, Threshold

MANIFEST = "polarity.json"
FOUND_ON = ("validation", "out of fold")
"""The reviews that a threshold may be found on."""
_LONGEST = 1_000_000
"""Tokens: no encoder reads more of a text."""


@dataclass(frozen=True, kw_only=True)
class TrainedData:
    """Which reviews a checkpoint was trained on, and how they were read."""

    source: str
    more_sources: tuple[str, ...]
    fingerprint: str
    """Of the tokenized reviews in the cache."""
    files: object
    """What the files were known by; see `Source.identify`."""
    text: tuple[str, ...]
    """The columns that made the text."""
    label: str
    positive: tuple[str, ...]
    """Values of the label column that were said to mean positive."""
    negative: tuple[str, ...]
    rule: LabelRule | None
    """What labels meant; None where that is not known."""
    read: ReadOptions
    on_error: str
    rows: int | None
    """Rows that were read; None is all."""
    test: float
    validation: float
    seed: int

    @classmethod
    def from_json(cls, value: object) -> TrainedData:
        """Return the `data` of a manifest.

        Raises:
            ValueError: something in it is missing, or of another type.
        """
        data = _read(value, dict)
        shares = {name: _read(data.get(name), int, float) for name in ("test", "validation")}
        rows, seed = data.get("rows", DataConfig.rows), _read(data.get("seed"), int)
        _require(all(0 <= share < 1 for share in shares.values()) and sum(shares.values()) < 1)
        _require(rows is None or _read(rows, int) >= 1)
        _require(0 <= seed < 2**32)
        _require(bool(data.get("text")) and data.get("on_error", "fail") in ("fail", "skip"))
        _require(re.fullmatch("[0-9a-f]{16}", str(data.get("fingerprint"))) is not None)
        return cls(
            source=_read(data.get("source"), str),
            more_sources=_read_texts(data.get("more_sources") or []),
            fingerprint=str(data["fingerprint"]),
            files=data.get("files"),
            text=_read_texts(_read(data.get("text"), list)),
            label=_read(data.get("label"), str),
            positive=_read_texts(data.get("positive") or []),
            negative=_read_texts(data.get("negative") or []),
            rule=_read_rule(data),
            read=_read_options(data.get("read", {})),
            on_error=data.get("on_error", "fail"),
            rows=rows,
            seed=seed,
            **shares,
        )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a checkpoint says of itself."""

    data: TrainedData
    files: Mapping[str, str]
    """The SHA-256 of each file that belongs to it, by name."""
    max_length: int
    """Most tokens of a text, special tokens included."""
    truncation: str
    graphs: object
    """What the export found; see `inference/graphs`."""
    threshold: Threshold | None = None
    """From which probability on it answers positive; None where the likelier class answers."""
    n_folds: int | None = None
    """Folds whose scores are in the checkpoint; see `checkpoint/out_of_fold`."""
    is_refused: bool = False
    """Whether the run required more of it than it has, so that it was not published."""

    @classmethod
    def from_json(cls, value: object) -> Manifest:
        """Return a manifest from the value of its file.

        Raises:
            ValueError: something in it is missing, or of another type.
        """
        manifest = _read(value, dict)
        files, max_length = _read(manifest.get("files"), dict), _read(manifest.get("max_length"), int)
        # Each of these files is read and compared.
        _require(all(is_plain_path(name) and isinstance(sha256, str) for name, sha256 in files.items()))
        _require(SHORTEST_LENGTH <= max_length <= _LONGEST and manifest.get("truncation") in TRUNCATIONS)
        return cls(
            data=TrainedData.from_json(manifest.get("data")),
            files=files,
            max_length=max_length,
            truncation=manifest["truncation"],
            graphs=manifest.get("graphs"),
            threshold=None if manifest.get("threshold") is None else _read_threshold(manifest["threshold"]),
            n_folds=_read_folds(manifest.get("folds")),
            is_refused=isinstance(manifest.get("required"), dict) and manifest["required"].get("met") is False,
        )


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a checkpoint's folder; None where there is none, or it is damaged."""
    try:
        return Manifest.from_json(read_json(folder / MANIFEST))
    except ValueError:
        return None


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("not a manifest of this program")


def _read(value: Any, *types: type) -> Any:
    """Return a value of one of the types, exactly: true is no number."""
    _require(type(value) in types)
    return value


def _read_folds(value: object) -> int | None:
    if value is None:
        return None
    n = _read(_read(value, dict).get("n"), int)
    _require(2 <= n <= 1000)
    return int(n)


def _read_threshold(value: object) -> Threshold:
    threshold = _read(value, dict)
    names = ("positive", "target_precision", "precision", "recall")
    shares = {name: _read(threshold.get(name), int, float) for name in names}
    _require(all(0 <= share <= 1 for share in shares.values()))
    n, of, found_on = _read(threshold.get("n"), int), threshold.get("of"), threshold.get("found_on")
    _require(n >= 1 and of in LABEL_NAMES and found_on in FOUND_ON)
    return Threshold(of=of, n=n, found_on=found_on, **shares)


def _read_texts(value: object) -> tuple[str, ...]:
    """Return texts, of which older manifests have a single one as it is."""
    texts = (value,) if isinstance(value, str) else tuple(_read(value, list))
    _require(all(isinstance(text, str) for text in texts))
    return texts


def _read_options(value: object) -> ReadOptions:
    options = _read(value, dict)
    _require(all(v is None or isinstance(v, bool if name == "header" else str) for name, v in options.items()))
    try:
        return ReadOptions(**options)
    except (TypeError, UsageError) as error:
        raise ValueError(str(error)) from error


def _read_rule(data: Mapping[str, Any]) -> LabelRule | None:
    """Return what labels meant, from the rule or from the labels that older manifests list instead."""
    try:
        if "rule" in data:
            return LabelRule.from_json(data["rule"])
        labels = data.get("labels")
        if not isinstance(labels, dict):
            return None
        sides = {side: tuple(value for value, name in labels.items() if name == side) for side in ("positive", "negative")}
        return LabelRule(str(data.get("label")), sides["positive"], sides["negative"])
    except ValueError:
        return None
