"""The manifest of tokenized reviews in the cache, as typed values. Written by the verb `prepare`, read by all others.

An entry of the cache may have been written by anybody, so every value is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class SplitCounts:
    """What is counted of a split."""

    n_rows: int
    n_positive: int
    n_negative: int
    n_tokens: int

    @classmethod
    def from_json(cls, value: object) -> SplitCounts:
        """Return the counts of a manifest.

        Raises:
            ValueError: one is missing, or no whole number.
        """
        counts: dict[str, Any] = {name: value.get(name) if isinstance(value, dict) else None for name in cls.__dataclass_fields__}
        _require(all(type(count) is int for count in counts.values()))
        return cls(**counts)


@dataclass(frozen=True, kw_only=True)
class PreparedManifest:
    """How reviews were read and tokenized, and how many each split has."""

    key: Mapping[str, Any]
    """All that decides what was written: files, columns, splits, tokenizer."""
    source: str
    encoder: str
    revision: str | None
    """Of a Hub data set."""
    text: tuple[str, ...]
    """The columns that made the text."""
    label: str
    """The label column."""
    labels: Mapping[str, str]
    """What each of its values means: negative, positive, left out."""
    rule: Mapping[str, Any]
    """That meaning as a rule; see `LabelRule.from_json`."""
    left_out: Mapping[str, Any]
    """Rows that are in no split, by why."""
    splits: Mapping[str, SplitCounts]
    blank: Mapping[str, int]
    """Rows in which a text column is blank, by column; nothing in entries of earlier versions."""
    notes: tuple[str, ...]
    """Told whenever these reviews are used."""

    @classmethod
    def from_json(cls, manifest: Mapping[str, Any]) -> PreparedManifest:
        """Return the manifest of an entry, which holds a file for each split.

        Raises:
            ValueError: something is missing, or of another type.
        """
        splits, labels, revision = manifest.get("splits"), manifest.get("labels"), manifest.get("revision")
        mappings = {name: manifest.get(name) for name in ("key", "rule", "left_out")}
        names = {name: manifest.get(name) for name in ("source", "encoder", "label")}
        lists = {name: manifest.get(name) for name in ("text", "notes")}
        _require(isinstance(splits, dict) and {f"{name}.arrow" for name in splits} == set(manifest.get("files") or ()))
        blank = manifest.get("blank", {})
        _require(isinstance(blank, dict) and all(type(n) is int for n in blank.values()))
        _require(isinstance(labels, dict) and all(isinstance(meaning, str) for meaning in labels.values()))
        _require(all(isinstance(value, dict) for value in mappings.values()))
        _require(all(isinstance(name, str) for name in [*names.values(), revision or ""]))
        _require(all(isinstance(part, list) and all(isinstance(text, str) for text in part) for part in lists.values()))
        return cls(
            splits={name: SplitCounts.from_json(counts) for name, counts in (splits or {}).items()},
            labels=labels or {},
            revision=revision,
            blank=blank,
            **mappings,  # type: ignore[arg-type]
            **names,  # type: ignore[arg-type]
            text=tuple(lists["text"] or ()),
            notes=tuple(lists["notes"] or ()),
        )

    @property
    def splits_as_json(self) -> dict[str, dict[str, int]]:
        """The counts of each split as plain values."""
        return {name: asdict(counts) for name, counts in self.splits.items()}


def is_of_reviews(manifest: Mapping[str, Any]) -> bool:
    """Tell whether an entry's manifest is one of tokenized reviews."""
    try:
        PreparedManifest.from_json(manifest)
    except ValueError:
        return False
    return True


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("not a manifest of tokenized reviews")
