"""A report's content as an evaluation makes it, from a simulation with a seed: for tests, and to look at the page.

`python -m tests.scoring.report.example page.html` writes it.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarity_cli.scoring.metrics import compute_metrics
from polarity_cli.scoring.report.content import Compared, Differing, ReportContent
from polarity_cli.scoring.values import (
    Baseline,
    Bin,
    Blocks,
    Check,
    Comparison,
    Coverage,
    Epoch,
    Metrics,
    Mistake,
    Slice,
    Suspect,
)

REVIEWS = (
    "Great sound, but the left side stopped after two weeks and nobody answers. I would not buy this again.",
    "Not bad at all! I expected junk for the price and was wrong; my daughter uses it every single day.",
    "The book is a slow, wonderful mess. I gave up twice and am glad that I did not give up a third time.",
    "Arrived broken. The second one arrived broken too. The third works perfectly, so five stars for patience.",
    "It does what it says. Nothing more.",
)
WEIGHTS = {"Great": 1.4, "not": -1.1, "stopped": -0.9, "wonderful": 1.7, "mess.": -1.2, "broken.": -1.6, "broken": -1.3}
WEIGHTS |= {"perfectly,": 1.5, "bad": -0.8, "glad": 0.7, "junk": -1.9, "nobody": -0.6, "five": 0.9, "stars": 0.5}


def simulate(n: int, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels and scores `(n,)` of a good checkpoint that is a little too sure."""
    generator = np.random.default_rng(seed)
    y_true = generator.integers(0, 2, n).astype(np.int64)
    logits = generator.normal(np.where(y_true == 1, 3.2, -3.0), 2.2)
    return y_true, 1 / (1 + np.exp(-1.3 * logits))


def complete(y_true: NDArray[np.int64], y_score: NDArray[np.float64]) -> Metrics:
    """Return the metrics of a table, with those that `compute_metrics` may lack."""
    values: Metrics = {"n": len(y_true), "negative_n": int((y_true == 0).sum()), "positive_n": int((y_true == 1).sum())}
    values |= {"negative_precision": 0.9, "negative_recall": 0.91, "negative_f1": 0.905, "f1_weighted": 0.91, "matthews": 0.82}
    values |= {
        "precision_macro": 0.91,
        "recall_macro": 0.91,
        "average_precision": 0.97,
        "brier": 0.07,
        "calibration_error": 0.031,
    }
    return values | compute_metrics(y_true, y_score)


def make_bins(y_true: NDArray[np.int64], y_score: NDArray[np.float64], n_bins: int = 12) -> tuple[Bin, ...]:
    parts = [part for part in np.array_split(np.argsort(y_score, kind="stable"), n_bins) if len(part)]
    return tuple(
        Bin(y_score[p].min(), y_score[p].max(), len(p), float(y_score[p].mean()), float(y_true[p].mean())) for p in parts
    )


