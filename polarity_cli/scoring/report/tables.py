"""Lay out the numbers of a page as rows and drawings made of boxes. Used by `scoring/report/page`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polarity_cli.records import LABEL_NAMES
from polarity_cli.scoring.report.content import ReportContent
from polarity_cli.scoring.report.numbers import MISSING, format_count, format_fraction, format_interval
from polarity_cli.scoring.values import Blocks, Interval, Metrics, Slice

_GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Negative reviews",
        (
            ("negative_precision", "precision"),
            ("negative_recall", "recall"),
            ("negative_f1", "F1"),
            ("negative_n", "reviews"),
        ),
    ),
    ("Positive reviews", (("precision", "precision"), ("recall", "recall"), ("f1", "F1"), ("positive_n", "reviews"))),
    (
        "All reviews",
        (
            ("accuracy", "accuracy"),
            ("precision_macro", "macro precision"),
            ("recall_macro", "macro recall"),
            ("f1_macro", "macro F1"),
            ("precision_weighted", "weighted precision"),
            ("recall_weighted", "weighted recall"),
            ("f1_weighted", "weighted F1"),
            ("matthews", "Matthews correlation"),
            ("n", "reviews"),
        ),
    ),
    ("Ranking", (("roc_auc", "area under ROC"), ("average_precision", "average precision"))),
    (
        "Probabilities (lower is better)",
        (("log_loss", "log loss (nats)"), ("brier", "Brier score"), ("calibration_error", "calibration error")),
    ),
)
"""Metrics in the order of scikit-learn's `classification_report`, then the rest."""
_COUNTS = frozenset({"n", "negative_n", "positive_n"})
NAMES = {key: name for _, rows in _GROUPS for key, name in rows} | {
    "negative_precision": "precision of negative",
    "negative_recall": "recall of negative",
    "negative_f1": "F1 of negative",
    "precision": "precision of positive",
    "recall": "recall of positive",
    "f1": "F1 of positive",
}
"""What a person calls each metric where no heading says of which class it is."""
_HEADLINES = (("f1_macro", "Macro F1"), ("accuracy", "Accuracy"), ("roc_auc", "Area under ROC"))


@dataclass(frozen=True, slots=True)
class Headline:
    """One of the large numbers at the top."""

    name: str
    value: str
    interval: str


@dataclass(frozen=True, slots=True)
class Row:
    """A metric: its value, its interval, and what others reach."""

    name: str
    value: str
    interval: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the confusion matrix."""

    n: int
    share: float | None
    """Of the reviews of the same truth; None where there are none."""
    is_right: bool


@dataclass(frozen=True, slots=True)
class Whisker:
    """An interval on a line, all in per cent of its width."""

    low: float
    high: float
    at: float


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the encoder."""

    name: str
    trains: bool
    is_cut: bool


def list_headlines(content: ReportContent) -> list[Headline]:
    """Return the two or three main numbers, with their intervals; those that are not defined are left out."""
    shown = [(key, name, content.metrics.get(key)) for key, name in _HEADLINES]
    return [
        Headline(name, format_fraction(value, 3), _or_empty(format_interval(content.intervals.get(key), 3)))
        for key, name, value in shown
        if value is not None
    ]


def _or_empty(text: str) -> str:
    return "" if text == MISSING else text


def list_rows(content: ReportContent) -> list[tuple[str, list[Row]]]:
    """Return the rows of the table of metrics under their headings; a metric that nobody has is left out."""
    columns = [metrics for _, metrics in content.others] + [baseline.metrics for baseline in content.baselines]
    groups = []
    for heading, metrics in _GROUPS:
        known = [(key, name) for key, name in metrics if any(key in column for column in (content.metrics, *columns))]
        rows = [
            Row(
                name,
                format_metric(content.metrics, key),
                format_interval(content.intervals.get(key)),
                tuple(format_metric(column, key) for column in columns),
            )
            for key, name in known
        ]
        if rows:
            groups.append((heading, rows))
    return groups


def is_count(key: str) -> bool:
    """Return whether a metric counts reviews."""
    return key in _COUNTS


def format_metric(metrics: Metrics, key: str) -> str:
    """Return a metric as the table shows it: counts whole, all else to four decimals."""
    value = metrics.get(key)
    return format_count(value) if is_count(key) else format_fraction(value)


def count_cells(content: ReportContent) -> list[tuple[str, int, list[Cell]]]:
    """Return the rows of the confusion matrix, negative first: the truth, its reviews, and the cells of each prediction."""
    predicted = (content.y_score >= content.threshold).astype(np.int64)
    rows = []
    for truth, name in enumerate(LABEL_NAMES):
        of_truth = predicted[content.y_true == truth]
        n_all = len(of_truth)
        counts = [int((of_truth == answer).sum()) for answer in (0, 1)]
        cells = [Cell(n, n / n_all if n_all else None, answer == truth) for answer, n in enumerate(counts)]
        rows.append((name, n_all, cells))
    return rows


def place_whiskers(slices: tuple[Slice, ...]) -> tuple[list[Whisker], float]:
    """Return the interval of each slice on one line, and the accuracy at the line's left end; its right end is 1."""
    left = min((min(part.interval[0], part.accuracy) for part in slices), default=0.0)
    left = min(0.9, max(0.0, int(left * 10) / 10))
    return [_place(part.interval, part.accuracy, left) for part in slices], left


def _place(interval: Interval, value: float, left: float) -> Whisker:
    low, high, at = (round(100 * min(1.0, max(0.0, (x - left) / (1 - left))), 2) for x in (*interval, value))
    return Whisker(low, high, at)


def list_boxes(blocks: Blocks) -> list[Box]:
    """Return the parts of the encoder from the words to the answer; the first that trains after a frozen one is the cut."""
    trains = [("embeddings", blocks.embeddings_train)]
    trains += [(f"block {number}", number >= blocks.cut) for number in range(blocks.n_blocks)]
    trains += [("head", True)]
    before = [True, *(trained for _, trained in trains)]
    return [Box(name, trained, trained and not earlier) for (name, trained), earlier in zip(trains, before, strict=False)]
