"""What an evaluation says in one sentence. Printed by the commands, and first on the page."""

from __future__ import annotations

from polarity_cli.scoring.values import Baseline, Check, Interval, Intervals, Metrics

_CRUSHING = ("below-chance", "one-answer")


def describe_verdict(metrics: Metrics, intervals: Intervals, baselines: tuple[Baseline, ...], checks: tuple[Check, ...]) -> str:
    """Return in one sentence how good a checkpoint is, and beside what."""
    n, accuracy = int(metrics["n"] or 0), metrics["accuracy"]
    if accuracy is None:
        return "No review was scored."
    shown = f"Right on {accuracy:.1%} of {n:,} {'review' if n == 1 else 'reviews'}{_show(intervals.get('accuracy'))}"
    one_class = next((check for check in checks if check.name == "one-class"), None)
    if one_class is not None:
        return f"{shown}; {one_class.message[0].lower()}{one_class.message[1:]}"
    crushing = next((check for check in checks if check.name in _CRUSHING), None)
    if crushing is not None:
        return f"{shown}, and of no use as it stands: {crushing.message[0].lower()}{crushing.message[1:]}"
    best = max(baselines, key=lambda baseline: baseline.metrics["f1_macro"] or 0.0, default=None)
    if best is None or best.difference is None:
        return f"{shown}."
    low, high = best.difference
    side = "better than" if low > 0 else "worse than" if high < 0 else "not clearly better than"
    name = f"`{best.description}`" if best.name == "majority" else best.description
    return f"{shown}: {side} {name} ({best.metrics['accuracy'] or 0.0:.1%})."


def _show(interval: Interval | None) -> str:
    return f" ({interval[0]:.1%} to {interval[1]:.1%})" if interval else ""
