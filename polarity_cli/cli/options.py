"""Options that several commands share, and the values that take a word or a number."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from polarity_cli.config import FeatureCache
from polarity_cli.errors import UsageError


def paragraphs(text: str) -> str:
    """Return text for `--help` that keeps its line breaks."""
    return "\b\n" + textwrap.dedent(text).strip().replace("\n\n", "\n\n\b\n")


CacheDir = Annotated[
    Path | None,
    typer.Option(
        envvar=["POLARITY_CACHE", "POLARITY_CACHE_DIR"],
        help="Where tokenized data and checkpoints are kept. [default: the user's cache folder]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", envvar="POLARITY_JSON", help="Print one JSON document on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", envvar="POLARITY_QUIET", help="No progress and no notes.")]
Offline = Annotated[
    bool,
    typer.Option("--offline", envvar="POLARITY_OFFLINE", help="Make no connection; use what an earlier run fetched."),
]
Debug = Annotated[bool, typer.Option("--debug", envvar="POLARITY_DEBUG", help="Show tracebacks.")]

NumberOfProcesses = Annotated[
    int | None,
    typer.Option(
        "--processes",
        metavar="N",
        help="Processes on this machine, one for each GPU, or sharing the processors. [default: 1, or what a launcher started]",
        show_default=False,
    ),
]

CHECKPOINT_HELP = (
    "A checkpoint folder, or a model's id on the Hub. [default: $POLARITY_CHECKPOINT, ./ckpt, or the newest in the cache]"
)
SOURCE_HELP = (
    "Reviews: amazon_polarity, another Hub data set, sample, a file (.csv .tsv .jsonl .json .parquet, fastText's .txt, each also "
    ".gz .bz2 .zst), or a folder with train and test files."
)
Text = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMNS",
        help="Columns that make the text, in order, e.g. title,content. [default: found by name]",
        show_default=False,
    ),
]
Label = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column that holds the label. [default: found by name]", show_default=False),
]
Positive = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE",
        help="The label that means positive. [default: understood for 0/1, 1/2, negative/positive, neg/pos, __label__1/2]",
        show_default=False,
    ),
]
PositiveClass = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The model's class that means positive, or 0 or 1. [default: by its names]", show_default=False
    ),
]
EscapeFormulas = Annotated[
    bool,
    typer.Option(
        "--escape-formulas",
        help="Put an apostrophe before cells that a spreadsheet would run: those that begin with = + - @, a tab or a line break. "
        "CSV and TSV only.",
    ),
]
Sample = Annotated[bool, typer.Option("--sample", help="The built-in reviews and encoder: SOURCE sample and --encoder sample.")]
Test = Annotated[float, typer.Option(metavar="SHARE", help="Share of the rows for the test split, where the source brings none.")]
Seed = Annotated[int, typer.Option(help="Seed of the splits, the new weights, the order and dropout.")]
MaxLength = Annotated[int, typer.Option(metavar="TOKENS", help="Tokens kept of a review.")]
Truncation = Annotated[str, typer.Option(metavar="head|tail|head-tail", help="What is kept of a longer review.")]


def split_names(value: str | None, flag: str = "--text") -> tuple[str, ...] | None:
    """Return the column names in a comma-separated list.

    Raises:
        UsageError: a name is empty.
    """
    if value is None:
        return None
    names = tuple(name.strip() for name in value.split(","))
    if not all(names):
        raise UsageError(
            f"{flag} {value}: a column name is empty.",
            hint=f"Separate names by single commas, e.g. {flag} title,content.",
        )
    return names


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


def apply_sample(source: str | None, encoder: str | None, sample: bool) -> tuple[str | None, str | None]:
    """Return source and encoder with `--sample` applied.

    Raises:
        UsageError: another source or encoder is asked for too.
    """
    if not sample:
        return source, encoder
    if (source or "sample") != "sample" or (encoder or "sample") != "sample":
        raise UsageError("--sample is both source and encoder.", hint="Leave out SOURCE and --encoder, or --sample.")
    return "sample", "sample"
