"""What a checkpoint's manifest must hold to be read. Used by `checkpoint/checkpoint`."""

from __future__ import annotations

import re
from typing import Any

from polarity_cli.checkpoint.folder_check import is_plain_name
from polarity_cli.config import SHORTEST_LENGTH, TRUNCATIONS, ReadOptions
from polarity_cli.errors import UsageError


def is_sound(manifest: dict[str, Any]) -> bool:
    """Tell whether a manifest has what this program reads of it, in the right types: it may come from anywhere."""
    data, files = manifest.get("data"), manifest.get("files")
    if not isinstance(data, dict) or not isinstance(files, dict):
        return False
    if not all(is_plain_name(name) and isinstance(known, str) for name, known in files.items()):
        return False  # each of these files is read and compared
    text, rows = data.get("text"), data.get("rows")
    return (
        isinstance(text, list)
        and len(text) > 0
        and all(isinstance(name, str) for name in [*text, data.get("source"), data.get("label")])
        and all(_are_texts(data.get(name) or []) for name in ("positive", "negative", "more_sources"))
        and _is_read(data.get("read", {}))
        and data.get("on_error", "fail") in ("fail", "skip")
        and re.fullmatch(r"[0-9a-f]{16}", str(data.get("fingerprint"))) is not None
        and (rows is None or (type(rows) is int and rows >= 1))
        and all(type(data.get(name)) in (int, float) and 0 <= data[name] < 1 for name in ("test", "validation"))
        and data["test"] + data["validation"] < 1
        and type(data.get("seed")) is int
        and 0 <= data["seed"] < 2**32
        and type(manifest.get("max_length")) is int
        and SHORTEST_LENGTH <= manifest["max_length"] <= 1_000_000
        and manifest.get("truncation") in TRUNCATIONS
    )


def _are_texts(values: object) -> bool:
    """Tell whether a value is a text, as older manifests have it, or a list of some."""
    return isinstance(values, str) or (isinstance(values, list) and all(isinstance(value, str) for value in values))


def _is_read(options: object) -> bool:
    try:
        return isinstance(options, dict) and ReadOptions(**options) is not None and _have_types(options)
    except (TypeError, UsageError):
        return False


def _have_types(options: dict[str, Any]) -> bool:
    return all(value is None or isinstance(value, bool if name == "header" else str) for name, value in options.items())
