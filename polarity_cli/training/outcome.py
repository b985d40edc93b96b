"""What a run comes to: its scores calibrated, the threshold that is asked for, and the metrics that the manifest keeps.

After `training/loop`, in every process at the same time. Next on the road: the verb `train`, which publishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarity_cli.encoder.head import scale_logits
from polarity_cli.inference.scores import compute_scores
from polarity_cli.records import Threshold
from polarity_cli.scoring.calibration import Temperature, fit_temperature
from polarity_cli.scoring.metrics import compute_metrics
from polarity_cli.scoring.thresholds import describe_best, find_threshold
from polarity_cli.scoring.values import Metrics

if TYPE_CHECKING:
    from polarity_cli.training.run import Run

OUT_OF_FOLD = "out of fold"
Scores = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to."""

    y_scores: dict[str, Scores]
    """By split, `(N,)`: the calibrated probability of positive of each review; `out of fold` is of the train split."""
    metrics: dict[str, Metrics]
    """By split, at the threshold."""
    calibration: dict[str, Any]
    """The temperature and what it changed, or the reason why there is none; see `scoring/calibration`."""
    threshold: Threshold | None = None
    folds: dict[str, Any] | None = None
    """How many there were, and the F1 of each."""
    labels: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """By split, `(N,)`."""


def conclude(run: Run, *, out_of_fold: Scores | None = None, folds: NDArray[np.int64] | None = None) -> Outcome:
    """Calibrate the model, find the threshold, score the splits, and return what the run came to.

    The temperature is fitted on the validation split, or on the scores out of fold, and goes into the weights of the classifier.

    Args:
        run: trained; its model's last layer is changed.
        out_of_fold: `(N, 2)`, the train split's logits from tops that did not see it; None without folds.
        folds: `(N,)`, the fold of each of its reviews.
    """
    logits, labels = {}, {name: examples.split.labels for name, examples in run.examples.items()}
    if out_of_fold is not None:
        logits[OUT_OF_FOLD], labels[OUT_OF_FOLD] = out_of_fold, labels["train"]
    if "validation" in run.examples:
        logits["validation"] = _compute_logits(run, "validation")
    fitted_on = next((name for name in (OUT_OF_FOLD, "validation") if name in logits), None)
    found = _fit(labels[fitted_on], logits[fitted_on]) if fitted_on else "no validation split and no folds to fit it on"
    found = run.world.broadcast(found)
    calibration: dict[str, Any] = {"reason": found}
    if isinstance(found, Temperature):
        scale_logits(run.model, 1 / found.temperature)
        logits = {name: own / found.temperature for name, own in logits.items()}
        calibration = {"fitted_on": fitted_on, **asdict(found)}
    if "test" in run.examples:
        logits["test"] = _compute_logits(run, "test")
    y_scores = {name: compute_scores(own)[:, 1] for name, own in logits.items()}
    threshold = _find_threshold(run, labels, y_scores, fitted_on)
    level = threshold.positive if threshold else 0.5
    return Outcome(
        y_scores=y_scores,
        metrics={name: compute_metrics(labels[name], own, threshold=level) for name, own in y_scores.items()},
        calibration=calibration,
        threshold=threshold,
        folds=_describe_folds(labels["train"], y_scores[OUT_OF_FOLD], folds, level) if folds is not None else None,
        labels=labels,
    )


def _compute_logits(run: Run, split: str) -> Scores:
    examples = run.examples[split]
    with run.context.observer.track(f"Evaluating the {split} split", len(examples), unit="reviews") as advance:
        return run.fine_tuner.compute_logits(examples, np.arange(len(examples)), advance=advance)


def _fit(y_true: NDArray[np.int64], logits: Scores) -> Temperature | str:
    return fit_temperature(y_true, logits[:, 1] - logits[:, 0])


def _find_threshold(
    run: Run, labels: dict[str, NDArray[np.int64]], y_scores: dict[str, Scores], found_on: str | None
) -> Threshold | None:
    """Return the threshold that reaches the precision asked for, and say so; None where nobody asks, or none reaches it."""
    config, observer = run.config, run.context.observer
    if config.target_precision is None or found_on is None:
        return None
    y_true, y_score = labels[found_on], y_scores[found_on]
    threshold = find_threshold(y_true, y_score, target_precision=config.target_precision, of=config.of, found_on=found_on)
    if threshold is None:
        best = describe_best(y_true, y_score, config.of)
        reached = f"the best is {best[0]:.3f}" if best else "too few reviews are answered so"
        observer.warn(
            f"No threshold makes {config.target_precision:.1%} of the answers `{config.of}` right on the {len(y_true):,} reviews "
            f"({found_on}): {reached}. The checkpoint has none, and answers by the likelier class."
        )
        return None
    observer.note(
        f"Threshold {threshold.positive:.4f}: {threshold.precision:.1%} of the answers `{threshold.of}` are right, and "
        f"{threshold.recall:.1%} of the {threshold.of} reviews are found ({threshold.n:,} reviews, {found_on})."
    )
    return threshold


def _describe_folds(y_true: NDArray[np.int64], y_score: Scores, folds: NDArray[np.int64], threshold: float) -> dict[str, Any]:
    """Return how many folds there are, and each one's F1, with their mean and standard deviation."""
    by_fold: Sequence[float] = [
        compute_metrics(y_true[folds == fold], y_score[folds == fold], threshold=threshold)["f1"] or 0.0
        for fold in range(int(folds.max()) + 1)
    ]
    return {
        "n": len(by_fold),
        "f1": list(by_fold),
        "f1_mean": float(np.mean(by_fold)),
        "f1_deviation": float(np.std(by_fold, ddof=1)),
    }
