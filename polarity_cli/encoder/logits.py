"""Logits of many reviews, in batches of like length and back in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polarity_cli.data.batches import Batch, plan_batches, plan_equal_batches
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.inference.scores import check_finite

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Answer = Callable[[Batch], "Tensor"]
"""From the numbers of some reviews to their logits `(B, 2)`."""


def get_token_budget(device: torch.device) -> int:
    """Return the tokens in a batch that is not trained on.

    A CPU is fastest while a batch's activations stay in its caches: 1,024 to 4,096 tokens ran at 9,100 tokens a second,
    8,192 at 8,200 and 16,384 at 7,300 (all-MiniLM-L6-v2, two cores). A GPU wants more; how much more was not measured.
    """
    return 2048 if device.type == "cpu" else 8192


def compute_logits(
    answer: Answer,
    lengths: NDArray[np.int64],
    *,
    budget: int,
    pads: bool = True,
    world: World = ALONE,
    advance: Callable[[int], None] = lambda n: None,
) -> NDArray[np.float64]:
    """Return the logits `(N, 2) float64` of reviews of `lengths` tokens; `answer` must be in eval mode.

    The batches are the same however many processes there are, and each is one process's, so that the same logits come out, each
    review's once; to the last bit where each computes with as many threads. Without `pads`, a batch is of one length.

    Raises:
        PolarityError: an answer is not a finite number.
    """
    logits = np.zeros((len(lengths), 2))
    for n_done in fill_logits(logits, answer, lengths, budget=budget, pads=pads, world=world):
        advance(n_done)
    return logits


def fill_logits(
    logits: NDArray[np.float64],
    answer: Answer,
    lengths: NDArray[np.int64],
    *,
    budget: int,
    pads: bool = True,
    world: World = ALONE,
) -> Iterator[int]:
    """Fill `logits (N, 2)` as `compute_logits` does, and yield after each batch how many more reviews all processes have done.

    Each process has all logits when there is nothing more to yield.
    """
    import torch

    plan = plan_batches if pads else plan_equal_batches
    for batch, n_done in world.shard(plan(lengths, budget=budget), len):
        with torch.no_grad():
            logits[batch] = answer(batch).double().cpu().numpy()
        yield n_done
    logits[:] = check_finite(world.all_reduce(logits))