def make_slices() -> tuple[Slice, ...]:
    rows = [
        ("length", "1 to 20 words", 412, 0.951, 1.0),
        ("length", "21 to 80 words", 1_106, 0.932, 1.0),
        ("length", "over 80 words", 482, 0.861, 0.0003),
        ("title", "has a title", 1_840, 0.927, 1.0),
        ("title", "no title", 160, 0.894, 0.41),
        ("category", "Books", 900, 0.918, 1.0),
        ("category", "Home & Kitchen", 36, 0.889, 1.0),
    ]
    return tuple(
        Slice(g, name, n, n // 2, a, (a - 1.2 / n**0.5 * 0.5, min(1, a + 0.9 / n**0.5 * 0.5)), a - 0.004, p, p < 0.05)
        for g, name, n, a, p in rows
    )


def make_mistake(text: str, number: int, expected: str = "negative", *, words: bool = True) -> Mistake:
    weights = tuple((word, WEIGHTS.get(word, (len(word) - 4) * 0.03)) for word in text.split()) if words else None
    predicted = "positive" if expected == "negative" else "negative"
    return Mistake(text, f"reviews.csv:{number + 2}", expected, predicted, 0.99 - number / 50, weights)


def make_compared(metrics: Metrics) -> Compared:
    second = {key: None if value is None else value * 0.985 for key, value in metrics.items()}
    differences = {key: None if (a := metrics[key]) is None or (b := second[key]) is None else a - b for key in metrics}
    verdict = "bert-last-4 is right on 31 more of 2,000 reviews than bert-last-2, and that is more than chance."
    intervals = {"accuracy": (0.004, 0.027), "f1_macro": (0.003, 0.028), "roc_auc": None}
    found = Comparison(2_000, 1_790, 62, 31, 117, 0.0017, metrics, second, differences, intervals, True, verdict)
    differing = tuple(
        Differing(text, f"reviews.csv:{place}", "positive", "positive", "negative", 0.81, 0.64)
        for place, text in enumerate(REVIEWS[1:4])
    )
    return Compared("bert-last-4", "bert-last-2", found, differing)


def make_content(n: int = 2_000, seed: int = 0, **changes: Any) -> ReportContent:
    """Return a content with every part, of `n` simulated reviews."""
    y_true, y_score = simulate(n, seed)
    metrics = complete(y_true, y_score)
    generator = np.random.default_rng(seed)
    losses = [(step, float(0.25 + 0.45 * np.exp(-step / 150) + generator.normal(0, 0.03))) for step in range(900)]
    baselines = (
        Baseline("majority", "always positive", complete(y_true, np.ones(n)), (0.55, 0.61)),
        Baseline(
            "tf-idf", "logistic regression on words and pairs of words", complete(y_true, 0.2 + 0.6 * y_score), (0.031, 0.058)
        ),
    )
    content = ReportContent(
        title="bert-last-4 on reviews.csv",
        subtitle="Scored on the test split, which training never saw",
        verdict="It is right on 92 of 100 reviews, which is more than chance and more than counting words explain.",
        made="2026-05-31",
        facts=(
            ("checkpoint", "./runs/bert-last-4"),
            ("scored", f"{n:,} reviews, the test split of reviews.csv"),
            ("precision", "int8"),
            ("threshold", "0.5"),
            ("encoder", "google-bert/bert-base-uncased"),
            ("took", "38 s, 53 rows a second"),
        ),
        checks=(
            Check("duplicates", "14 reviews stand in the test split twice.", "Remove them with --deduplicate."),
            Check("balance", "Both classes are about as frequent.", "", is_warning=False),
        ),
        y_true=y_true,
        y_score=y_score,
        metrics=metrics,
        intervals={"accuracy": (0.911, 0.934), "f1_macro": (0.9105, 0.9338), "roc_auc": (0.962, 0.979), "log_loss": None},
        baselines=baselines,
        others=(("fp32", complete(y_true, y_score**1.02)),),
        coverage=tuple(Coverage(c, int(n * s), s, c * 0.4 + 0.57, 0.95, 0.94) for c, s in ((0.5, 1.0), (0.8, 0.9), (0.95, 0.71))),
        bins=make_bins(y_true, y_score),
        calibration=(("calibration error", 0.061, 0.018), ("log loss", 0.243, 0.211)),
        epochs=tuple(Epoch(e, 0.6 / e, 0.9 + 0.01 * min(e, 3), 0.3 / e**0.3, e == 3) for e in range(1, 5)),
        losses=losses,
        slices=make_slices(),
        mistakes=tuple(make_mistake(text, i, ("negative", "positive")[i % 2]) for i, text in enumerate(REVIEWS)),
        suspects=tuple(Suspect(i * 7, text, f"reviews.csv:{i + 2}", "negative", 0.02) for i, text in enumerate(REVIEWS[1:4])),
        compared=make_compared(metrics),
        blocks=Blocks("google-bert/bert-base-uncased", 12, 8, False, 28_944_386, 80_539_392),
        commands=(
            "polarity train reviews.csv --blocks 4 --out ./runs/bert-last-4",
            "polarity evaluate ./runs/bert-last-4 --report r.html",
        ),
        versions={"polarity": "0.9.0", "torch": "2.13.0", "scikit-learn": "1.9.0"},
    )
    return dataclasses.replace(content, **changes)


if __name__ == "__main__":
    from polarity_cli.scoring.report.page import write_report

    write_report(Path(sys.argv[1]), make_content())
