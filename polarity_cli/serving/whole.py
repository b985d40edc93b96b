"""Run a checkpoint's own weights with torch: for `evaluate`, and for models that have no graph. Used by `serving/predictor`.

Imports torch and transformers, so only functions import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from polarity_cli.data.batches import Batch, pad
from polarity_cli.data.text import TextEncoder
from polarity_cli.encoder.classes import find_positive_class
from polarity_cli.encoder.inference import compute_logits, get_token_budget
from polarity_cli.encoder.loading import get_longest_input, load_config, load_model, load_tokenizer
from polarity_cli.encoder.processor import start_inference
from polarity_cli.encoder.top import Whole
from polarity_cli.processes import ALONE, Processes

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from polarity_cli.data.text import TokenIds
    from polarity_cli.encoder.checkpoint import CheckpointInfo


class TorchEngine:
    """A loaded checkpoint on the machine's device."""

    def __init__(self, model: PreTrainedModel, *, pad_id: int) -> None:
        self._device = start_inference()
        self._whole = Whole(model).to(self._device)
        self._pad_id = pad_id

    def compute_logits(
        self,
        token_ids: Sequence[TokenIds],
        advance: Callable[[int], None] = lambda n: None,
        *,
        processes: Processes = ALONE,
    ) -> NDArray[np.float64]:
        """Return the logits `(N, 2)` of reviews given as token ids, which processes share if they all call this.

        Raises:
            PolarityError: a logit is not a finite number.
        """

        def answer(batch: Batch) -> torch.Tensor:
            ids, mask = pad([token_ids[i] for i in batch], pad_id=self._pad_id)
            logits: torch.Tensor = self._whole(torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device))
            return logits

        lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
        budget = get_token_budget(self._device)
        return compute_logits(answer, lengths, budget=budget, processes=processes, advance=advance)

    def start(self, token_ids: Sequence[TokenIds]) -> Callable[[], NDArray[np.float64]]:
        """Return what computes the logits `(N, 2)` when it is called."""
        return lambda: self.compute_logits(token_ids)

    def close(self) -> None:
        """Do nothing: nothing runs beside the caller."""


class WholeCheckpoint:
    """A checkpoint's model, tokenizer and positive class, read with transformers."""

    def __init__(self, info: CheckpointInfo, *, positive_class: str | None) -> None:
        """Load the weights and the tokenizer.

        Raises:
            CheckpointError: they are missing, damaged or not of two classes.
        """
        config = load_config(info.folder)
        self.positive = find_positive_class(config.id2label, positive_class, info.folder)
        self.tokenizer: PreTrainedTokenizerFast = load_tokenizer(info.folder)
        longest = get_longest_input(config, self.tokenizer, info.folder)
        self.max_length = min(info.max_length or longest, longest)
        self.class_names: dict[int, str] = dict(config.id2label)
        self.truncation = info.truncation
        self.model = load_model(info.folder, new_head=False)

    def make_engine(self) -> TorchEngine:
        """Return the engine that runs the model."""
        return TorchEngine(self.model, pad_id=self.tokenizer.pad_token_id or 0)

    def make_encoder(self) -> TextEncoder:
        """Return what turns texts into this model's token ids."""
        return TextEncoder(self.tokenizer.backend_tokenizer, max_length=self.max_length, truncation=self.truncation)
