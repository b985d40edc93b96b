"""The loop: batches in, events out, a training state changed in place. Next on the road: `checkpoint/checkpoint`.

A generator that knows nobody: who consumes its events shows progress, feeds trackers and saves states. It may do so at any event,
since nothing changes until it asks for the next.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from polarity_cli.data.batches import Batch
from polarity_cli.errors import DivergedError
from polarity_cli.machine import release_freed_memory
from polarity_cli.records import EpochRecord, StepRecord
from polarity_cli.train_config import TrainConfig
from polarity_cli.training.fine_tuner import Examples, Metrics
from polarity_cli.training.optim import scale_learning_rate, set_learning_rate
from polarity_cli.training.state import Progress
from polarity_cli.training.training_state import TrainingState

_RELEASE_EVERY = 25
"""Steps after which freed memory is given back."""
_READ_EVERY = 25
"""Steps after which a GPU's losses are read: reading one waits for the GPU, so reading each would leave it idle."""


@dataclass(frozen=True)
class StepsDone:
    """Optimizer steps were taken, and their losses read."""

    records: tuple[StepRecord, ...]


@dataclass(frozen=True)
class BatchScored:
    """A batch of the validation split was scored: training stands where it stood, but time has passed."""


@dataclass(frozen=True)
class EpochDone:
    """An epoch was trained, and validated where there is a validation split."""

    record: EpochRecord
    is_last: bool


Event = StepsDone | BatchScored | EpochDone


def fit(
    state: TrainingState,
    plan: Sequence[Sequence[Batch]],
    *,
    train: Examples,
    validation: Examples | None,
    config: TrainConfig,
    read_every: int | None = None,
) -> Iterator[Event]:
    """Train on `plan`, from where `state` stands to the end, and yield what was done.

    With a validation split the weights end as those of the best epoch, by F1 and then by log loss, and training stops after
    `config.patience` epochs without a better one; without, as those of the last.

    Args:
        state: what changes.
        plan: the batches of each epoch.
        train: the reviews that batches name.
        validation: what is scored after each epoch.
        config: learning rate, warmup and patience.
        read_every: steps after which losses are read; by default each on a CPU, and 25 on a GPU.

    Raises:
        DivergedError: a loss is not finite.
    """
    if read_every is None:
        read_every = 1 if state.fine_tuner.accelerator.device.type == "cpu" else _READ_EVERY
    n_steps, progress = sum(map(len, plan)), state.progress
    while not _is_over(progress, n_epochs=len(plan), patience=config.patience):
        started = time.perf_counter() - progress.seconds
        steps = _schedule(plan[progress.epoch - 1], progress.step - progress.position, n_steps=n_steps, config=config)
        yield from _run_epoch(state, train, steps, started=started, read_every=read_every)
        metrics = (yield from _validate(state, validation)) if validation is not None else None
        record = state.record_epoch(metrics, seconds=time.perf_counter() - started)
        yield EpochDone(record, is_last=_is_over(progress, n_epochs=len(plan), patience=config.patience))
    state.use_best()


def _is_over(progress: Progress, *, n_epochs: int, patience: int | None) -> bool:
    """Tell whether all epochs are done, or too many were no better than an earlier one."""
    n_done = progress.epoch - 1
    return n_done >= n_epochs or (patience is not None and n_done - progress.best_epoch >= patience)


def _schedule(batches: Sequence[Batch], n_before: int, *, n_steps: int, config: TrainConfig) -> list[tuple[Batch, float]]:
    """Return an epoch's batches, each with its learning rate; `n_before` of the run's `n_steps` come in earlier epochs."""
    scales = (scale_learning_rate(n_before + i, n_steps=n_steps, warmup=config.warmup) for i in range(len(batches)))
    return [(batch, config.learning_rate * scale) for batch, scale in zip(batches, scales, strict=True)]


def _run_epoch(
    state: TrainingState, train: Examples, steps: Sequence[tuple[Batch, float]], *, started: float, read_every: int
) -> Iterator[StepsDone]:
    """Take the steps that are left of an epoch, a batch and its learning rate each, and yield as their losses are read."""
    fine_tuner, progress = state.fine_tuner, state.progress
    fine_tuner.top.train()
    first_step = progress.step - progress.position + 1
    losses: list[Tensor] = []
    for index in range(progress.position, len(steps)):
        batch, rate = steps[index]
        fine_tuner.seed_step(first_step + index)
        set_learning_rate(state.optimizer, rate)
        losses.append(fine_tuner.train_step(train, batch, state.optimizer))
        if (first_step + index) % _RELEASE_EVERY == 0:
            release_freed_memory()
        if len(losses) < read_every and index + 1 < len(steps):
            continue
        records = _read_losses(losses, steps[index + 1 - len(losses) : index + 1], train, progress)
        losses.clear()
        state.record_steps(records, seconds=time.perf_counter() - started)
        yield StepsDone(tuple(records))


def _read_losses(
    losses: Sequence[Tensor], steps: Sequence[tuple[Batch, float]], train: Examples, progress: Progress
) -> list[StepRecord]:
    """Return the records of the steps that follow the last one recorded.

    Raises:
        DivergedError: a loss is not finite.
    """
    records: list[StepRecord] = []
    for loss, (batch, rate) in zip(torch.stack(list(losses)).tolist(), steps, strict=True):
        if not math.isfinite(loss):
            raise DivergedError(
                f"Training diverged: the loss is {loss} at learning rate {rate:g}.", hint="Give a lower --learning-rate."
            )
        step, n_tokens = progress.step + 1 + len(records), int(train.split.lengths[batch].sum())
        records.append(StepRecord(step, progress.epoch, loss, rate, len(batch), n_tokens))
    return records


def _validate(state: TrainingState, validation: Examples) -> Generator[BatchScored, None, Metrics]:
    """Return the metrics of the validation split, and yield after each of its batches."""
    logits = np.zeros((len(validation), 2))
    for _ in state.fine_tuner.fill_logits(logits, validation):
        yield BatchScored()
    return state.fine_tuner.compute_metrics(validation, logits)
