"""The verb `train`: prepare the data, cut the encoder, train the top, and publish the checkpoint."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache import hash_file, publish
from polarity_cli.config import Context, TrainConfig
from polarity_cli.errors import PolarityError, UsageError
from polarity_cli.prepare import Prepared, prepare
from polarity_cli.records import EpochRecord, StepRecord

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel

    from polarity_cli.encoder.cut import FreezePlan
    from polarity_cli.encoder.features import FeatureStore
    from polarity_cli.encoder.trunk import Trunk
    from polarity_cli.training.keeper import Keeper
    from polarity_cli.training.learner import Examples, Learner


_FEW_STEPS = 100
"""Steps below which the default learning rate has not taught an encoder much: the built-in sample takes 124."""
_N_CHECKED = 1000
"""Most reviews on which the graphs are compared with the model: enough to see whether int8 turns 0.5% of the labels."""


@dataclass(frozen=True)
class TrainResult:
    """What a training run made."""

    checkpoint: Path
    """In the cache."""
    out: Path
    manifest: dict[str, Any]


def train(config: TrainConfig, context: Context) -> TrainResult:
    """Train the last blocks of an encoder on labelled reviews and publish the checkpoint to `config.out`.

    Raises:
        PolarityError: the command line, the data, the encoder or the output is wrong; each kind as its room raises it.
    """
    from polarity_cli.encoder.checkpoint import check_out, publish_checkpoint, save_checkpoint, seal_checkpoint
    from polarity_cli.training.description import describe_run
    from polarity_cli.training.keeper import open_keeper

    check_out(config.out)
    if config.out.resolve().is_relative_to(context.cache_dir.resolve()):
        raise UsageError(f"--out {config.out}: it is inside the cache.", hint="Name a folder outside it.")
    prepared = prepare(config.data, context)
    started = time.perf_counter()
    encoder = f"{prepared.encoder.revision}, config {hash_file(prepared.encoder.folder / 'config.json')[:16]}"
    described = describe_run(config, reviews=prepared.fingerprint, encoder=encoder)
    with open_keeper(context.cache_dir, config.out, described, context.observer, fresh=config.fresh) as keeper:
        if keeper.kept_features is False:  # as it began, even where there is room for them now
            config = replace(config, feature_cache="off")
        run = _Run(config, prepared, context)
        history = run.fit(keeper)
        metrics = run.score(history)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        checkpoint = context.cache_dir / "checkpoints" / name
        manifest = run.describe(metrics)
        with publish(checkpoint) as work:
            save_checkpoint(work, run.model, run.tokenizer, manifest, history)
            manifest["graphs"] = run.export(work) if config.graphs else None
            manifest["seconds"] = round(time.perf_counter() - started, 1)
            seal_checkpoint(work, manifest)
        publish_checkpoint(checkpoint, config.out)
        keeper.finish()
    return TrainResult(checkpoint, config.out, manifest)


def plan_training(config: TrainConfig, context: Context) -> FreezePlan:
    """Return what would train and what would stay frozen, without reading any data."""
    from polarity_cli.encoder.location import find_encoder

    location = find_encoder(config.data.encoder, context)
    _, plan = _load(location.folder, config)
    return plan


def _load(folder: Path, config: TrainConfig) -> tuple[PreTrainedModel, FreezePlan]:
    from polarity_cli.encoder.cut import freeze
    from polarity_cli.encoder.loading import load_model

    model = load_model(folder, new_head=True)
    return model, freeze(model, config.unfreeze)


class _Run:
    """One run's parts, made in the order that the seed wants: random states, then the new head, then batches."""

    def __init__(self, config: TrainConfig, prepared: Prepared, context: Context) -> None:
        from polarity_cli.data.tokenized import read_split
        from polarity_cli.encoder.loading import load_tokenizer
        from polarity_cli.encoder.top import split_model
        from polarity_cli.training.examples import make_examples
        from polarity_cli.training.learner import Learner
        from polarity_cli.training.runtime import start_runtime

        self.config, self.prepared, self.context = config, prepared, context
        self.accelerator: Accelerator = start_runtime(
            seed=config.data.seed, track=config.track, track_dir=context.cache_dir / "tracking", offline=context.offline
        )
        with context.observer.track(f"Loading {prepared.encoder.name}"):
            self.tokenizer = load_tokenizer(prepared.encoder.folder)
            self.model, self.plan = _load(prepared.encoder.folder, config)
        splits = {name: read_split(prepared.folder / f"{name}.arrow") for name in prepared.manifest["splits"]}
        trunk, top = split_model(self.model, self.plan)
        self.learner: Learner = Learner(trunk, top, self.accelerator, pad_id=self.tokenizer.pad_token_id or 0)
        started = time.perf_counter()
        store = self._open_store(trunk)
        self.examples: dict[str, Examples] = make_examples(self.learner, splits, store, config.feature_cache, context.observer)
        self.features_s = time.perf_counter() - started

    def _open_store(self, trunk: Trunk | None) -> FeatureStore | None:
        """Return where the trunk's features are kept; None where none are wanted."""
        from polarity_cli.encoder.features import FeatureStore, describe_trunk

        if trunk is None or self.config.feature_cache == "off":
            return None
        tokenization = {name: self.prepared.manifest["key"][name] for name in ("tokenizer", "max_length", "truncation")}
        described = describe_trunk(trunk, cut=self.plan.cut, precision=self.accelerator.mixed_precision)
        return FeatureStore(self.context.cache_dir, trunk, tokenization, described, self.prepared.encoder.name)

    def fit(self, keeper: Keeper) -> list[StepRecord | EpochRecord]:
        """Train, from where an interrupted run stood if there is one, and tell the observer and the tracker of every step."""
        from polarity_cli.data.batches import plan_epoch
        from polarity_cli.training.description import list_settings
        from polarity_cli.training.loop import fit

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
        state = keeper.restore(self.learner, list(map(len, plan)), kept_features=train.features is not None)
        history: list[StepRecord | EpochRecord] = list(state.history) if state else []
        step = state.course.step if state else 0
        if state:
            observer.note(f"Going on after step {step:,} of {n_steps:,} of an interrupted run; --fresh starts over.")
        try:
            with observer.track("Training", len(train) * config.epochs) as advance, keeper.signals.take(at_once=False):
                advance(sum(record.n_reviews for record in history if isinstance(record, StepRecord)))
                for record in fit(self.learner, train, self.examples.get("validation"), plan, config, keeper=keeper, state=state):
                    history.append(record)
                    step = record.step if isinstance(record, StepRecord) else step
                    self._tell(record, advance, step)
        finally:
            if config.track:
                self.accelerator.end_training()
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

    def export(self, folder: Path) -> dict[str, Any] | None:
        """Write the graphs that `predict` runs and return what their checks found; None where there can be none.

        They are compared with the model on the validation split, or on some training reviews where there is none.
        """
        import numpy as np

        from polarity_cli.serving.graphs.export import export_graphs, remove_graphs

        examples = self.examples.get("validation", self.examples["train"])
        most = _N_CHECKED if "validation" in self.examples else _N_CHECKED // 4
        chosen = np.arange(0, len(examples), -(-len(examples) // most))
        with self.context.observer.track("Exporting the graphs that predict runs"):
            logits = self.learner.compute_logits(examples, chosen)
            try:
                token_ids = examples.split.get_ids(chosen)
                return export_graphs(folder, self.model, token_ids, logits, longest=self.config.data.max_length)
            except (PolarityError, OSError) as error:  # the weights are worth more than the graphs
                remove_graphs(folder)
                self.context.observer.note(f"No graph for predict: {error}. It is made when predict first needs it.")
                return None

    def describe(self, metrics: dict[str, dict[str, float | None]]) -> dict[str, Any]:
        """Return the manifest, but for the graphs and the time that the run took."""
        from polarity_cli.training.description import read_versions

        config, prepared = self.config, self.prepared
        values = {
            key: getattr(config, key) for key in ("epochs", "batch_size", "learning_rate", "weight_decay", "warmup", "patience")
        }
        return {
            "format": 1,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "encoder": {"name": prepared.encoder.name, "hub_id": prepared.encoder.hub_id, "revision": prepared.encoder.revision},
            "freeze_plan": self.plan.to_json(),
            "data": {
                "source": prepared.config.source,
                "revision": prepared.manifest["revision"],
                "fingerprint": prepared.fingerprint,
                "files": prepared.manifest["key"]["files"],
                "text": list(prepared.manifest["text"]),
                "label": prepared.manifest["label"],
                "labels": prepared.manifest["labels"],
                "splits": prepared.manifest["splits"],
                **{key: getattr(prepared.config, key) for key in ("rows", "test", "validation", "seed", "positive")},
            },
            "max_length": prepared.config.max_length,
            "truncation": prepared.config.truncation,
            "recipe": {
                "name": config.recipe,
                "values": {"unfreeze": "all" if config.unfreeze is None else config.unfreeze, **values},
            },
            "seed": config.data.seed,
            "features": {"kept": self.examples["train"].features is not None, "seconds": round(self.features_s, 1)},
            "metrics": metrics,
            "versions": read_versions(),
        }
