"""The loop: batches in, a record of each step and epoch out, the top's weights changed in place.

A generator, so that progress, history and trackers stay outside the mathematics. Next on the road: `encoder/checkpoint`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from polarity_cli.config import TrainConfig
from polarity_cli.data.batches import Batch
from polarity_cli.encoder.processor import release_freed_memory
from polarity_cli.errors import PolarityError
from polarity_cli.records import EpochRecord, StepRecord
from polarity_cli.training.learner import Examples, Learner
from polarity_cli.training.optim import make_optimizer, scale_learning_rate

MAX_GRADIENT_NORM = 1.0


_RELEASE_EVERY = 25
"""Steps after which freed memory is given back."""
_READ_EVERY = 25
"""Steps after which a GPU's losses are read: reading one waits for the GPU, so reading each would leave it idle."""


def fit(
    learner: Learner, train: Examples, validation: Examples | None, plan: Sequence[Sequence[Batch]], config: TrainConfig
) -> Iterator[StepRecord | EpochRecord]:
    """Train the top on `plan`, a list of batches for each epoch, and yield a record of every step and epoch.

    With a validation split the weights of the best epoch are kept, by F1 and then by log loss, and training stops after
    `config.patience` epochs without a better one; without, those of the last.
    """
    optimizer = make_optimizer(learner.top, learning_rate=config.learning_rate, weight_decay=config.weight_decay)
    learner.top, optimizer = learner.accelerator.prepare(learner.top, optimizer)
    n_steps = sum(map(len, plan))
    read_every = 1 if learner.accelerator.device.type == "cpu" else _READ_EVERY
    step, best, best_weights, best_epoch = 0, (-1.0, 0.0), None, 0
    for epoch, batches in enumerate(plan, 1):
        started, total_loss, n_reviews = time.perf_counter(), 0.0, 0
        scales = [scale_learning_rate(step + i, n_steps=n_steps, warmup=config.warmup) for i in range(len(batches))]
        steps = [(batch, config.learning_rate * scale) for batch, scale in zip(batches, scales, strict=True)]
        for record in _run_epoch(learner, optimizer, train, steps, first_step=step + 1, epoch=epoch, read_every=read_every):
            step = record.step
            total_loss += record.loss * record.n_reviews
            n_reviews += record.n_reviews
            yield record
        metrics = learner.score(validation) if validation is not None else None
        is_best = metrics is None or _rank(metrics) > best
        if metrics is not None and is_best:
            best, best_weights, best_epoch = _rank(metrics), learner.copy_top(), epoch
        yield EpochRecord(epoch, total_loss / max(1, n_reviews), metrics, time.perf_counter() - started, is_best)
        if config.patience is not None and epoch - best_epoch >= config.patience:
            break
    if best_weights is not None:
        learner.restore_top(best_weights)


def _run_epoch(
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    train: Examples,
    steps: Sequence[tuple[Batch, float]],
    *,
    first_step: int,
    epoch: int,
    read_every: int,
) -> Iterator[StepRecord]:
    """Take the steps of one epoch, a batch and its learning rate each, and yield their records as losses are read back."""
    learner.top.train()
    losses: list[Tensor] = []
    for index, (batch, rate) in enumerate(steps):
        losses.append(_take_step(learner, optimizer, train, batch, rate))
        if (first_step + index) % _RELEASE_EVERY == 0:
            release_freed_memory()
        if len(losses) < read_every and index + 1 < len(steps):
            continue
        first = index + 1 - len(losses)
        for i, loss in enumerate(torch.stack(losses).tolist(), first):
            batch_read, rate_read = steps[i]
            _check_finite(loss, rate_read)
            n_tokens = int(train.split.lengths[batch_read].sum())
            yield StepRecord(first_step + i, epoch, loss, rate_read, len(batch_read), n_tokens)
        losses.clear()


def _rank(metrics: dict[str, float | None]) -> tuple[float, float]:
    return metrics["f1"] or 0.0, -(metrics["log_loss"] or 0.0)


def _take_step(learner: Learner, optimizer: torch.optim.Optimizer, train: Examples, batch: Batch, learning_rate: float) -> Tensor:
    """Take one optimizer step on a batch and return its loss before it, on the device."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    labels = torch.from_numpy(train.split.labels[batch]).to(learner.accelerator.device)  # (B,)
    loss = nn.functional.cross_entropy(learner.answer(train, batch), labels)
    learner.accelerator.backward(loss)
    learner.accelerator.clip_grad_norm_(learner.top.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def _check_finite(loss: float, learning_rate: float) -> None:
    if not math.isfinite(loss):
        raise PolarityError(
            f"Training diverged: the loss is {loss} at learning rate {learning_rate:g}.", hint="Give a lower --learning-rate."
        )
