"""Run a whole model on a GPU in one precision, batch after batch, without waiting for it. Used by `encoder/gpu_engine`.

The same code runs on a CPU, which is how it is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polarity_cli.data.batches import Batch, pad
from polarity_cli.encoder.fast.attention import NAME
from polarity_cli.encoder.top import Whole
from polarity_cli.errors import CheckpointError, PolarityError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from polarity_cli.data.tokenizing import TokenIds

_TAKE_WHOLE_MASK = frozenset({"bert", "camembert", "distilbert", "electra", "ernie", "roberta", "xlm-roberta"})
"""Families whose code hands a mask of four dimensions to its blocks as it is; ModernBERT's local blocks want another."""
_HINT = "End what else runs on it, or answer on the processors: --device cpu"
_OUT_OF_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


class Runner:
    """A model on a device, in one precision."""

    def __init__(self, model: PreTrainedModel, *, pad_id: int, device: torch.device) -> None:
        """Take a model in eval mode, in the precision that it is to run in; it is moved to the device.

        Raises:
            PolarityError: the device's memory does not hold it.
        """
        self.device, self._pad_id = device, pad_id
        try:
            self._whole = Whole(model).to(device)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise PolarityError(
                f"{device} has not the memory for the model ({str(error).splitlines()[0]}).", hint=_HINT
            ) from error
        is_fused = model.config._attn_implementation == NAME  # added to the scores elsewhere, where a bool would be 1
        self._takes_whole_mask = is_fused and model.config.model_type in _TAKE_WHOLE_MASK
        self.most_tokens: int | None = None
        """The largest batch that the memory was found to hold, in tokens; None while every batch fitted."""

    def launch(
        self,
        token_ids: Sequence[TokenIds],
        batches: Iterable[tuple[Batch, int]],
        advance: Callable[[int], None] = lambda n: None,
    ) -> Callable[[], NDArray[np.float64]]:
        """Queue batches of reviews on the device, and return what waits for the logits `(N, 2) float64` of all of them, once.

        Args:
            token_ids: of N reviews; those that are in no batch get 0.
            batches: each with a number that `advance` is told once it is queued.
            advance: see there.

        Raises:
            CheckpointError: the model's code cannot take a text.
            PolarityError: the memory does not hold a single review.
        """
        queued: list[tuple[Batch, Tensor]] = []
        with torch.inference_mode():
            for batch, n_done in batches:
                queued += self._answer(token_ids, batch)
                advance(n_done)

        def wait() -> NDArray[np.float64]:
            logits = np.zeros((len(token_ids), 2))
            if queued:
                numbers = np.concatenate([batch for batch, _ in queued])
                logits[numbers] = torch.cat([part for _, part in queued]).double().cpu().numpy()
            return logits

        return wait

    def _answer(self, token_ids: Sequence[TokenIds], batch: Batch) -> list[tuple[Batch, Tensor]]:
        """Return the logits `(B, 2) float32` of a batch on the device, in as many parts as the memory asks for."""
        n_tokens = len(batch) * max(len(token_ids[i]) for i in batch)
        if len(batch) == 1 or self.most_tokens is None or n_tokens <= self.most_tokens:
            logits = self._try(token_ids, batch)
            if logits is not None:
                return [(batch, logits)]
            self.most_tokens = min(self.most_tokens or n_tokens, max(1, n_tokens // 2))
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        middle = (len(batch) + 1) // 2
        return [part for half in (batch[:middle], batch[middle:]) for part in self._answer(token_ids, half)]

    def _try(self, token_ids: Sequence[TokenIds], batch: Batch) -> Tensor | None:
        """Return the logits of a batch, or None where the memory does not hold it and it can be divided."""
        ids, mask = pad([token_ids[i] for i in batch], pad_id=self._pad_id)
        try:
            return self._whole(self._send(ids), self._send_mask(mask)).float()  # type: ignore[no-any-return]
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            if not is_out_of_memory(error):
                raise CheckpointError(f"The model cannot read a text of {ids.shape[1]} tokens ({reason}).") from error
            if len(batch) == 1:
                raise PolarityError(
                    f"{self.device} has not the memory for one review of {ids.shape[1]} tokens ({reason}).",
                    hint=_HINT,
                ) from error
        return None

    def _send_mask(self, mask: NDArray[np.int64]) -> Tensor | None:
        """Return a mask `(B, T)` on the device as the model's code takes it without looking into it.

        transformers would look whether anything is masked, for which the device must have done all that is queued. Where the
        blocks take the mask as it is given, they get `(B, 1, T, T) bool`, or None where nothing is masked.
        """
        if not self._takes_whole_mask:
            return self._send(mask)
        if mask.all():
            return None
        B, T = mask.shape  # noqa: N806
        return self._send(mask).bool()[:, None, None].expand(B, 1, T, T)

    def _send(self, array: NDArray[np.int64]) -> Tensor:
        """Return an array on the device; the copy is queued, from memory that the device reads by itself."""
        tensor = torch.from_numpy(array)
        if self.device.type != "cuda":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device's memory is full."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)
    )
