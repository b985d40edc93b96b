"""What the reader of an evaluation should know, in words, each with what to do. Printed by the commands, kept in the manifest.

To add a check, write one function that returns `Check` values, and add it to `_CHECKS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from polarity_cli.scoring.assessment import Assessment, Scored
from polarity_cli.scoring.circumstances import Circumstances, check_labels, check_texts, count_reviews
from polarity_cli.scoring.values import Baseline, Check

_WIDE = 0.04
"""Width of an F1's 95% interval from which on its second digit says little."""
_RARE = 0.2
"""Share of the smaller class below which accuracy and F1 of the larger one look splendid whatever the model does."""
_FEW_TRAINED, _FEW_SCORED = 200, 30
_MUCH_COPIED = 0.01
_MISCALIBRATED = 0.05
_LEAST_CALIBRATED = 100
"""Reviews from which on a calibration error says more about the scores than about the sample."""
_MARGIN = 0.01
_KNOWS_NOTHING = math.log(2)
"""The log loss of answering 0.5 to everything, in nats."""
_GUESSING = 0.5
"""The ROC AUC of scores that have nothing to do with the labels."""
_ORDERS = 40
"""Orders of the reviews, all as likely, of which the very worst is no chance: the lower end of a 95% interval."""


def find_checks(scored: Scored, assessment: Assessment, about: Circumstances) -> list[Check]:
    """Return what the reader of an evaluation should know, warnings first."""
    checks = [check for function in _CHECKS for check in function(scored, assessment, about)]
    return sorted(checks, key=lambda check: not check.is_warning)


def _check_usefulness(scored: Scored, assessment: Assessment, about: Circumstances) -> Iterator[Check]:
    """Diverged, below chance, or one answer to everything."""
    metrics, n = assessment.metrics, len(scored.y_true)
    if not n:
        return
    loss = metrics["log_loss"] or 0.0
    auc = assessment.intervals.get("roc_auc")
    if n > 1 and _answers_alike(scored) and len(np.unique(scored.y_true)) == 2:
        yield Check(
            "one-answer",
            f"It answers {_name_answer(scored)} to every review: it tells nothing apart.",
            "Train longer (--epochs), on more reviews, or with another --learning-rate; --class-weights balanced where one class "
            "is rare.",
        )
    if _is_below_chance(scored, assessment):
        bounds = f" ({auc[0]:.3f} to {auc[1]:.3f})" if auc is not None else ""
        yield Check(
            "below-chance",
            f"It is worse than guessing: ROC AUC {metrics['roc_auc']:.3f}{bounds}. Are the labels turned round?",
            "Look at how labels were read, and at --positive, --negative and --positive-class.",
        )
    elif loss > _KNOWS_NOTHING + _MARGIN and not about.is_weighted:
        yield Check(
            "log-loss",
            f"Its log loss is {loss:.3f}; knowing nothing and answering 0.5 to everything has {_KNOWS_NOTHING:.3f}.",
            "Its scores are worth nothing; where training diverged, give a lower --learning-rate.",
        )


def _is_below_chance(scored: Scored, assessment: Assessment) -> bool:
    """Tell whether the scores order the reviews the wrong way round, by more than chance explains.

    Where they do so without an exception there is no interval; scores by chance do it for 1 in (N choose positives).
    """
    area, interval = assessment.metrics["roc_auc"], assessment.intervals.get("roc_auc")
    if interval is not None or area != 0:
        return interval is not None and interval[1] < _GUESSING
    n, n_positive = len(scored.y_true), int(scored.y_true.sum())
    log_orders = math.lgamma(n + 1) - math.lgamma(n_positive + 1) - math.lgamma(n - n_positive + 1)
    return log_orders > math.log(_ORDERS)


def _answers_alike(scored: Scored) -> bool:
    answers = scored.y_score >= scored.threshold
    return bool(answers.all() or not answers.any())


def _name_answer(scored: Scored) -> str:
    return "positive" if scored.y_score[0] >= scored.threshold else "negative"


def _check_baselines(scored: Scored, assessment: Assessment, about: Circumstances) -> Iterator[Check]:
    if len(np.unique(scored.y_true)) < 2:
        return  # which is said by itself
    for baseline in assessment.baselines:
        low, high = baseline.difference or (None, None)
        own, other = assessment.metrics["f1_macro"], baseline.metrics["f1_macro"]
        if own is None or other is None or (low is None and own > other):
            continue
        if baseline.name == "majority" and (_answers_alike(scored) or _is_below_chance(scored, assessment)):
            continue  # which was said
        shown = f"macro F1 {own:.3f} beside {other:.3f}"
        advice = "Train on more reviews, or use the simpler model."
        if own < other and (high is None or high < 0):
            yield Check("worse-than-baseline", f"It is worse than {_name(baseline)}: {shown}.", advice)
        elif low is None or low <= 0:
            between = f"; the difference is between {low:+.3f} and {high:+.3f}" if low is not None and high is not None else ""
            yield Check(
                "level-with-baseline",
                f"Whether it is better than {_name(baseline)} cannot be told: {shown}{between}.",
                advice,
                is_warning=baseline.name == "majority",
            )


def _name(baseline: Baseline) -> str:
    return f"`{baseline.description}`" if baseline.name == "majority" else baseline.description


