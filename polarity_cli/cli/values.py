"""What the words behind options mean: lists, numbers, sizes, times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from polarity_cli.config import FeatureCache, ReadOptions
from polarity_cli.errors import UsageError


def split_names(values: list[str] | None, flag: str = "--text") -> tuple[str, ...] | None:
    """Return the column names in comma-separated lists, one after the other.

    Raises:
        UsageError: a name is empty.
    """
    if not values:
        return None
    names = tuple(name.strip() for value in values for name in value.split(","))
    if not all(names):
        raise UsageError(
            f"{flag} {','.join(values)}: a column name is empty.",
            hint=f"Separate names by single commas, e.g. {flag} title,content.",
        )
    return names


_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "bar": "|", "space": " "}


def parse_delimiter(value: str | None) -> str | None:
    """Return the character that a word stands for, or the value as it is."""
    return None if value is None else _DELIMITERS.get(value.lower(), value)


def split_sources(sources: list[str] | None, default: str) -> dict[str, Any]:
    """Return the config's fields for SOURCE, which may be several."""
    first, *more = sources or [default]
    return {"source": first, "more_sources": tuple(more)}


def collect_data(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config's fields for how reviews are read, from what a command was given, by the names of its options."""
    from polarity_cli.data.label_rules import parse_values

    read = {name: given[name] for name in ("header", "encoding", "sheet")}
    return {
        "text": split_names(given["text"]),
        "label": given["label"],
        "positive": parse_values(given["positive"] or [], "--positive"),
        "negative": parse_values(given["negative"] or [], "--negative"),
        "read": ReadOptions(delimiter=parse_delimiter(given["delimiter"]), **read),
        "on_error": given["on_error"],
    }


def describe_labels(labels: dict[str, str]) -> str:
    """Return what each value of the label column means, in words."""
    shown = [f"{value} is {meaning}" for value, meaning in labels.items()]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")


def parse_rows(value: str) -> int | None:
    """Return a number of rows, or None for `all`.

    Raises:
        UsageError: it is neither.
    """
    return parse_count(value, "--rows", least=1)


def parse_count(value: str, flag: str, *, least: int) -> int | None:
    """Return a whole number from `least` on, or None for `all`.

    Raises:
        UsageError: it is neither.
    """
    if value == "all":
        return None
    number = int(value) if re.fullmatch("[0-9]{1,15}", value) else least - 1
    if number < least:
        raise UsageError(f"{flag} {value}: expected a whole number from {least}, or 'all'.")
    return number


_UNITS = {"": 1, **{f"{prefix}B": 1000**power for power, prefix in enumerate(("", "K", "M", "G", "T"))}}
_UNITS |= {f"{prefix}IB": 1024**power for power, prefix in enumerate(("K", "M", "G", "T"), 1)}


def parse_size(value: str, flag: str) -> FeatureCache:
    """Return a size such as 20GB or 512MiB in bytes, or `auto` or `off` as they are.

    Raises:
        UsageError: it is none of them.
    """
    if value == "auto":
        return "auto"
    if value == "off":
        return "off"
    return _read_size(value, f"{flag} {value}: expected auto, off, or a size such as 500MB or 20GB.")


def parse_bytes(value: str, flag: str) -> int:
    """Return a size such as 20GB or 512MiB in bytes.

    Raises:
        UsageError: it is none.
    """
    return _read_size(value, f"{flag} {value}: expected a size such as 500MB or 20GB.")


def _read_size(value: str, message: str) -> int:
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([A-Z]*)", value.upper())
    if found is None or found[2] not in _UNITS:
        raise UsageError(message)
    return int(float(found[1]) * _UNITS[found[2]])


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_duration(value: str, flag: str) -> float:
    """Return a time such as 30d, 12h or 2w in seconds.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([smhdw])", value)
    if found is None:
        raise UsageError(f"{flag} {value}: expected a number and s, m, h, d or w, such as 12h or 30d.")
    return float(found[1]) * _SECONDS[found[2]]


def apply_sample(sources: list[str] | None, encoder: str | None, sample: bool) -> tuple[list[str] | None, str | None]:
    """Return source and encoder with `--sample` applied.

    Raises:
        UsageError: another source or encoder is asked for too.
    """
    if not sample:
        return sources, encoder
    if (sources or ["sample"]) != ["sample"] or (encoder or "sample") != "sample":
        raise UsageError("--sample is both source and encoder.", hint="Leave out SOURCE and --encoder, or --sample.")
    return ["sample"], "sample"
