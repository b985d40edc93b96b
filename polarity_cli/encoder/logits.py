"""Logits of many reviews, in batches of like length and back in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polarity_cli.data.batches import Batch, plan_batches, plan_equal_batches
from polarity_cli.distributed.world import ALONE, Processes
from polarity_cli.errors import PolarityError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Answer = Callable[[Batch], "Tensor"]
"""From the numbers of some reviews to their logits `(B, 2)`."""


def get_token_budget(device: torch.device) -> int:
    """Return the tokens in a batch that is not trained on.

    A processor is fastest while a batch's activations stay in its caches: 1,024 to 4,096 tokens ran at 9,100 tokens a second,
    8,192 at 8,200 and 16,384 at 7,300 (all-MiniLM-L6-v2, two cores). A GPU wants more; how much more was not measured.
    """
    return 2048 if device.type == "cpu" else 8192


def compute_logits(
    answer: Answer,
    lengths: NDArray[np.int64],
    *,
    budget: int,
    pads: bool = True,
    processes: Processes = ALONE,
    advance: Callable[[int], None] = lambda n: None,
) -> NDArray[np.float64]:
    """Return the logits `(N, 2) float64` of reviews of `lengths` tokens; `answer` must be in eval mode.

    The batches are the same however many processes there are, and each is one process's, so that the same logits come out, each
    review's once; to the last bit where each computes with as many threads. Without `pads`, a batch is of one length.

    Raises:
        PolarityError: an answer is not a finite number.
    """
    import torch  # seconds to import, and the graphs' engine needs the functions below without it

    logits = np.zeros((len(lengths), 2))
    plan = plan_batches if pads else plan_equal_batches
    with torch.no_grad():
        for batch, n_done in processes.deal(plan(lengths, budget=budget), len):
            logits[batch] = answer(batch).double().cpu().numpy()
            advance(n_done)
    return check_finite(processes.add_up(logits))


def check_finite(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logits as they are.

    Raises:
        PolarityError: one is not a finite number.
    """
    if not np.isfinite(logits).all():
        raise PolarityError(
            "The model's answers are not finite: its weights are broken, or training diverged.",
            hint="In training, give a lower --learning-rate.",
        )
    return logits


def compute_scores(logits: NDArray[np.float64], *, sigmoid: bool = False) -> NDArray[np.float64]:
    """Return the score of each class, `(N, 2)`, from logits `(N, 2)`: probabilities that add up to 1, or each class by itself."""
    if sigmoid:
        alone: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
        return alone
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return scores
