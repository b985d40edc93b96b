"""What each verb is asked to do: one frozen dataclass a verb, which checks itself.

A field and the flag that sets it have the same name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from polarity_cli.context import Context as Context
from polarity_cli.errors import require
from polarity_cli.read_options import ReadOptions as ReadOptions

DEFAULT_SOURCE = "amazon_polarity"
DEFAULT_ENCODER = "bert-base-uncased"
SAMPLE = "sample"
SHORTEST_LENGTH = 8
"""Fewest tokens that a review may be cut to."""
TRUNCATIONS = ("head", "head-tail", "tail")
SPLITS = ("all", "test", "train", "validation")
PRECISIONS = ("fp32", "int8")
AUTO = "auto"
"""The device: a GPU where there is one that torch can use, else the processors."""
ON_ERROR = ("fail", "keep", "skip")
RANKS = ("negative", "positive", "uncertain")
All = Literal["all"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which reviews are read, how they are split, and for which encoder they are tokenized."""

    source: str = DEFAULT_SOURCE
    more_sources: tuple[str, ...] = ()
    """Local files that are read with the first one."""
    read: ReadOptions = field(default_factory=ReadOptions)
    on_error: str = "fail"
    """What becomes of a broken row: the run fails, or it is skipped."""
    encoder: str = DEFAULT_ENCODER
    text: tuple[str, ...] | None = None
    """Columns that make the text, in order; None finds title and content."""
    preferred_text: tuple[str, ...] | None = None
    """Columns that a checkpoint was trained on: taken where `text` is None and the source has them all."""
    label: str | None = None
    positive: tuple[str, ...] = ()
    """Values of the label column, or comparisons, that mean positive."""
    negative: tuple[str, ...] = ()
    rows: int | All = 10_000
    """Rows read from the source, from its beginning."""
    test: float = 0.2
    """Share of the rows for the test split, where the source brings none."""
    validation: float = 0.1
    seed: int = 42
    max_length: int = 512
    """Tokens kept of a review, special tokens included."""
    truncation: str = "head"

    def __post_init__(self) -> None:
        require(self.rows == "all" or self.rows >= 1, f"--rows {self.rows}: expected a number from 1, or 'all'.")
        _check_share("--test", self.test)
        _check_share("--validation", self.validation)
        require(
            self.test + self.validation < 1,
            f"--test {self.test} and --validation {self.validation} leave no training rows.",
        )
        require(0 <= self.seed < 2**32, f"--seed {self.seed}: expected a number from 0 to {2**32 - 1}.")
        require(self.max_length >= SHORTEST_LENGTH, f"--max-length {self.max_length}: expected {SHORTEST_LENGTH} tokens or more.")
        check_choice("--truncation", self.truncation, TRUNCATIONS)
        require(
            self.on_error in ("fail", "skip"),
            f"--on-error {self.on_error}: choose fail or skip.",
            hint="A row without a label cannot be kept: nothing can be learned from it.",
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """All that is read."""
        return (self.source, *self.more_sources)

    @property
    def row_limit(self) -> int | None:
        """Most rows that are read, as the cache and manifests keep it: None where all are."""
        return None if self.rows == "all" else self.rows


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """One evaluation of a checkpoint."""

    checkpoint: str | Path | None = None
    """A folder or a Hub id; None takes that of `POLARITY_CHECKPOINT`, `./ckpt`, or the newest in the cache."""
    sources: tuple[str, ...] = ()
    """None takes the reviews that the checkpoint was made from."""
    split: str | None = None
    """None takes the test split that a source brings, else all of it; without a source that of the training run."""
    read: ReadOptions = field(default_factory=ReadOptions)
    on_error: str = "fail"
    text: tuple[str, ...] | None = None
    label: str | None = None
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    rows: int | All | None = None
    """Rows read from the source; None reads all of one that is named, and as many as the training run of its own."""
    positive_class: str | None = None
    """The model's class that means positive, by its name or as 0 or 1; None goes by the usual names."""
    threshold: float | None = None
    """From this probability of positive on the answer is positive; None takes the checkpoint's own, else 0.5."""
    precision: str | None = None
    """What answers: a graph, or the weights; None takes what `predict` answers with."""
    device: str = AUTO
    """Where the weights answer: `auto`, `cpu`, `cuda`, or a GPU by its number, `cuda:1`."""
    by: tuple[str, ...] = ()
    """Columns whose values divide the reviews into slices."""
    errors: Path | None = None
    """Where the mistakes are written, in any written format of rows."""
    predictions: Path | None = None
    """Where every review is written with its scores."""
    suspects: Path | None = None
    """Where the reviews are written whose labels the scores contradict."""
    against: str | None = None
    """Another checkpoint, which answers the same reviews."""
    fail_if_worse: bool = False
    """Whether being really worse than the other checkpoint is a failure."""
    report: Path | None = None
    """Where the page is written that shows all of it."""
    escape_formulas: bool = False
    """Whether cells that a spreadsheet would run get an apostrophe."""

    def __post_init__(self) -> None:
        if self.split is not None:
            check_choice("--split", self.split, SPLITS)
        check_threshold(self.threshold)
        if self.precision is not None:
            check_choice("--precision", self.precision, (*PRECISIONS, "weights"))
        check_device(self.device, self.precision)
        require(not self.fail_if_worse or self.against is not None, "--fail-if-worse needs --against CHECKPOINT.")
        if self.escape_formulas:
            files = [path for path in (self.errors, self.predictions, self.suspects) if path is not None]
            is_table = any(f".{name}" in path.name for name in ("csv", "tsv", "tab") for path in files)
            require(is_table, "--escape-formulas is for CSV and TSV.", hint="Give --errors a name ending in .csv or .tsv.")


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """How texts are labelled."""

    checkpoint: str | Path | None = None
    """As in `EvaluateConfig`."""
    input: tuple[str, ...] = ()
    """Files, globs and folders; none where texts are given or come by standard input."""
    input_format: str | None = None
    """A key of `formats.FORMATS`; None goes by the suffix."""
    read: ReadOptions = field(default_factory=ReadOptions)
    output: Path | None = None
    """A file, or a folder for several inputs; None is standard output."""
    format: str | None = None
    """Of the output; None goes by its suffix, else by the input."""
    prefix: str | None = None
    """What stands before `label` and `score` in the names of the added columns; None finds out what is free."""
    escape_formulas: bool = False
    text: tuple[str, ...] | None = None
    """Columns of structured records that make the text; None takes those that the checkpoint was trained on."""
    threshold: float | None = None
    """From this probability of positive on the label is positive; None takes the checkpoint's own, else the likelier class."""
    min_confidence: float = 0.0
    """Below this probability of the label that would be given it is `uncertain`."""
    positive_class: str | None = None
    """The model's class that means positive, by its name or as 0 or 1; None goes by the usual names."""
    precision: str | None = None
    """Of the graph; None takes int8 where the export found that it turns hardly a label, else fp32."""
    device: str = AUTO
    """As in `EvaluateConfig`."""
    on_error: str = "fail"
    """What becomes of a broken record: the run fails, or it is skipped, or kept with an empty label."""
    explain: bool = False
    shard: tuple[int, int] | None = None
    """Which of how many processes this is, counted from 1; each labels its share of the inputs."""
    rank: str | None = None
    """In place of all records the `limit` that are nearest the threshold, or most surely of a class."""
    limit: int | None = None
    """Most records that are written; without `rank` the first ones, and no more are read."""

    def __post_init__(self) -> None:
        check_choice("--on-error", self.on_error, ON_ERROR)
        if self.rank is not None:
            check_choice("--rank", self.rank, RANKS)
            require(self.limit is not None, f"--rank {self.rank} needs --limit N.", hint="Say how many: --limit 100.")
        require(self.limit is None or self.limit >= 1, f"--limit {self.limit}: expected a number from 1.")
        if self.shard is not None:
            k, n = self.shard
            require(1 <= k <= n, f"--shard {k}/{n}: expected a number from 1 to {max(n, 1)} before the stroke.")
        if self.precision is not None:
            check_choice("--precision", self.precision, PRECISIONS)
        check_device(self.device, self.precision)
        check_threshold(self.threshold)
        require(
            0 <= self.min_confidence <= 1,
            f"--min-confidence {self.min_confidence}: expected a probability from 0 to 1.",
        )


@dataclass(frozen=True, kw_only=True)
class PruneConfig:
    """What may leave the cache."""

    older_than: float | None = None
    """Seconds since its last use."""
    max_size: int | None = None
    """Bytes that the cache shall have at most; what was used longest ago goes first."""
    dry_run: bool = False

    def __post_init__(self) -> None:
        require(
            self.older_than is not None or self.max_size is not None,
            "Nothing says what may go.",
            hint="Give --older-than 30d, --max-size 5GB, or both; --dry-run only shows what would go.",
        )


def check_choice(flag: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise UsageError unless `value` is one of `choices`."""
    require(value in choices, f"{flag} {value}: choose one of {', '.join(choices)}.")


def check_threshold(threshold: float | None) -> None:
    """Raise UsageError unless a threshold is None or between 0 and 1."""
    require(
        threshold is None or 0 < threshold < 1,
        f"--threshold {threshold}: expected a probability above 0 and below 1.",
    )


def check_device(device: str, precision: str | None) -> None:
    """Raise UsageError unless `device` is one that can be meant, and answers in `precision`."""
    require(
        device in (AUTO, "cpu") or re.fullmatch(r"cuda(:[0-9]{1,3})?", device) is not None,
        f"--device {device}: choose one of auto, cpu, cuda, cuda:0, cuda:1 and so on.",
    )
    require(
        device in (AUTO, "cpu") or precision != "int8",
        f"--device {device} --precision int8: the int8 graph runs on processors alone.",
        hint="Leave out --precision for bfloat16, or give --precision fp32; the graph: --device cpu --precision int8",
    )


def _check_share(flag: str, value: float) -> None:
    require(0 <= value < 1, f"{flag} {value}: expected a share of the rows from 0 to below 1.")
