"""An evaluation on a terminal: the table of metrics with their intervals, the mistakes two by two, in at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from polarity_cli.scoring.values import Baseline, Check, Coverage, Interval, Metrics, Slice

_ROWS = {
    "negative": ("negative_precision", "negative_recall", "negative_f1", "negative_n"),
    "positive": ("precision", "recall", "f1", "positive_n"),
    "macro": ("precision_macro", "recall_macro", "f1_macro", "n"),
    "weighted": ("precision_weighted", "recall_weighted", "f1_weighted", "n"),
}
"""As in scikit-learn's `classification_report`."""
_OTHERS = (
    ("accuracy", "accuracy"),
    ("Matthews", "matthews"),
    ("ROC AUC", "roc_auc"),
    ("average precision", "average_precision"),
    ("log loss", "log_loss"),
    ("Brier score", "brier"),
    ("calibration error", "calibration_error"),
)
_CONFIDENCES = (0.9, 0.99)
_CELL, _NAME = 19, 12
WIDTH = 80
"""Columns that what is printed keeps to."""

Bounds = Mapping[str, Interval | None]


def format_scores(metrics: Metrics, intervals: Bounds) -> Iterator[str]:
    """Yield the lines of the table of metrics: value, and 95% interval in brackets."""
    yield f"{'':<{_NAME}}" + "".join(f"{title:<{_CELL}}" for title in ("precision", "recall", "F1")) + f"{'reviews':>8}"
    for name, (*shares, count) in _ROWS.items():
        row = "".join(f"{format_value(metrics, intervals, key):<{_CELL}}" for key in shares)
        yield f"{name:<{_NAME}}{row}{int(metrics.get(count) or 0):>8,}"
    yield ""
    cells = [f"{title:<18} {format_value(metrics, intervals, key):<{_CELL - 2}}" for title, key in _OTHERS]
    for start in range(0, len(cells), 2):
        yield "  ".join(cells[start : start + 2]).rstrip()


def format_value(metrics: Metrics, intervals: Bounds, name: str) -> str:
    """Return a metric as `0.911 (0.88-0.94)`, without the bracket where the sample tells no interval."""
    value, interval = metrics.get(name), intervals.get(name)
    if value is None:
        return "-"
    if interval is None:
        return f"{value:.3f}"
    until = "-" if interval[0] >= 0 else " to "  # which would stand beside a minus
    return f"{value:.3f} ({interval[0]:.2f}{until}{interval[1]:.2f})"


def format_confusion(metrics: Metrics) -> Iterator[str]:
    """Yield the lines of the mistakes two by two: in counts, and in per cent of each class."""
    yield f"{'':<{_NAME}}{'called negative':>20}{'called positive':>20}"
    for truth in ("negative", "positive"):
        counts = [int(metrics[f"{truth}_as_{answer}"] or 0) for answer in ("negative", "positive")]
        cells = "".join(f"{f'{count:,} ({count / max(1, sum(counts)):.1%})':>20}" for count in counts)
        yield f"{truth:<{_NAME}}{cells}"


def format_baselines(baselines: Sequence[Baseline]) -> str:
    """Return how the baselines do, as one text."""
    shown = [
        f"{one.description}: {one.metrics['accuracy'] or 0.0:.3f} right, macro F1 {one.metrics['f1_macro'] or 0.0:.3f}"
        for one in baselines
    ]
    return "; ".join(shown)


def format_coverage(coverage: Sequence[Coverage]) -> str:
    """Return which share is answered at some confidences, and how much of that is right."""
    chosen = [one for one in coverage if one.min_confidence in _CONFIDENCES and one.accuracy is not None]
    return "; ".join(f"from {one.min_confidence:g} on {one.share:.0%}, {one.accuracy:.1%} right" for one in chosen)


def format_worse(slices: Sequence[Slice]) -> str:
    """Return the slices that are really worse than the others, with how much of each is right."""
    shown = [
        f"{one.group} {one.name}: {one.accuracy:.1%} right ({one.interval[0]:.1%}-{one.interval[1]:.1%}) of {one.n:,}"
        for one in slices
        if one.is_worse
    ]
    return "; ".join(shown)


def format_check(check: Check) -> str:
    """Return a check as it is told."""
    return f"Check: {check.message} {check.advice}".rstrip()
