"""The threshold that `predict` answers by: the one asked for, or the one that the checkpoint's training found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarity_cli.records import POSITIVE, Observer, Threshold

if TYPE_CHECKING:
    from polarity_cli.checkpoint.checkpoint import Checkpoint

_REVIEWS = {"validation": "validation reviews", "out of fold": "reviews out of fold"}


def find_threshold(checkpoint: Checkpoint, option: float | None, positive: int) -> float | None:
    """Return the probability of positive from which on a text is positive; None where the likelier class answers.

    A checkpoint's own one is about the class that was positive in training. Where the other class is taken as positive, what it
    promises is not true, so it is left out.

    Args:
        checkpoint: that predicts.
        option: the threshold that is asked for.
        positive: the index of the class that is taken as positive.
    """
    if option is not None or checkpoint.threshold is None or positive != POSITIVE:
        return option
    return checkpoint.threshold.positive


def report_threshold(checkpoint: Checkpoint, option: float | None, positive: int, observer: Observer) -> None:
    """Say where a checkpoint's own threshold is used, and warn where it cannot be; see `find_threshold`."""
    own = checkpoint.threshold
    if option is not None or own is None:
        return
    if positive == POSITIVE:
        observer.note(describe_threshold(own))
        return
    observer.warn(
        f"Threshold {own.positive:.6g} of the checkpoint is not used: what was positive in training is not positive here. "
        "The likelier class answers; --threshold P sets one."
    )


def describe_threshold(threshold: Threshold) -> str:
    """Return what to say where a checkpoint's own threshold is used."""
    return (
        f"Threshold {threshold.positive:.6g} of the checkpoint: on {threshold.n:,} {_REVIEWS[threshold.found_on]}, "
        f"{threshold.precision:.1%} of the answers `{threshold.of}` were right, and {threshold.recall:.1%} of the {threshold.of} "
        "reviews were found. --threshold 0.5 answers by the likelier class."
    )
