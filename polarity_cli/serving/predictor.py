"""Labels and scores for texts, from a checkpoint.

Texts are tokenized as in training and predicted in batches of like length; the answers come back in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from polarity_cli.records import LABEL_NAMES, POSITIVE, Prediction, join_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polarity_cli.encoder.checkpoint import CheckpointInfo

BLANK = Prediction(label="", score=None)


class Predictor:
    """A loaded checkpoint."""

    def __init__(self, info: CheckpointInfo, *, positive_class: str | None = None, min_confidence: float = 0.0) -> None:
        """Load the weights and the tokenizer.

        Raises:
            CheckpointError: they are missing, damaged or not of two classes.
        """
        # torch and transformers take seconds to import, so nothing imports them before a model is needed.
        from polarity_cli.data.text import TextEncoder
        from polarity_cli.encoder.classes import find_positive_class
        from polarity_cli.encoder.loading import get_longest_input, load_config, load_model, load_tokenizer
        from polarity_cli.encoder.processor import start_inference
        from polarity_cli.encoder.top import Whole

        self._device = start_inference()
        config = load_config(info.folder)
        self._positive = find_positive_class(config.id2label, positive_class, info.folder)
        tokenizer = load_tokenizer(info.folder)
        longest = get_longest_input(config, tokenizer, info.folder)
        self._whole = Whole(load_model(info.folder, new_head=False)).to(self._device)
        self._encoder = TextEncoder(
            tokenizer.backend_tokenizer, max_length=min(info.max_length or longest, longest), truncation=info.truncation
        )
        self._pad_id = tokenizer.pad_token_id or 0
        self._min_confidence = min_confidence

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Return a prediction for each text, in order; a blank text gets an empty label."""
        cleaned = [join_text([text]) for text in texts]
        wanted = [index for index, text in enumerate(cleaned) if text]
        predictions = [BLANK] * len(texts)
        if not wanted:
            return predictions
        token_ids = self._encoder.encode([cleaned[index] for index in wanted])
        for index, score in zip(wanted, self.score(token_ids).tolist(), strict=True):
            predictions[index] = self._decide(score)
        return predictions

    def score(
        self, token_ids: Sequence[NDArray[np.int32]], advance: Callable[[int], None] = lambda n: None
    ) -> NDArray[np.float64]:
        """Return the probability of positive, `(N,)`, of reviews given as token ids."""
        import numpy as np
        import torch

        from polarity_cli.data.batches import Batch, pad
        from polarity_cli.encoder.inference import compute_logits, compute_scores, get_token_budget

        def answer(batch: Batch) -> torch.Tensor:
            ids, mask = pad([token_ids[i] for i in batch], pad_id=self._pad_id)
            logits: torch.Tensor = self._whole(torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device))
            return logits

        lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
        logits = compute_logits(answer, lengths, budget=get_token_budget(self._device), advance=advance)
        return compute_scores(logits)[:, self._positive]

    def _decide(self, score: float) -> Prediction:
        label = POSITIVE if score >= 0.5 else 1 - POSITIVE
        confidence = max(score, 1 - score)
        if confidence < self._min_confidence:
            return Prediction("uncertain", confidence)
        return Prediction(LABEL_NAMES[label], confidence)
