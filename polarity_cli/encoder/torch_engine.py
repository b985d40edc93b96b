"""Run a checkpoint's own weights with torch: for `evaluate`, and for models that have no graph. Used by `inference/predictor`.

Imports torch and transformers, so only functions import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from polarity_cli.checkpoint.classes import check_head, describe_contradiction, find_positive_class, read_names
from polarity_cli.checkpoint.folder_check import read_object
from polarity_cli.checkpoint.reading import find_reading
from polarity_cli.data.batches import Batch, pad
from polarity_cli.data.tokenizing import TextEncoder
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.encoder.agreement import check_agreement
from polarity_cli.encoder.device import start_inference
from polarity_cli.encoder.families import can_be_cut
from polarity_cli.encoder.loading import load_config, load_model, load_tokenizer
from polarity_cli.encoder.logits import compute_logits, get_token_budget
from polarity_cli.encoder.top import Whole
from polarity_cli.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from polarity_cli.checkpoint.checkpoint import CheckpointInfo
    from polarity_cli.data.tokenizing import TokenIds


class TorchEngine:
    """A loaded checkpoint on the machine's device."""

    def __init__(self, model: PreTrainedModel, *, pad_id: int) -> None:
        """Take a model in eval mode; of a family that is not in our table, nobody knows what padding does to its answers."""
        self._device = start_inference()
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


class WholeCheckpoint:
    """A checkpoint's model, tokenizer and positive class, read with transformers."""

    def __init__(self, info: CheckpointInfo, *, positive_class: str | None, check: bool = True) -> None:
        """Load the weights and the tokenizer; with `check`, a stranger's are tried against transformers' own code.

        Raises:
            CheckpointError: they are missing, damaged or not of two classes, or would be read here in another way.
        """
        self.folder = folder = info.folder
        config = load_config(folder)
        stored = read_object(folder / "config.json")
        self.class_names = read_names(stored, info.name)
        self.positive = find_positive_class(self.class_names, positive_class, info.name)
        self.sigmoid = check_head(stored, info.name)
        self.tokenizer: PreTrainedTokenizerFast = load_tokenizer(folder)
        reading = find_reading(info, config, self.tokenizer)
        self.max_length, self.truncation = reading.max_length, reading.truncation
        self.notes = [note for note in (reading.note, describe_contradiction(stored, self.class_names)) if note]
        """What to say whenever it is used."""
        self.model = load_model(folder, new_head=False)
        if check and info.manifest is None:
            check_agreement(self)

    def make_engine(self) -> TorchEngine:
        """Return the engine that runs the model."""
        return TorchEngine(self.model, pad_id=self.tokenizer.pad_token_id or 0)

    def make_encoder(self) -> TextEncoder:
        """Return what turns texts into this model's token ids."""
        return TextEncoder(self.tokenizer.backend_tokenizer, max_length=self.max_length, truncation=self.truncation)
