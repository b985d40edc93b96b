"""The verb `train`: prepare the data, cut the encoder, train the top, and publish the checkpoint."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache.hashes import hash_file
from polarity_cli.cache.publish import publish
from polarity_cli.config import Context, TrainConfig
from polarity_cli.data.splits import review_key
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.errors import PolarityError, UsageError
from polarity_cli.prepare import Prepared, prepare_together

if TYPE_CHECKING:
    from polarity_cli.checkpoint.locate import EncoderLocation
    from polarity_cli.encoder.freeze import FreezePlan
    from polarity_cli.training.resume import ResumableRun
    from polarity_cli.training.run import Run
    from polarity_cli.training.state import Record


_N_CHECKED = 1000
"""Most reviews on which the graphs are compared with the model: enough to see whether int8 turns 0.5% of the labels."""


@dataclass(frozen=True)
class TrainResult:
    """What a training run made."""

    checkpoint: Path
    """In the cache."""
    out: Path
    manifest: dict[str, Any]


def train(config: TrainConfig, context: Context, world: World = ALONE) -> TrainResult | None:
    """Train the last blocks of an encoder on labelled reviews and publish the checkpoint to `config.out`.

    Every process of the run calls this. Only the main one saves states, exports and publishes; the others return None.

    Raises:
        PolarityError: the command line, the data, the encoder or the output is wrong; each kind as its room raises it.
        LostProcessError: another process is gone.
    """
    import polarity_cli.training.run  # noqa: F401 - takes seconds, in which the main process reads the reviews

    if world.is_main:
        _check_out(config, context)
    prepared = prepare_together(config.data, context, world)
    started = time.perf_counter()
    with _open_resumable_run(config, prepared, context, world) as resumable:
        kept_before = world.broadcast(resumable.kept_features if resumable else None)
        run = _start(config, prepared, context, world, kept_before=kept_before)
        history = run.fit(resumable)
        metrics = run.score(history)
        world.leave()
        if resumable is None:
            return None
        result = _publish(run, prepared, history=history, metrics=metrics, started=started)
        resumable.finish()
        return result


def _check_out(config: TrainConfig, context: Context) -> None:
    from polarity_cli.checkpoint.checkpoint import check_out

    check_out(config.out)
    if config.out.resolve().is_relative_to(context.cache_dir.resolve()):
        raise UsageError(f"--out {config.out}: it is inside the cache.", hint="Name a folder outside it.")


@contextmanager
def _open_resumable_run(config: TrainConfig, prepared: Prepared, context: Context, world: World) -> Iterator[ResumableRun | None]:
    """Give the run with its states on disk, in the main process; the others have none."""
    if not world.is_main:
        yield None
        return
    from polarity_cli.training.describe import describe_run
    from polarity_cli.training.resume import open_resumable_run

    description = describe_run(config, reviews=prepared.fingerprint, encoder=_describe_encoder(prepared.encoder))
    with open_resumable_run(context.cache_dir, config.out, description, context.observer, fresh=config.fresh) as resumable:
        yield resumable


def _describe_encoder(encoder: EncoderLocation) -> str:
    """Return what the files that training begins with are known by: an interrupted run goes on with no others."""
    from polarity_cli.encoder.head import find_head

    description = f"{encoder.revision}, config {hash_file(encoder.folder / 'config.json')[:16]}"
    head = find_head(encoder.model)
    if head is None:
        return description
    return f"{description}, {f'its classifier, positive {head.positive}' if head.kept else 'a new classifier'}"


def _publish(run: Run, prepared: Prepared, *, history: Sequence[Record], metrics: dict[str, Any], started: float) -> TrainResult:
    """Write the checkpoint into the cache, its graphs included, and copy it to where it is wanted."""
    from polarity_cli.checkpoint.checkpoint import publish_checkpoint, seal_checkpoint
    from polarity_cli.checkpoint.training_texts import write_hashes
    from polarity_cli.encoder.saving import save_checkpoint
    from polarity_cli.training.describe import describe_training

    config = run.config
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    checkpoint = run.context.cache_dir / "checkpoints" / name
    manifest = _describe(run, prepared, metrics) | {"training": describe_training(history, epochs=config.epochs)}
    with publish(checkpoint) as work:
        save_checkpoint(work, run.model, run.tokenizer, manifest, history)
        write_hashes(work, map(review_key, run.examples["train"].split.iterate_texts()))
        manifest["graphs"] = _export(run, work) if config.graphs else None
        manifest["seconds"] = round(time.perf_counter() - started, 1)
        seal_checkpoint(work, manifest)
    publish_checkpoint(checkpoint, config.out)
    return TrainResult(checkpoint, config.out, manifest)


def _start(config: TrainConfig, prepared: Prepared, context: Context, world: World, *, kept_before: bool | None) -> Run:
    """Return this process's run."""
    from polarity_cli.data.tokenized import read_split
    from polarity_cli.training.run import Run

    return Run(
        config,
        context,
        encoder=prepared.encoder,
        splits={name: read_split(prepared.folder / f"{name}.arrow") for name in prepared.manifest.splits},
        tokenization={name: prepared.manifest.key[name] for name in ("tokenizer", "max_length", "truncation")},
        world=world,
        kept_before=kept_before,
    )


def plan_training(config: TrainConfig, context: Context) -> FreezePlan:
    """Return what would train and what would stay frozen, without reading any data."""
    from polarity_cli.checkpoint.locate import find_encoder
    from polarity_cli.training.run import load_frozen

    location = find_encoder(config.data.encoder, context)
    _, plan = load_frozen(location, config.unfreeze, context.observer)
    return plan


def _export(run: Run, folder: Path) -> dict[str, Any] | None:
    """Write the graphs that `predict` runs and return how far they agree with the model; None where there can be none.

    They are compared on the validation split, or on some training reviews where there is none.
    """
    import numpy as np

    from polarity_cli.export.export import export_graphs, remove_graphs

    examples = run.examples.get("validation", run.examples["train"])
    most = _N_CHECKED if "validation" in run.examples else _N_CHECKED // 4
    numbers = np.arange(0, len(examples), -(-len(examples) // most))
    observer = run.context.observer
    with observer.track("Exporting the graphs that predict runs"):
        logits = run.fine_tuner.compute_logits(examples, numbers, world=ALONE)
        try:
            return export_graphs(folder, run.model, examples.split.get_ids(numbers), logits, longest=run.config.data.max_length)
        except (PolarityError, OSError) as error:  # the weights are worth more than the graphs
            remove_graphs(folder)
            observer.note(f"No graph for predict: {error}. It is made when predict first needs it.")
            return None


def _describe(run: Run, prepared: Prepared, metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest, but for the graphs and the time that the run took."""
    from polarity_cli.training.describe import describe_checkpoint

    features = [examples.features for examples in run.examples.values() if examples.features is not None]
    return describe_checkpoint(
        replace(run.config, data=prepared.config),
        encoder=prepared.encoder,
        reviews=prepared.manifest,
        fingerprint=prepared.fingerprint,
        plan=run.plan,
        features={
            "kept": run.examples["train"].features is not None,
            "seconds": round(run.features_s, 2),
            "trunk_seconds": round(sum(split.trunk_s for split in features), 2),
        },
        metrics=metrics,
    )
