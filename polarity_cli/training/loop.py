"""The loop: batches in, a record of each step and epoch out, the top's weights changed in place.

A generator, so that progress, history and trackers stay outside the mathematics. Next on the road: `checkpoint/checkpoint`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from polarity_cli.config import TrainConfig
from polarity_cli.data.batches import Batch
from polarity_cli.errors import DivergedError
from polarity_cli.machine import release_freed_memory
from polarity_cli.records import EpochRecord, StepRecord
from polarity_cli.training.fine_tuner import Examples, FineTuner
from polarity_cli.training.optim import make_optimizer, scale_learning_rate, set_learning_rate
from polarity_cli.training.resume import Keeper
from polarity_cli.training.state import Course, Record, State, set_random_states

_RELEASE_EVERY = 25
"""Steps after which freed memory is given back."""
_READ_EVERY = 25
"""Steps after which a GPU's losses are read: reading one waits for the GPU, so reading each would leave it idle."""


def fit(
    fine_tuner: FineTuner,
    train: Examples,
    validation: Examples | None,
    plan: Sequence[Sequence[Batch]],
    config: TrainConfig,
    *,
    keeper: Keeper | None = None,
    state: State | None = None,
) -> Iterator[Record]:
    """Train the top on `plan`, a list of batches for each epoch, and yield a record of every step and epoch.

    With a validation split the weights of the best epoch are kept, by F1 and then by log loss, and training stops after
    `config.patience` epochs without a better one; without, those of the last. `keeper` is told of every step; a run goes on from
    `state` as if it had never been interrupted.

    Raises:
        RunStoppedError: `keeper` was told to end the run.
        DivergedError: a loss is not finite.
    """
    optimizer = fine_tuner.prepare(
        make_optimizer(fine_tuner.top, learning_rate=config.learning_rate, weight_decay=config.weight_decay)
    )
    course, best_weights = Course(), None
    if state is not None:
        _take_up(state, fine_tuner, optimizer)
        course, best_weights = state.course, state.best
    n_steps = sum(map(len, plan))
    read_every = 1 if fine_tuner.accelerator.device.type == "cpu" else _READ_EVERY
    while course.epoch <= len(plan) and not _has_lost_patience(course, config):
        started, batches = time.perf_counter() - course.seconds, plan[course.epoch - 1]
        first = course.step - course.position
        scales = [scale_learning_rate(first + i, n_steps=n_steps, warmup=config.warmup) for i in range(len(batches))]
        steps = [(batch, config.learning_rate * scale) for batch, scale in zip(batches, scales, strict=True)]
        for records in _run_epoch(fine_tuner, optimizer, train, steps, course, read_every=read_every):
            _count(course, records)
            course.seconds = time.perf_counter() - started
            yield from records
            if keeper is not None:
                keeper.follow(course, records, fine_tuner, optimizer, best_weights)
        metrics = None
        if validation is not None:
            metrics = fine_tuner.score(validation, _follow(keeper, course, fine_tuner, optimizer, best_weights))
        is_best = metrics is None or _rank(metrics) > course.best
        if metrics is not None and is_best:
            course.best_f1, course.best_log_loss = metrics["f1"] or 0.0, metrics["log_loss"] or 0.0
            best_weights, course.best_epoch = fine_tuner.copy_top(), course.epoch
        mean_loss = course.total_loss / max(1, course.n_reviews)
        record = EpochRecord(course.epoch, mean_loss, metrics, time.perf_counter() - started, is_best)
        course.epoch, course.position, course.total_loss, course.n_reviews, course.seconds = course.epoch + 1, 0, 0.0, 0, 0.0
        yield record
        if keeper is not None:
            is_end = course.epoch > len(plan) or _has_lost_patience(course, config)
            keeper.follow(course, [record], fine_tuner, optimizer, best_weights, is_end=is_end)
    if best_weights is not None:
        fine_tuner.restore_top(best_weights)


def _take_up(state: State, fine_tuner: FineTuner, optimizer: torch.optim.Optimizer) -> None:
    """Put a state into a fine_tuner, its optimizer and the random generators."""
    fine_tuner.restore_top(state.top)
    optimizer.load_state_dict(state.optimizer)
    set_random_states(state.random)


def _follow(
    keeper: Keeper | None, course: Course, fine_tuner: FineTuner, optimizer: torch.optim.Optimizer, best: dict[str, Tensor] | None
) -> Callable[[int], None]:
    """Return what lets a keeper save, and a signal end the run, while an epoch is validated."""
    if keeper is None:
        return lambda n: None
    return lambda n: keeper.follow(course, [], fine_tuner, optimizer, best)


def _has_lost_patience(course: Course, config: TrainConfig) -> bool:
    return config.patience is not None and course.epoch - 1 - course.best_epoch >= config.patience


def _count(course: Course, records: Sequence[StepRecord]) -> None:
    """Move a course on by the steps taken."""
    course.step = records[-1].step
    course.position += len(records)
    for record in records:
        course.total_loss += record.loss * record.n_reviews
        course.n_reviews += record.n_reviews


def _run_epoch(
    fine_tuner: FineTuner,
    optimizer: torch.optim.Optimizer,
    train: Examples,
    steps: Sequence[tuple[Batch, float]],
    course: Course,
    *,
    read_every: int,
) -> Iterator[list[StepRecord]]:
    """Take the steps of an epoch that `course` has before it, a batch and its learning rate each.

    Yields the records of `read_every` steps each, as losses are read back.
    """
    fine_tuner.top.train()
    first_step, first = course.step - course.position + 1, course.position
    losses: list[Tensor] = []
    for index in range(first, len(steps)):
        batch, rate = steps[index]
        fine_tuner.seed_step(first_step + index)
        set_learning_rate(optimizer, rate)
        losses.append(fine_tuner.train_step(train, batch, optimizer))
        if (first_step + index) % _RELEASE_EVERY == 0:
            release_freed_memory()
        if len(losses) < read_every and index + 1 < len(steps):
            continue
        records = []
        for i, loss in enumerate(torch.stack(losses).tolist(), index + 1 - len(losses)):
            batch_read, rate_read = steps[i]
            _check_finite(loss, rate_read)
            n_tokens = int(train.split.lengths[batch_read].sum())
            records.append(StepRecord(first_step + i, course.epoch, loss, rate_read, len(batch_read), n_tokens))
        losses.clear()
        yield records


def _rank(metrics: dict[str, float | None]) -> tuple[float, float]:
    return metrics["f1"] or 0.0, -(metrics["log_loss"] or 0.0)


def _check_finite(loss: float, learning_rate: float) -> None:
    if not math.isfinite(loss):
        raise DivergedError(
            f"Training diverged: the loss is {loss} at learning rate {learning_rate:g}.", hint="Give a lower --learning-rate."
        )
