"""Labels and scores for texts, from an engine that answers token ids with logits.

Texts are tokenized as in training; the answers come back in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from polarity_cli.data.tokenizing import ReviewTokenizer
from polarity_cli.inference.scores import compute_scores
from polarity_cli.records import LABEL_NAMES, POSITIVE, Prediction
from polarity_cli.text import join_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polarity_cli.data.tokenizing import TokenIds

BLANK = Prediction(label="", score=None)
_WORD = re.compile(r"\S+")
LONGEST_EXPLAINED = 50_000
"""Characters of the longest text that is explained: each of its words is a text of its own to tokenize."""
_EXPLAINED_TOGETHER = 64


def list_words(text: str) -> list[tuple[int, int]]:
    """Return where each word of a text begins and ends."""
    return [match.span() for match in _WORD.finditer(text)]


class Engine(Protocol):
    """What answers token ids with logits."""

    def start(self, token_ids: Sequence[TokenIds]) -> Callable[[], NDArray[np.float64]]:
        """Begin to run reviews, and return what waits for their logits `(N, 2)`."""

    def close(self) -> None:
        """Drop what has not begun to run."""


class Labeller:
    """A loaded checkpoint."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: ReviewTokenizer,
        *,
        positive: int,
        threshold: float | None = None,
        min_confidence: float = 0.0,
        sigmoid: bool = False,
        name: str = "",
    ) -> None:
        """Take what answers.

        Args:
            engine: from token ids to logits.
            tokenizer: from texts to token ids.
            positive: the index of the positive class.
            threshold: the probability of positive from which on the label is positive; None takes the likelier class.
            min_confidence: the probability of the label below which it is `uncertain`.
            sigmoid: whether each class is scored by itself.
            name: what runs: `int8`, `fp32` or `torch`.
        """
        self._engine, self._tokenizer, self._positive = engine, tokenizer, positive
        self._min_confidence, self._sigmoid = min_confidence, sigmoid
        self.threshold, self.name = threshold, name

    def start(self, texts: Sequence[str], *, explain: bool = False) -> Callable[[], list[Prediction]]:
        """Begin to predict texts, and return what waits for a prediction for each, in order; a blank text gets an empty label."""
        cleaned = [join_text([text]) for text in texts]
        wait = self._start_scoring(cleaned)

        def finish() -> list[Prediction]:
            predictions = [
                self._decide(positive, negative) if text else BLANK
                for text, (negative, positive) in zip(cleaned, wait().tolist(), strict=True)
            ]
            if explain:
                pairs = zip(predictions, cleaned, strict=True)
                return [replace(found, words=self.explain(text)) if text else found for found, text in pairs]
            return predictions

        return finish

    def start_scoring(self, texts: Sequence[str]) -> Callable[[], NDArray[np.float64]]:
        """Begin to score texts, and return what waits for the scores of negative and positive, `(N, 2)`; NaN for a blank text."""
        return self._start_scoring([join_text([text]) for text in texts])

    def _start_scoring(self, cleaned: Sequence[str]) -> Callable[[], NDArray[np.float64]]:
        import numpy as np

        indices = [index for index, text in enumerate(cleaned) if text]
        scores = np.full((len(cleaned), 2), np.nan)
        if not indices:
            return lambda: scores
        wait = self._engine.start(self._tokenizer.encode([cleaned[index] for index in indices]))

        def finish() -> NDArray[np.float64]:
            scores[indices] = compute_scores(wait(), sigmoid=self._sigmoid)[:, [1 - self._positive, self._positive]]
            return scores

        return finish

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Return a prediction for each text, in order; a blank text gets an empty label."""
        return self.start(texts)()

    def explain(self, text: str) -> tuple[tuple[str, float], ...] | None:
        """Return each word with the log-odds of positive that are lost when it is left out; None for a very long text.

        The occlusion of Zeiler, Fergus 2014 (arXiv 1311.2901), by words. A word that the model does not read, because the text is
        cut before it, weighs 0.
        """
        if len(text) > LONGEST_EXPLAINED:
            return None
        words = list_words(text)
        weights = self.weigh(text, words)
        return tuple((text[begin:end], weight) for (begin, end), weight in zip(words, weights, strict=True))

    def weigh(self, text: str, spans: Sequence[tuple[int, int]]) -> list[float]:
        """Return for each span of a text, in rising order, the log-odds of positive that are lost when it is left out."""
        (whole,) = self._tokenizer.encode([text])
        (base,) = self._compute_odds([whole])
        weights: list[float] = []
        for start in range(0, len(spans), _EXPLAINED_TOGETHER):
            part = spans[start : start + _EXPLAINED_TOGETHER]
            without = self._tokenizer.encode([text[:begin] + text[end:] for begin, end in part])
            changed = [ids for ids in without if ids.tobytes() != whole.tobytes()]
            odds = iter(self._compute_odds(changed) if changed else [])
            weights += [0.0 if ids.tobytes() == whole.tobytes() else base - next(odds) for ids in without]
            if not changed and self._tokenizer.truncation == "head":  # nothing behind the cut can change anything
                weights += [0.0] * (len(spans) - len(weights))
                break
        return weights

    def close(self) -> None:
        """Drop what has been started and not waited for."""
        self._engine.close()

    def _compute_odds(self, token_ids: Sequence[TokenIds]) -> list[float]:
        """Return the log-odds of positive of each review, in nats; 0 where nothing is left to read."""
        odds = [0.0] * len(token_ids)
        full = [index for index, ids in enumerate(token_ids) if len(ids)]
        if full:
            logits = self._engine.start([token_ids[index] for index in full])()
            for index, own in zip(full, (logits[:, self._positive] - logits[:, 1 - self._positive]).tolist(), strict=True):
                odds[index] = own
        return odds

    def _decide(self, positive: float, negative: float) -> Prediction:
        is_positive = positive >= (negative if self.threshold is None else self.threshold)
        confidence = positive if is_positive else negative
        if confidence < self._min_confidence:
            return Prediction("uncertain", confidence)
        return Prediction(LABEL_NAMES[POSITIVE if is_positive else 1 - POSITIVE], confidence)
