"""How far something simple gets: what a model must beat to be worth its price. The verbs show it beside the model's figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarity_cli.records import LABEL_NAMES, NEGATIVE, POSITIVE
from polarity_cli.scoring.metrics import THRESHOLD, compute_metrics
from polarity_cli.scoring.values import Baseline

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]
MOST_ROWS = 20_000
"""Of more training rows TF-IDF takes a sample with a seed: so many of 500 characters take 5 seconds and 550 MB."""
_MOST_ROWS_OF_CHARACTERS = 5_000
_SEED = 42
_SMALL = 100
"""Of fewer training rows, words that stand in one alone count too."""
_BLOCK = 5_000
"""Test texts that are read together."""
_WORDS: dict[str, Any] = {"analyzer": "word", "ngram_range": (1, 2)}
_CHARACTERS: dict[str, Any] = {"analyzer": "char", "ngram_range": (1, 2)}


@dataclass(frozen=True, slots=True)
class FittedBaseline:
    """A baseline, and what it says of the test reviews."""

    name: str
    """`majority` or `tf-idf`."""
    description: str
    """What it is, for a person."""
    y_score: Scores
    """`(N,)`, probability of positive of each test review."""
    n_rows: int
    """Training rows that it was fitted on."""


@dataclass(frozen=True, slots=True)
class FittedBaselines:
    """The baselines that could be fitted."""

    fitted: tuple[FittedBaseline, ...]
    left_out: str
    """Why one is missing, as a sentence; empty where none is."""


def score_baselines(train_texts: Sequence[str], train_labels: Labels, test_texts: Sequence[str]) -> FittedBaselines:
    """Return what the training rows' commoner class, and TF-IDF with a logistic regression, say of test reviews.

    Both see the training rows alone. TF-IDF takes words and pairs of words, or characters where most texts have no words that
    it finds (scripts without spaces, emoji): linear models on them are hard to beat (Wang, Manning 2012, "Baselines and
    Bigrams"). A test review takes 0.2 ms.

    Args:
        train_texts: `M` texts.
        train_labels: `(M,)`, 0 negative, 1 positive.
        test_texts: `N` texts.
    """
    if not len(train_labels):
        return FittedBaselines((), "There are no training reviews to fit a baseline on.")
    share = float(train_labels.mean())
    described = f"always {LABEL_NAMES[POSITIVE if share >= THRESHOLD else NEGATIVE]}"
    majority = FittedBaseline("majority", described, np.full(len(test_texts), share), n_rows=len(train_labels))
    if share in (0.0, 1.0):
        return FittedBaselines((majority,), "All training reviews are of one class: TF-IDF has nothing to learn from them.")
    tf_idf = _fit_tf_idf(train_texts, train_labels, test_texts)
    if tf_idf is None:
        return FittedBaselines((majority,), "The training reviews have no words or characters in common: TF-IDF is left out.")
    return FittedBaselines((majority, tf_idf), "")


def describe_baselines(fitted: Sequence[FittedBaseline], y_true: Labels) -> list[Baseline]:
    """Return the metrics of baselines on the test reviews, at the threshold 0.5, without `difference`, which takes the model.

    Args:
        fitted: from `score_baselines`.
        y_true: `(N,)`, 0 negative, 1 positive.
    """
    return [Baseline(one.name, one.description, compute_metrics(y_true, one.y_score), difference=None) for one in fitted]


def _fit_tf_idf(train_texts: Sequence[str], train_labels: Labels, test_texts: Sequence[str]) -> FittedBaseline | None:
    """Fit on words, or on characters where there are none; None where there are none of those either."""
    for unit, most, options in (
        ("", MOST_ROWS, _WORDS),
        (" of characters", _MOST_ROWS_OF_CHARACTERS, _CHARACTERS),
    ):
        rows = _sample(train_labels, most)
        vectorizer, features = _fit_vectorizer([train_texts[row] for row in rows], options)
        if features is not None and (features.getnnz(axis=1) > 0).mean() >= 0.5:
            y_score = _score(vectorizer, features, train_labels[rows], test_texts)
            some = f", on {len(rows):,} of {len(train_labels):,} training rows" if len(rows) < len(train_labels) else ""
            return FittedBaseline("tf-idf", f"TF-IDF{unit} with logistic regression{some}", y_score, n_rows=len(rows))
    return None


def _sample(labels: Labels, most: int) -> NDArray[np.int64]:
    """Return the numbers of all rows, or of `most` of them with the classes in the same proportion, in rising order."""
    if len(labels) <= most:
        return np.arange(len(labels))
    rng = np.random.default_rng(_SEED)
    chosen = []
    for label in (NEGATIVE, POSITIVE):
        rows = np.flatnonzero(labels == label)
        chosen.append(rng.choice(rows, max(1, round(most * len(rows) / len(labels))), replace=False))
    return np.sort(np.concatenate(chosen))


def _fit_vectorizer(texts: Sequence[str], options: dict[str, Any]) -> tuple[Any, Any]:
    """Return a vectorizer and the texts' features, a sparse `(M, V) float32` matrix, or None where they have no terms."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    min_df = 2 if len(texts) >= _SMALL else 1
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=min_df, dtype=np.float32, **options)
    try:
        return vectorizer, vectorizer.fit_transform(texts)
    except ValueError:  # its only word for an empty vocabulary, which no argument allows
        return vectorizer, None


def _score(vectorizer: Any, features: Any, labels: Labels, test_texts: Sequence[str]) -> Scores:
    """Return the probability of positive of each test text, from a logistic regression on the training features."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000).fit(features, labels)
    blocks = [test_texts[start : start + _BLOCK] for start in range(0, len(test_texts), _BLOCK)]
    scores = [model.predict_proba(vectorizer.transform(block))[:, POSITIVE].astype(np.float64) for block in blocks]
    return np.concatenate([np.zeros(0), *scores])
