"""Logits of many reviews, in batches of like length and back in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polarity_cli.data.batches import pad, plan_batches
from polarity_cli.errors import PolarityError

TOKEN_BUDGET = 8192
"""Tokens in a batch that is not trained on."""

Forward = Callable[[Tensor, Tensor], Tensor]
"""From token ids `(B, T)` and their mask `(B, T)` to logits `(B, 2)`."""


def compute_logits(
    forward: Forward,
    token_ids: Sequence[NDArray[np.int32]],
    *,
    pad_id: int,
    device: torch.device | None = None,
    advance: Callable[[int], None] = lambda n: None,
) -> NDArray[np.float64]:
    """Return the logits `(N, 2) float64` of reviews given as token ids; `forward` must be in eval mode.

    Raises:
        PolarityError: an answer is not a finite number.
    """
    logits = np.zeros((len(token_ids), 2))
    lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
    with torch.no_grad():
        for batch in plan_batches(lengths, budget=TOKEN_BUDGET):
            ids, mask = (torch.from_numpy(a).to(device) for a in pad([token_ids[i] for i in batch], pad_id=pad_id))
            logits[batch] = forward(ids, mask).double().cpu().numpy()
            advance(len(batch))
    if not np.isfinite(logits).all():
        raise PolarityError(
            "The model's answers are not finite: its weights are broken, or training diverged.",
            hint="In training, give a lower --learning-rate.",
        )
    return logits


def compute_scores(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each class, `(N, 2)`, from logits `(N, 2)`."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return scores
