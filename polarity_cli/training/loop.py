"""The loop: batches in, a record of each step and epoch out, the top's weights changed in place.

A generator, so that progress, history and trackers stay outside the mathematics. Next on the road: `encoder/checkpoint`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polarity_cli.config import TrainConfig
from polarity_cli.data.batches import Batch, pad
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.encoder.inference import compute_logits, compute_scores
from polarity_cli.encoder.trunk import Trunk
from polarity_cli.errors import PolarityError
from polarity_cli.records import EpochRecord, StepRecord
from polarity_cli.scoring.metrics import compute_metrics
from polarity_cli.training.optim import make_optimizer, scale_learning_rate

if TYPE_CHECKING:
    from accelerate import Accelerator

MAX_GRADIENT_NORM = 1.0


@dataclass
class Learner:
    """A model cut in two, on the run's device, and how to run it."""

    trunk: Trunk | None
    top: nn.Module
    accelerator: Accelerator
    pad_id: int

    def __post_init__(self) -> None:
        if self.trunk is not None:
            self.trunk.to(self.accelerator.device)
        self.top.to(self.accelerator.device)

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Return the logits `(B, 2) float32` of token ids `(B, T)` and their mask `(B, T)`."""
        with self.accelerator.autocast():
            hidden = input_ids if self.trunk is None else self.trunk(input_ids, mask)  # (B, T, H)
            logits: Tensor = self.top(hidden, mask)  # (B, 2)
        return logits.float()

    def score(self, split: TokenizedSplit, advance: Callable[[int], None] = lambda n: None) -> dict[str, float | None]:
        """Return the metrics of a split."""
        self.top.eval()
        logits = compute_logits(
            self.forward,
            split.get_ids(range(len(split))),
            pad_id=self.pad_id,
            device=self.accelerator.device,
            advance=advance,
        )
        return compute_metrics(split.labels, compute_scores(logits)[:, 1])

    def copy_top(self) -> dict[str, Tensor]:
        """Return a copy of the weights that train."""
        return {name: p.detach().clone() for name, p in self.top.named_parameters() if p.requires_grad}

    def restore_top(self, weights: dict[str, Tensor]) -> None:
        """Put back weights that `copy_top` gave."""
        with torch.no_grad():
            for name, parameter in self.top.named_parameters():
                if name in weights:
                    parameter.copy_(weights[name])


def fit(
    learner: Learner,
    train: TokenizedSplit,
    validation: TokenizedSplit | None,
    plan: Sequence[Sequence[Batch]],
    config: TrainConfig,
) -> Iterator[StepRecord | EpochRecord]:
    """Train the top on `plan`, a list of batches for each epoch, and yield a record of every step and epoch.

    With a validation split the weights of the best epoch are kept, by F1 and then by log loss, and training stops after
    `config.patience` epochs without a better one; without, those of the last.
    """
    accelerator = learner.accelerator
    optimizer = make_optimizer(learner.top, learning_rate=config.learning_rate, weight_decay=config.weight_decay)
    top, optimizer = accelerator.prepare(learner.top, optimizer)
    n_steps = sum(map(len, plan))
    step, best, best_weights, best_epoch = 0, (-1.0, 0.0), None, 0
    for epoch, batches in enumerate(plan, 1):
        started, total_loss, n_reviews = time.perf_counter(), 0.0, 0
        top.train()
        for batch in batches:
            rate = config.learning_rate * scale_learning_rate(step, n_steps=n_steps, warmup=config.warmup)
            loss = _take_step(learner, optimizer, train, batch, rate)
            step += 1
            total_loss += loss * len(batch)
            n_reviews += len(batch)
            yield StepRecord(step, epoch, loss, rate, len(batch), int(train.lengths[batch].sum()))
        metrics = learner.score(validation) if validation is not None else None
        is_best = metrics is None or _rank(metrics) > best
        if metrics is not None and is_best:
            best, best_weights, best_epoch = _rank(metrics), learner.copy_top(), epoch
        yield EpochRecord(epoch, total_loss / max(1, n_reviews), metrics, time.perf_counter() - started, is_best)
        if config.patience is not None and epoch - best_epoch >= config.patience:
            break
    if best_weights is not None:
        learner.restore_top(best_weights)


def _rank(metrics: dict[str, float | None]) -> tuple[float, float]:
    return metrics["f1"] or 0.0, -(metrics["log_loss"] or 0.0)


def _take_step(
    learner: Learner, optimizer: torch.optim.Optimizer, train: TokenizedSplit, batch: Batch, learning_rate: float
) -> float:
    """Take one optimizer step on a batch and return its loss before it."""
    device = learner.accelerator.device
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    ids, mask = (torch.from_numpy(array).to(device) for array in pad(train.get_ids(batch), pad_id=learner.pad_id))
    labels = torch.from_numpy(train.labels[batch]).to(device)  # (B,)
    loss = nn.functional.cross_entropy(learner.forward(ids, mask), labels)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise PolarityError(
            f"Training diverged: the loss is {value} at learning rate {learning_rate:g}.", hint="Give a lower --learning-rate."
        )
    learner.accelerator.backward(loss)
    learner.accelerator.clip_grad_norm_(learner.top.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    optimizer.zero_grad()
    return value
