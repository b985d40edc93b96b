"""One run in one process: the model cut in two, its splits with their features, training and scoring. Used by the verb `train`.

Every process of a run makes one, and all call the same methods at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from polarity_cli.config import Context, TrainConfig
from polarity_cli.data.batches import plan_epoch
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.encoder.freeze import FreezePlan, freeze
from polarity_cli.encoder.head import find_head, load_to_train
from polarity_cli.encoder.loading import load_tokenizer
from polarity_cli.encoder.tokenizer import open_tokenizer
from polarity_cli.encoder.top import split_model
from polarity_cli.features.store import FeatureStore, describe_trunk
from polarity_cli.records import EpochRecord, Observer, StepRecord
from polarity_cli.training.describe import list_settings
from polarity_cli.training.examples import make_examples
from polarity_cli.training.fine_tuner import Examples, Learner
from polarity_cli.training.loop import fit
from polarity_cli.training.runtime import start_runtime

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel

    from polarity_cli.checkpoint.locate import EncoderLocation
    from polarity_cli.data.tokenized import TokenizedSplit
    from polarity_cli.encoder.trunk import Trunk
    from polarity_cli.training.resume import Keeper

_FEW_STEPS = 100
"""Steps below which the default learning rate has not taught an encoder much: the built-in sample takes 124."""


def load_frozen(location: EncoderLocation, unfreeze: int | None, observer: Observer) -> tuple[PreTrainedModel, FreezePlan]:
    """Return an encoder with its head, of which the last blocks train, and what trains of it.

    The observer is told what became of the head where the encoder brings one.

    Raises:
        CheckpointError, UsageError: see `load_to_train` and `freeze`.
    """
    head = find_head(location.model)
    model = load_to_train(location.model, head)
    if head is not None:
        observer.note(head.said)
    return model, freeze(model, unfreeze)


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
    ) -> None:
        """Load the encoder, and make or find the features of the splits.

        Args:
            config: what to train.
            context: where.
            encoder: to begin with.
            splits: its tokenized reviews.
            tokenization: how they became tokens, as features are known by it.
            world: the processes of the run.
        """
        self.config, self.context, self.world, self._encoder = config, context, world, encoder
        self.accelerator: Accelerator = start_runtime(
            seed=config.data.seed,
            world=world,
            track=config.track,
            track_dir=context.cache_dir / "tracking",
            offline=context.offline,
        )
        with context.observer.track(f"Loading {encoder.name}"):
            self.tokenizer = load_tokenizer(encoder.model, expected=open_tokenizer(encoder.model).backend)
            self.model, self.plan = load_frozen(encoder, config.unfreeze, context.observer)
        trunk, top = split_model(self.model, self.plan)
        self.learner = Learner(
            trunk,
            top,
            self.accelerator,
            pad_id=self.tokenizer.pad_token_id or 0,
            world=world,
            seed=config.data.seed,
        )
        world.barrier()  # else the time of the features has that in which others load
        started = time.perf_counter()
        store = self._open_store(trunk, tokenization)
        self.examples: dict[str, Examples] = make_examples(
            self.learner, dict(splits), store, config.feature_cache, context.observer
        )
        self.features_s = time.perf_counter() - started

    def _open_store(self, trunk: Trunk | None, tokenization: Mapping[str, Any]) -> FeatureStore | None:
        """Return where the trunk's features are kept; None where none are wanted."""
        if trunk is None or self.config.feature_cache == "off":
            return None
        described = describe_trunk(trunk, cut=self.plan.cut, precision=self.accelerator.mixed_precision)
        return FeatureStore(self.context.cache_dir, trunk, dict(tokenization), described, self._encoder.name)

    def fit(self, keeper: Keeper | None) -> list[StepRecord | EpochRecord]:
        """Train, from where an interrupted run stood if there is one, and tell the observer and the tracker of every step.

        `keeper` is the main process's; the others have none, and go on from where it says.
        """
        config, train, observer = self.config, self.examples["train"], self.context.observer
        plan = [
            plan_epoch(train.split.lengths, batch_size=config.batch_size, seed=config.data.seed, epoch=epoch)
            for epoch in range(1, config.epochs + 1)
        ]
        n_steps = sum(map(len, plan))
        if n_steps < _FEW_STEPS:
            enough = -(-_FEW_STEPS // len(plan[0]))
            observer.note(f"{len(train):,} training reviews give {n_steps} steps, which is few; try --epochs {enough}.")
        if config.track:
            self.accelerator.init_trackers("polarity", config=list_settings(config))
        state = keeper.restore(self.learner, list(map(len, plan)), kept_features=train.features is not None) if keeper else None
        state = self.world.broadcast(state)
        history: list[StepRecord | EpochRecord] = list(state.history) if state else []
        step = state.course.step if state else 0
        if state:
            observer.note(f"Going on after step {step:,} of {n_steps:,} of an interrupted run; --fresh starts over.")
        try:
            with observer.track("Training", len(train) * config.epochs) as advance, keeper.guard() if keeper else nullcontext():
                advance(sum(record.n_reviews for record in history if isinstance(record, StepRecord)))
                for record in fit(self.learner, train, self.examples.get("validation"), plan, config, keeper=keeper, state=state):
                    history.append(record)
                    step = record.step if isinstance(record, StepRecord) else step
                    self._tell(record, advance, step)
        finally:
            if config.track:
                for tracker in self.accelerator.trackers:
                    tracker.finish()
        return history

    def _tell(self, record: StepRecord | EpochRecord, advance: Callable[[int], None], step: int) -> None:
        if isinstance(record, StepRecord):
            advance(record.n_reviews)
            if self.config.track:
                self.accelerator.log({"loss": record.loss, "learning_rate": record.learning_rate}, step=record.step)
            return
        scores = record.validation or {}
        said = f", validation F1 {scores['f1']:.4f}, log loss {scores['log_loss']:.4f}" if scores else ""
        self.context.observer.note(
            f"Epoch {record.epoch} of {self.config.epochs}: loss {record.loss:.4f}{said} ({record.seconds:.0f} s)"
        )
        if self.config.track and scores:
            self.accelerator.log({f"validation/{key}": value for key, value in scores.items()}, step=step)

    def score(self, history: list[StepRecord | EpochRecord]) -> dict[str, dict[str, float | None]]:
        """Return the metrics of the weights that were kept: validation as measured in training, test measured now, once."""
        best = [r for r in history if isinstance(r, EpochRecord) and r.is_best][-1]
        metrics = {"validation": best.validation} if best.validation else {}
        test = self.examples.get("test")
        if test is not None:
            with self.context.observer.track("Evaluating the test split", len(test)) as advance:
                metrics["test"] = self.learner.score(test, advance)
        return metrics
