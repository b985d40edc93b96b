"""What is positive: the likelier class without a threshold, else what reaches it; the score is that of the label given."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from polarity_cli.checkpoint.choose import find_checkpoint
from polarity_cli.config import Context, PredictConfig
from polarity_cli.data.tokenizing import ReviewTokenizer, TokenIds
from polarity_cli.inference.graphs import GraphFolder, find_own_graphs
from polarity_cli.inference.labeller import Labeller
from polarity_cli.inference.precision import _find_positive
from polarity_cli.inference.scores import compute_scores
from polarity_cli.inference.threshold import describe_threshold
from polarity_cli.records import Prediction, Threshold
from polarity_cli.verbs.open_labeller import open_labeller
from polarity_cli.verbs.open_model import open_model


class Given:
    """An engine whose logits the test gives."""

    def __init__(self, logits: NDArray[np.float64]) -> None:
        self._logits = logits

    def start(self, token_ids: Sequence[TokenIds]) -> Callable[[], NDArray[np.float64]]:
        return lambda: self._logits[: len(token_ids)]

    def close(self) -> None:
        pass


@pytest.fixture
def tokenizer(tiny_checkpoint: Path, tmp_path: Path) -> ReviewTokenizer:
    graphs = find_own_graphs(find_checkpoint(tiny_checkpoint, Context(cache_dir=tmp_path)))
    assert graphs is not None
    return graphs.load_tokenizer()


def answer(logits: Sequence[Sequence[float]], tokenizer: ReviewTokenizer, **more: float | bool | None) -> list[Prediction]:
    engine = Given(np.array(logits, dtype=np.float64))
    return Labeller(engine, tokenizer, positive=1, **more).predict(["great"] * len(logits))  # type: ignore[arg-type]


def make_logits(*positive: float) -> list[tuple[float, float]]:
    """Return logits whose probabilities of positive are these."""
    return [(0.0, math.log(p / (1 - p))) for p in positive]


def test_label_is_positive_from_the_threshold_on_with_the_score_of_the_label(tokenizer: ReviewTokenizer) -> None:
    found = answer(make_logits(0.9, 0.8, 0.7, 0.2), tokenizer, threshold=0.75)
    assert [prediction.label for prediction in found] == ["positive", "positive", "negative", "negative"]
    assert [prediction.score for prediction in found] == pytest.approx([0.9, 0.8, 0.3, 0.8])
    low = answer(make_logits(0.3, 0.2), tokenizer, threshold=0.25)
    assert [prediction.label for prediction in low] == ["positive", "negative"]
    assert [prediction.score for prediction in low] == pytest.approx([0.3, 0.8])


def test_score_that_equals_the_threshold_is_positive(tokenizer: ReviewTokenizer) -> None:
    (found,) = answer([(0.0, 1.0)], tokenizer)
    assert found.score is not None
    assert answer([(0.0, 1.0)], tokenizer, threshold=found.score)[0].label == "positive"
    assert answer([(0.0, 1.0)], tokenizer, threshold=math.nextafter(found.score, 1))[0].label == "negative"


def test_threshold_of_a_half_changes_no_bit(tokenizer: ReviewTokenizer) -> None:
    random = np.random.default_rng(0)
    near = [(x, x + sign * k * 2.0**-53) for x in (0.0, 0.25, 1.0, -3.0) for k in range(9) for sign in (-1, 1)]
    far = [(0.0, 800.0), (800.0, 0.0), (0.0, 0.0), (40.0, 0.0), (0.0, 40.0)]
    logits = [*near, *far, *random.normal(0, 3, (500, 2)).tolist()]
    for sure in (0.0, 0.5, 0.9, 1.0):
        without = answer(logits, tokenizer, min_confidence=sure)
        assert answer(logits, tokenizer, threshold=0.5, min_confidence=sure) == without


def test_unsure_is_what_would_have_a_score_below_the_least(tokenizer: ReviewTokenizer) -> None:
    found = answer(make_logits(0.9, 0.7, 0.4), tokenizer, threshold=0.8, min_confidence=0.5)
    assert [prediction.label for prediction in found] == ["positive", "uncertain", "negative"]
    assert found[1].score == pytest.approx(0.3)


def test_classes_that_are_scored_by_themselves_have_a_threshold_on_positive_alone(tokenizer: ReviewTokenizer) -> None:
    both, neither = (3.0, 2.0), (-3.0, -2.0)
    without = answer([both, neither], tokenizer, sigmoid=True)
    assert [prediction.label for prediction in without] == ["negative", "positive"]
    found = answer([both, neither], tokenizer, sigmoid=True, threshold=0.5)
    assert [prediction.label for prediction in found] == ["positive", "negative"]
    assert [prediction.score for prediction in found] == pytest.approx([1 / (1 + math.exp(-2)), 1 / (1 + math.exp(3))])


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("sigmoid", [False, True])
def test_precisions_are_compared_by_the_labels_that_the_threshold_gives(positive: int, sigmoid: bool) -> None:
    logits = np.random.default_rng(0).normal(0, 2, (200, 2))
    graphs = GraphFolder(Path(), "int8", {}, {0: "a", 1: "b"}, 128, "head", sigmoid=sigmoid)
    scores = compute_scores(logits, sigmoid=sigmoid)[:, positive]
    for threshold in (0.1, 0.5, 0.9):
        found = _find_positive(graphs, logits, positive=positive, threshold=threshold)
        assert found.tolist() == [score >= threshold for score in scores.tolist()]
    without = _find_positive(graphs, logits, positive=positive, threshold=None)
    assert without.tolist() == (logits.argmax(axis=1) == positive).tolist()


def test_graphs_and_torch_answer_by_the_same_threshold(tiny_checkpoint: Path, tmp_path: Path) -> None:
    texts, labels = ["great", "awful", "a great but boring book", "it was the best"], []
    context = Context(cache_dir=tmp_path)
    checkpoint = find_checkpoint(tiny_checkpoint, context)
    for precision in ("fp32", "int8"):
        labeller = open_labeller(checkpoint, PredictConfig(threshold=0.93, precision=precision), context)
        assert (labeller.threshold, labeller.name) == (0.93, precision)
        labels.append([prediction.label for prediction in labeller.predict(texts)])
    model = open_model(checkpoint, context, precision="weights", threshold=0.93)
    labeller = Labeller(model.engine, model.load_tokenizer(), positive=model.positive, threshold=model.threshold)
    labels.append([prediction.label for prediction in labeller.predict(texts)])
    assert labels[0] == labels[1] == labels[2]


def test_sentence_says_what_the_answers_of_the_class_were_worth() -> None:
    threshold = Threshold(0.1234567, "negative", 0.95, 0.953, 0.61, 1503, "out of fold")
    assert describe_threshold(threshold) == (
        "Threshold 0.123457 of the checkpoint: on 1,503 reviews out of fold, 95.3% of the answers `negative` were right, and "
        "61.0% of the negative reviews were found. --threshold 0.5 answers by the likelier class."
    )
