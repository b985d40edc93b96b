"""One run in one process: the model cut in two, its splits with their features, training and scoring. Used by the verb `train`.

Every process of a run makes one, and all call the same methods at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarity_cli.config import All, Context
from polarity_cli.data.batches import Batch, plan_epoch
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.encoder.freeze import FreezePlan, freeze
from polarity_cli.encoder.head import find_head, load_to_train
from polarity_cli.encoder.loading import load_tokenizer
from polarity_cli.encoder.tokenizer import open_tokenizer
from polarity_cli.encoder.top import split_model
from polarity_cli.features.store import FeatureStore, describe_trunk
from polarity_cli.records import Advance, Observer, StepRecord
from polarity_cli.train_config import TrainConfig
from polarity_cli.training.describe import list_settings
from polarity_cli.training.examples import make_examples
from polarity_cli.training.fine_tuner import Examples, FineTuner
from polarity_cli.training.loop import EpochDone, Event, StepsDone, fit
from polarity_cli.training.runtime import start_runtime, tell_precision
from polarity_cli.training.tracking import open_tracker
from polarity_cli.training.training_state import TrainingState

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel

    from polarity_cli.checkpoint.locate import EncoderLocation
    from polarity_cli.data.tokenized import TokenizedSplit
    from polarity_cli.training.resume import ResumableRun
    from polarity_cli.training.state import Record

_FEW_STEPS = 100
"""Steps below which the default learning rate has not taught an encoder much: the built-in sample takes 124."""


def load_frozen(location: EncoderLocation, unfreeze: int | All, observer: Observer) -> tuple[PreTrainedModel, FreezePlan]:
    """Return an encoder with its head, frozen but for the last blocks, and the plan of what trains.

    Where the encoder brings a head, the observer is told whether it is used.

    Raises:
        CheckpointError, UsageError: see `load_to_train` and `freeze`.
    """
    head = find_head(location.model)
    model = load_to_train(location.model, head)
    if head is not None:
        observer.note(head.note)
    return model, freeze(model, unfreeze)


class _StepsShown:
    """A training bar: reviews, the epoch and the loss.

    It goes by tokens: the batches of a run hold as many tokens each, of few long reviews or of many short ones.
    """

    def __init__(self, advance: Advance, *, n_tokens: int, n_epochs: int) -> None:
        self._advance, self._n_tokens, self._n_epochs, self._n_done = advance, n_tokens, n_epochs, 0

    def __call__(self, records: Sequence[StepRecord]) -> None:
        """Show further steps; the first ones may be those of an earlier run."""
        self._n_done += sum(record.n_tokens for record in records)
        text = f"epoch {records[-1].epoch} of {self._n_epochs}, loss {records[-1].loss:.3f}" if records else ""
        self._advance(sum(record.n_reviews for record in records), done=self._n_done / self._n_tokens, text=text)


class Run:
    """One run's parts, made in the order that the seed wants: random states, then a new head, then batches."""

    def __init__(
        self,
        config: TrainConfig,
        context: Context,
        *,
        encoder: EncoderLocation,
        splits: Mapping[str, TokenizedSplit],
        tokenization: Mapping[str, Any],
        world: World = ALONE,
        kept_before: bool | None = None,
    ) -> None:
        """Load the encoder, and read or make the features of the splits.

        Args:
            config: what to train.
            context: where.
            encoder: to begin with.
            splits: its tokenized reviews.
            tokenization: how they became tokens, as features are known by it.
            world: the processes of the run.
            kept_before: see `make_examples`.
        """
        self.config, self.context, self.world, self._encoder = config, context, world, encoder
        self.accelerator: Accelerator = start_runtime(
            seed=config.data.seed,
            world=world,
            track=config.track,
            track_dir=context.cache_dir / "tracking",
            offline=context.offline,
        )
        tell_precision(self.accelerator, context.observer)
        with context.observer.track(f"Loading {encoder.name}"):
            self.tokenizer = load_tokenizer(encoder.model, expected=open_tokenizer(encoder.model).backend)
            self.model, self.plan = load_frozen(encoder, config.unfreeze, context.observer)
        trunk, top = split_model(self.model, self.plan)
        self.fine_tuner = FineTuner(
            trunk,
            top,
            self.accelerator,
            pad_id=self.tokenizer.pad_token_id or 0,
            world=world,
            seed=config.data.seed,
        )
        world.barrier()  # else the time of the features has that in which others load
        started = time.perf_counter()
        self.examples: dict[str, Examples] = make_examples(
            self.fine_tuner,
            splits,
            lambda: self._open_store(tokenization),
            config.feature_cache,
            context.observer,
            kept_before=kept_before,
        )
        self.features_s = time.perf_counter() - started

    def _open_store(self, tokenization: Mapping[str, Any]) -> FeatureStore:
        """Return where the trunk's features are kept."""
        trunk = self.fine_tuner.trunk
        assert trunk is not None  # else nobody asks
        described = describe_trunk(trunk, cut=self.plan.cut, precision=self.accelerator.mixed_precision)
        return FeatureStore(self.context.cache_dir, trunk, dict(tokenization), described, self._encoder.name)

    def fit(self, resumable: ResumableRun | None) -> list[Record]:
        """Train, or resume an interrupted run, and return a record of each step and epoch.

        The observer and the tracker are told of each, and `resumable` may save after it; it is the main process's, and the
        others, which have None, begin where it says.

        Raises:
            RunStoppedError: a signal came.
            DivergedError: a loss is not finite.
            UsageError, CacheError: as `ResumableRun.find_state`.
        """
        plan = self.plan_epochs()
        self.fine_tuner.weigh_classes(self.config.class_weights, self.examples["train"].split.labels)
        self._note_few_steps(plan)
        with self._open_tracker():
            # With folds no epoch is chosen, so that the model is one like those that were scored.
            validation = self.examples.get("validation") if self.config.folds is None else None
            return self.fit_plan(plan, resumable, validation=validation)

    def fit_plan(
        self, plan: Sequence[Sequence[Batch]], resumable: ResumableRun | None, *, validation: Examples | None, fold: str = ""
    ) -> list[Record]:
        """Train on the batches of each epoch as `fit` does; `fold` says in words which part of the run it is."""
        config, train = self.config, self.examples["train"]
        state = self._make_state(plan, resumable, fold)
        hold_signals = resumable.hold_signals(state) if resumable else nullcontext()
        n_tokens = sum(int(train.split.lengths[batch].sum()) for epoch in plan for batch in epoch)
        progress_bar = self.context.observer.track(
            fold or "Training", sum(len(batch) for epoch in plan for batch in epoch), unit="reviews"
        )
        with progress_bar as advance, hold_signals:
            show = _StepsShown(advance, n_tokens=n_tokens, n_epochs=config.epochs)
            show([record for record in state.history if isinstance(record, StepRecord)])
            for event in fit(state, plan, train=train, validation=validation, config=config):
                if not fold:
                    self._report(event, step=state.progress.step)
                if isinstance(event, StepsDone):
                    show(event.records)
                if resumable is not None:
                    resumable.record(state, is_end=isinstance(event, EpochDone) and event.is_last)
        return state.history

    def plan_epochs(self, rows: NDArray[np.int64] | None = None) -> list[list[Batch]]:
        """Return the batches of each epoch, of some rows of the train split or of all."""
        config, lengths = self.config, self.examples["train"].split.lengths
        rows = np.arange(len(lengths)) if rows is None else rows
        return [
            [rows[batch] for batch in plan_epoch(lengths[rows], batch_size=config.batch_size, seed=config.data.seed, epoch=epoch)]
            for epoch in range(1, config.epochs + 1)
        ]

    def _note_few_steps(self, plan: Sequence[Sequence[Batch]]) -> None:
        n_steps = sum(map(len, plan))
        if n_steps < _FEW_STEPS:
            enough = -(-_FEW_STEPS // len(plan[0]))
            self.context.observer.note(
                f"{len(self.examples['train']):,} training reviews give {n_steps} steps, which is few; try --epochs {enough}."
            )

    def _make_state(self, plan: Sequence[Sequence[Batch]], resumable: ResumableRun | None, fold: str) -> TrainingState:
        """Return the state to train from: in all processes that which the main one finds on disk, or a new one."""
        saved, n_batches = None, list(map(len, plan))
        if resumable is not None:
            kept_features = self.examples["train"].features is not None
            saved = resumable.find_state(self.fine_tuner, n_batches, kept_features=kept_features)
        saved = self.world.broadcast(saved)
        state = TrainingState(self.fine_tuner, self.config)
        if saved is not None:
            state.restore(saved)
            done, total = state.progress.step, sum(n_batches)
            where = f"{fold}: going on" if fold else "Going on"
            if not fold or done < total:
                self.context.observer.note(
                    f"{where} after step {done:,} of {total:,} of an interrupted run; --fresh starts over."
                )
        return state

    def _open_tracker(self) -> AbstractContextManager[None]:
        """Let the tracker, if one is wanted, log inside the block."""
        if not self.config.track:
            return nullcontext()
        folder, observer = self.context.cache_dir / "tracking", self.context.observer
        return open_tracker(self.accelerator, self.config.track, folder, list_settings(self.config), observer)

    def _report(self, event: Event, *, step: int) -> None:
        """Tell the observer and the tracker what was done up to `step`."""
        if isinstance(event, StepsDone):
            for record in event.records:
                self._log({"loss": record.loss, "learning_rate": record.learning_rate}, step=record.step)
        elif isinstance(event, EpochDone):
            epoch, scores = event.record, event.record.validation or {}
            shown = f", validation F1 {scores['f1']:.4f}, log loss {scores['log_loss']:.4f}" if scores else ""
            self.context.observer.note(
                f"Epoch {epoch.epoch} of {self.config.epochs}: loss {epoch.loss:.4f}{shown} ({epoch.seconds:.0f} s)"
            )
            if scores:
                self._log({f"validation/{key}": value for key, value in scores.items()}, step=step)

    def _log(self, values: Mapping[str, float | None], *, step: int) -> None:
        if self.config.track:
            self.accelerator.log(dict(values), step=step)
