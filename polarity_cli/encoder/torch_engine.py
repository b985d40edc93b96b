"""Run a checkpoint's own weights with torch, on a CPU or through `encoder/gpu_engine`. Used by `inference/labeller`.

On a CPU that is for models that have no graph, and for `evaluate --precision weights`.

Imports torch and transformers, so only functions import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.classes import describe_contradiction
from polarity_cli.checkpoint.text_limits import find_text_limits
from polarity_cli.data.batches import Batch, pad
from polarity_cli.data.tokenizing import ReviewTokenizer
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.encoder.device import set_up_processor
from polarity_cli.encoder.families import can_be_cut
from polarity_cli.encoder.gpu_engine import GpuEngine
from polarity_cli.encoder.loading import load_model
from polarity_cli.encoder.logits import compute_logits, get_token_budget
from polarity_cli.encoder.tokenizer import find_size, open_tokenizer
from polarity_cli.encoder.top import Whole
from polarity_cli.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from polarity_cli.data.tokenizing import TokenIds
    from polarity_cli.inference.boundaries import Boundaries


class TorchEngine:
    """A loaded checkpoint on the processors, in float32."""

    def __init__(self, model: PreTrainedModel, *, pad_id: int) -> None:
        """Take a model in eval mode; of a family that is not in our table, nobody knows what padding does to its answers."""
        set_up_processor()
        self._device = torch.device("cpu")
        self._pads = can_be_cut(model.config)
        self._whole = Whole(model).to(self._device)
        self._pad_id = pad_id

    def compute_logits(
        self,
        token_ids: Sequence[TokenIds],
        advance: Callable[[int], None] = lambda n: None,
        *,
        world: World = ALONE,
    ) -> NDArray[np.float64]:
        """Return the logits `(N, 2)` of reviews given as token ids, which processes share if they all call this.

        Raises:
            PolarityError: a logit is not a finite number.
            CheckpointError: the model's code cannot take a text.
        """

        def answer(batch: Batch) -> torch.Tensor:
            ids, mask = pad([token_ids[i] for i in batch], pad_id=self._pad_id)
            try:
                logits: torch.Tensor = self._whole(
                    torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device)
                )
            except (IndexError, RuntimeError, TypeError, ValueError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise CheckpointError(f"The model cannot read a text of {ids.shape[1]} tokens ({reason}).") from error
            return logits

        lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
        budget = get_token_budget(self._device)
        return compute_logits(answer, lengths, budget=budget, pads=self._pads, world=world, advance=advance)

    def start(self, token_ids: Sequence[TokenIds]) -> Callable[[], NDArray[np.float64]]:
        """Return what computes the logits `(N, 2)` when it is called."""
        return lambda: self.compute_logits(token_ids)

    def close(self) -> None:
        """Do nothing: nothing runs beside the caller."""


class TorchCheckpoint:
    """A checkpoint's weights, loaded by transformers, with its tokenizer and what its classes mean."""

    def __init__(self, checkpoint: Checkpoint, *, positive_class: str | None) -> None:
        """Load the weights and the tokenizer.

        Raises:
            CheckpointError: they are missing, damaged or not of two classes.
        """
        self.source = checkpoint.model
        size = find_size(self.source)
        self.class_names = checkpoint.class_names
        self.positive = checkpoint.find_positive(positive_class)
        self.sigmoid = checkpoint.sigmoid
        self.tokenizer = open_tokenizer(self.source)
        limits = find_text_limits(checkpoint, size, self.tokenizer)
        self.max_length, self.truncation = limits.max_length, limits.truncation
        contradiction = describe_contradiction(self.source.config, self.class_names)
        self.notes = [note for note in (limits.note, contradiction) if note]
        """What to say whenever it is used."""
        self.model = load_model(self.source, new_head=False)

    def make_engine(self) -> TorchEngine:
        """Return the engine that runs the model on the processors."""
        return TorchEngine(self.model, pad_id=self.tokenizer.pad_id or 0)

    def make_gpu_engine(self, device: torch.device, dtype: torch.dtype, boundaries: Boundaries) -> GpuEngine:
        """Return the engine that runs the model on a GPU, see `GpuEngine`."""
        return GpuEngine(self.model, pad_id=self.tokenizer.pad_id or 0, device=device, dtype=dtype, boundaries=boundaries)

    def load_tokenizer(self) -> ReviewTokenizer:
        """Return what turns texts into this model's token ids."""
        return ReviewTokenizer(self.tokenizer.backend, max_length=self.max_length, truncation=self.truncation)
