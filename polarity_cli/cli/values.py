"""What the words behind options mean: lists, numbers, sizes, times."""

from __future__ import annotations

import re
from typing import Any

from polarity_cli.config import DEFAULT_SOURCE, All, check_choice
from polarity_cli.errors import UsageError
from polarity_cli.train_config import FeatureCache


def take_all(values: list[str], flag: str) -> tuple[str, ...]:
    """Return what was given, unchanged."""
    return tuple(values)


def choose(value: str, flag: str, *, choices: tuple[str, ...]) -> str:
    """Return a value that is one of `choices`.

    Raises:
        UsageError: it is not.
    """
    check_choice(flag, value, choices)
    return value


def split_names(values: list[str], flag: str) -> tuple[str, ...]:
    """Return the column names in comma-separated lists, one after the other.

    Raises:
        UsageError: a name is empty.
    """
    names = tuple(name.strip() for value in values for name in value.split(","))
    if not all(names):
        raise UsageError(
            f"{flag} {','.join(values)}: a column name is empty.",
            hint=f"Separate names by single commas, e.g. {flag} title,content.",
        )
    return names


def parse_labels(values: list[str], flag: str) -> tuple[str, ...]:
    """Return values of the label column, and comparisons; see `data.label_rules`.

    Raises:
        UsageError: one is empty, or no comparison.
    """
    from polarity_cli.data.label_rules import parse_values

    return parse_values(values, flag)


_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "bar": "|", "space": " "}


def parse_delimiter(value: str, flag: str) -> str:
    """Return the character that a word stands for, or the value as it is."""
    return _DELIMITERS.get(value.lower(), value)


def parse_count(value: str, flag: str, *, least: int) -> int | All:
    """Return a whole number from `least` on, or `all`.

    Raises:
        UsageError: it is neither.
    """
    if value == "all":
        return "all"
    number = int(value) if re.fullmatch("[0-9]{1,15}", value) else least - 1
    if number < least:
        raise UsageError(f"{flag} {value}: expected a whole number from {least}, or 'all'.")
    return number


def parse_requirement(value: str, flag: str) -> float | str:
    """Return a share such as 0.85, or `baseline` as it is.

    Raises:
        UsageError: it is neither.
    """
    if value == "baseline":
        return value
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", value):
        raise UsageError(f"{flag} {value}: expected an F1 such as 0.85, or baseline.")
    return float(value)


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
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([A-Z]*)", value.upper())
    if match is None or match[2] not in _UNITS:
        raise UsageError(message)
    return int(float(match[1]) * _UNITS[match[2]])


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_duration(value: str, flag: str) -> float:
    """Return a time such as 30d, 12h or 2w in seconds.

    Raises:
        UsageError: it is none.
    """
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([smhdw])", value)
    if match is None:
        raise UsageError(f"{flag} {value}: expected a number and s, m, h, d or w, such as 12h or 30d.")
    return float(match[1]) * _SECONDS[match[2]]


def parse_shard(value: str, flag: str) -> tuple[int, int]:
    """Return which of how many shares is meant by `3/64`.

    Raises:
        UsageError: it says something else.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", value.strip())
    if match is None:
        hint = "In a Slurm array: --shard $SLURM_ARRAY_TASK_ID/64, with --array=1-64."
        raise UsageError(f"{flag} {value}: expected two numbers, such as 3/64 for the third of 64 shares.", hint=hint)
    return int(match[1]), int(match[2])


def name_sources(given: dict[str, Any], sources: tuple[str, ...], *, sample: bool) -> dict[str, Any]:
    """Return a config's values with those for SOURCE, which may be several, and for `--sample`.

    Raises:
        UsageError: with `--sample` another source or encoder is asked for too.
    """
    if sample:
        if (sources or ("sample",)) != ("sample",) or given.get("encoder", "sample") not in ("", "sample"):
            raise UsageError("--sample is both source and encoder.", hint="Leave out SOURCE and --encoder, or --sample.")
        sources, given = ("sample",), {**given, "encoder": "sample"}
    first, *more = sources or (DEFAULT_SOURCE,)
    return {**given, "source": first, "more_sources": tuple(more)}