def _check_size(scored: Scored, assessment: Assessment, about: Circumstances) -> Iterator[Check]:
    n, f1, interval = len(scored.y_true), assessment.metrics["f1"], assessment.intervals.get("f1")
    more = "Score more reviews" + (
        ", or train with --folds 5, which scores every review." if about.split != "out of fold" else "."
    )
    if f1 is not None and interval is None and n and (n < _FEW_SCORED or len(np.unique(scored.y_true)) > 1):
        yield Check("small-test-set", f"{count_reviews(n)}: too few to tell how good it is.", more, is_warning=False)
    elif f1 is not None and interval is not None and interval[1] - interval[0] > _WIDE:
        low, high = interval
        wanted = n * ((high - low) / _WIDE) ** 2
        rounded = round(wanted, -max(0, int(math.log10(wanted)) - 1))
        yield Check(
            "small-test-set",
            f"{count_reviews(n)} tell F1 {f1:.3f} from {low:.2f} to {high:.2f} only; two digits need about {rounded:,.0f}.",
            more,
            is_warning=False,
        )
    if about.n_trained is not None and about.n_trained < _FEW_TRAINED:
        advice = ", and trust --folds 5 more than one split" if about.split != "out of fold" else ""
        yield Check(
            "few-trained",
            f"It was trained on {count_reviews(about.n_trained)}.",
            f"Add reviews, and give more --epochs{advice}.",
            is_warning=False,
        )


def _check_balance(scored: Scored, assessment: Assessment, about: Circumstances) -> Iterator[Check]:
    n, n_positive = len(scored.y_true), int(scored.y_true.sum())
    if not n:
        return
    n_rare, name = min((n_positive, "positive"), (n - n_positive, "negative"))
    many = "negative" if name == "positive" else "positive"
    if not n_rare:
        these = "The one review is" if n == 1 else f"All {count_reviews(n)} are"
        yield Check(
            "one-class",
            f"{these} {many}: nothing can be said of the other class.",
            "Score reviews of both classes.",
        )
    elif n_rare < _RARE * n:
        recall = assessment.metrics["recall" if name == "positive" else "negative_recall"]
        found = f"; {recall:.0%} of the {name} ones are found" if recall is not None else ""
        yield Check(
            "unbalanced",
            f"{1 - n_rare / n:.0%} of the reviews are {many}: look at macro F1 and at the {name} class, not at accuracy{found}.",
            "Give --class-weights balanced, or --target-precision, to find more of them." if not about.is_weighted else "",
            is_warning=False,
        )


def _check_copies(scored: Scored, assessment: Assessment, about: Circumstances) -> Iterator[Check]:
    n_near = (assessment.n_near or 0) - min(about.n_seen, assessment.n_near or 0)
    if about.n_seen:
        yield Check(
            "seen-in-training",
            f"{about.n_seen:,} of {count_reviews(len(scored.y_true))} stood in the training split: their scores say little.",
            "Score reviews that it was not trained on.",
        )
    if n_near > _MUCH_COPIED * max(1, assessment.n_compared):
        yield Check(
            "near-copies",
            f"{n_near:,} of {count_reviews(assessment.n_compared)} share 7 in 10 of their word triples with a training review.",
            "Look at how the reviews were collected: scores on such copies flatter.",
            is_warning=False,
        )


def _check_choice(scored: Scored, assessment: Assessment, about: Circumstances) -> Iterator[Check]:
    if about.chose_epoch:
        yield Check(
            "chosen-by",
            f"The {about.split} split chose the weights that are scored on it, so its figures flatter.",
            "Keep a test split (--test 0.2), or train with --folds 5.",
            is_warning=False,
        )


def _check_calibration(scored: Scored, assessment: Assessment, about: Circumstances) -> Iterator[Check]:
    error = assessment.metrics.get("calibration_error")
    if error is None or error <= _MISCALIBRATED or len(scored.y_true) < _LEAST_CALIBRATED:
        return
    if about.is_weighted or (assessment.metrics["log_loss"] or 0.0) > _KNOWS_NOTHING + _MARGIN:
        return  # moved on purpose, or said to be worth nothing
    sure = float(np.maximum(scored.y_score, 1 - scored.y_score).mean())
    right = float(((scored.y_score >= 0.5) == scored.y_true).mean())
    side = "too sure in places, not sure enough in others"
    if abs(sure - right) > _MISCALIBRATED / 2:
        side = "surer than they are right" if sure > right else "less sure than they could be"
    is_trained = about.split in ("validation", "out of fold")  # whose splits calibrate
    yield Check(
        "miscalibrated",
        f"Scores are off by {error:.3f} on average: {side} ({sure:.0%} sure, {right:.0%} right).",
        "Do not read them as probabilities"
        + (
            "."
            if is_trained
            else "; a checkpoint that was trained with a validation split or --folds is calibrated on such reviews."
        ),
        is_warning=False,
    )


_CHECKS: tuple[Callable[[Scored, Assessment, Circumstances], Iterator[Check]], ...] = (
    _check_usefulness,
    _check_baselines,
    _check_copies,
    _check_size,
    _check_balance,
    check_texts,
    check_labels,
    _check_choice,
    _check_calibration,
)
