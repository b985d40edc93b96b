"""Publish what a run came to: judged, written whole into the cache, copied to where it is wanted. Used by the verb `train`."""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache.publish import publish
from polarity_cli.data.splits import review_key
from polarity_cli.distributed.world import ALONE
from polarity_cli.errors import PolarityError
from polarity_cli.train_config import TrainConfig
from polarity_cli.verbs.prepare import Prepared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polarity_cli.training.outcome import Outcome
    from polarity_cli.training.run import Run
    from polarity_cli.training.state import Record
    from polarity_cli.verbs.evaluation.result import EvaluateResult
    from polarity_cli.verbs.evaluation.trained import TrainedScores


@dataclass(frozen=True)
class TrainResult:
    """What a training run made."""

    checkpoint: Path
    """In the cache."""
    out: Path
    manifest: dict[str, Any]
    evaluation: EvaluateResult | None
    """What was found of its scores; None where nothing was scored."""
    refusal: str | None
    """Why it was not published to `out`, as a sentence; None where it was."""


@dataclass(frozen=True)
class Trained:
    """A run that has come to its end."""

    history: list[Record]
    outcome: Outcome
    folds: NDArray[np.int64] | None
    seconds: dict[str, float]
    """What training and folds took."""


def publish_run(run: Run, prepared: Prepared, trained: Trained, *, started: float, command: str) -> TrainResult:
    """Write the checkpoint into the cache, its graphs included, and copy it to where it is wanted, if it is what was required."""
    from polarity_cli.checkpoint.checkpoint import publish_checkpoint, seal_checkpoint
    from polarity_cli.checkpoint.out_of_fold import write_scores
    from polarity_cli.checkpoint.training_texts import write_hashes
    from polarity_cli.encoder.saving import save_checkpoint
    from polarity_cli.verbs.evaluation.trained import TrainedJudge, compare_with_published

    config, outcome = run.config, trained.outcome
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    checkpoint = run.context.cache_dir / "checkpoints" / name
    config = replace(config, data=prepared.config)
    judge = TrainedJudge(config, prepared, _list_scores(run, trained), run.context, checkpoint=checkpoint, command=command)
    manifest = _describe(run, prepared, trained) | judge.look()
    refusal = _find_refusal(config, manifest)
    if config.require is not None:
        manifest["required"] = {"asked": config.require, "met": refusal is None}
    with publish(checkpoint) as work:
        save_checkpoint(work, run.model, run.tokenizer, manifest, trained.history)
        write_hashes(work, map(review_key, run.examples["train"].split.iterate_texts()))
        if "out of fold" in outcome.y_scores:
            write_scores(work, outcome.y_scores["out of fold"])
        manifest["graphs"] = _export(run, work) if config.graphs else None
        manifest["onnx"] = _export_portable(run, work) if config.export else None
        manifest["seconds"] = round(time.perf_counter() - started, 1)
        seal_checkpoint(work, manifest)
    replaced = () if refusal else compare_with_published(config.out, manifest)
    if refusal is None:
        publish_checkpoint(checkpoint, config.out)
    return TrainResult(checkpoint, config.out, manifest, judge.report(replaced), refusal)


def _list_scores(run: Run, trained: Trained) -> TrainedScores:
    from polarity_cli.verbs.evaluation.trained import TrainedScores

    outcome = trained.outcome
    return TrainedScores(
        splits={name: examples.split for name, examples in run.examples.items()},
        y_scores=outcome.y_scores,
        threshold=outcome.threshold.positive if outcome.threshold else 0.5,
        folds=trained.folds,
    )


def _find_refusal(config: TrainConfig, manifest: dict[str, Any]) -> str | None:
    """Return why a checkpoint is not what `--require` asks for, as a sentence; None where it is."""
    if config.require is None:
        return None
    split = manifest["judged_by"]["split"]
    metrics = manifest["metrics"][split]
    where = f"{metrics['n']:,} reviews ({split})"
    if config.require != "baseline":
        f1 = metrics["f1"] or 0.0
        return f"F1 {f1:.4f} on {where} is below --require {config.require:g}." if f1 < float(config.require) else None
    for baseline in manifest["baselines"]:
        own, other = metrics["f1_macro"] or 0.0, baseline["metrics"]["f1_macro"] or 0.0
        if own <= other:
            return f"Macro F1 {own:.4f} on {where} is no better than {other:.4f} of the baseline: {baseline['description']}."
    return None


def _export(run: Run, folder: Path) -> dict[str, Any] | None:
    """Write the graphs that `predict` runs and return how far they agree with the model; None where there can be none."""
    from polarity_cli.checkpoint.folder_check import GRAPH_FOLDER
    from polarity_cli.export.export import export_graphs
    from polarity_cli.export.texts import choose_texts

    examples, numbers = choose_texts(run.examples)
    observer = run.context.observer
    with observer.track("Exporting the graphs that predict runs"):
        logits = run.fine_tuner.compute_logits(examples, numbers, world=ALONE)
        try:
            token_ids = examples.split.get_ids(numbers)
            return export_graphs(folder / GRAPH_FOLDER, run.model, token_ids, logits, longest=run.config.data.max_length)
        except (PolarityError, OSError) as error:  # the weights are worth more than the graphs
            shutil.rmtree(folder / GRAPH_FOLDER, ignore_errors=True)
            observer.note(f"No graph for predict: {error}. It is made when predict first needs it.")
            return None


def _export_portable(run: Run, folder: Path) -> dict[str, Any] | None:
    """Write the graphs for other programs, which `--export` asks for, and what the checks found; None if there are none."""
    from polarity_cli.checkpoint.folder_check import PORTABLE_FOLDER
    from polarity_cli.export.portable import Reader, export_portable
    from polarity_cli.export.texts import choose_texts

    examples, numbers = choose_texts(run.examples)
    reader = Reader(
        pad_id=run.tokenizer.pad_token_id or 0,
        gives_segments="token_type_ids" in run.tokenizer.model_input_names,
        longest=run.config.data.max_length,
    )
    observer = run.context.observer
    with observer.track("Exporting graphs for other programs"):
        try:
            return export_portable(folder / PORTABLE_FOLDER, run.model, examples.split.get_ids(numbers), reader)
        except (PolarityError, OSError) as error:
            shutil.rmtree(folder / PORTABLE_FOLDER, ignore_errors=True)
            observer.warn(f"No graphs for other programs: {error}.")
            return None


def _describe(run: Run, prepared: Prepared, trained: Trained) -> dict[str, Any]:
    """Return the manifest, but for what the scores are judged to be, the graphs and the time that the run took."""
    from polarity_cli.training.describe import describe_checkpoint, describe_training
    from polarity_cli.training.runtime import describe_machine

    features = [examples.features for examples in run.examples.values() if examples.features is not None]
    outcome = trained.outcome
    described = describe_checkpoint(
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
        metrics=outcome.metrics,
    )
    return {
        **described,
        "machine": describe_machine(run.accelerator),
        "training": describe_training(trained.history, epochs=run.config.epochs),
        "class_weights": run.config.class_weights,
        "folds": outcome.folds,
        "calibration": outcome.calibration,
        "threshold": asdict(outcome.threshold) if outcome.threshold else None,
        "seconds_of": trained.seconds,
    }
