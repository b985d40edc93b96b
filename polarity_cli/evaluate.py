"""The verb `evaluate`: score a checkpoint on labelled reviews, and list its mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache import hash_file
from polarity_cli.cache.entries import Entry
from polarity_cli.config import Context, DataConfig, EvaluateConfig
from polarity_cli.data.sources import find_source
from polarity_cli.encoder.checkpoint import CheckpointInfo, read_checkpoint
from polarity_cli.encoder.choice import find_checkpoint
from polarity_cli.encoder.classes import check_classes, describe_guess
from polarity_cli.encoder.location import EncoderLocation
from polarity_cli.errors import UsageError
from polarity_cli.prepare import find_prepared, prepare_source
from polarity_cli.records import LABEL_NAMES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polarity_cli.data.tokenized import TokenizedSplit

_SIGMOID = "Its head scores each class by itself (sigmoid); the metrics compare the two."


@dataclass(frozen=True)
class EvaluateResult:
    """How a checkpoint did on one split."""

    checkpoint: str
    """Its folder, or what it is called on the Hub."""
    source: str
    split: str
    metrics: dict[str, float | None]
    errors: Path | None


def evaluate(config: EvaluateConfig, context: Context) -> EvaluateResult:
    """Score a checkpoint on a split of labelled reviews.

    With several processes all call this, get the same result, and the main one writes the mistakes.

    Raises:
        PolarityError: the checkpoint, the data or the command line is wrong; each kind as its room raises it.
    """
    processes, errors = context.processes, config.errors
    if processes.is_main and errors is not None and (errors.is_dir() or not errors.parent.is_dir()):
        raise UsageError(f"--errors {errors}: it is a folder, or its folder does not exist.")
    info = _find_checkpoint(config, context)
    folder = info.folder
    check_classes(folder, info.name, config.positive_class)  # before reviews are read for it
    source, entry = processes.take_turns(context.cache_dir, lambda: _find_splits(info, config, context))
    splits = entry.manifest["splits"]
    wanted = sorted(splits) if config.split == "all" else [config.split]
    missing = [name for name in wanted if name not in splits]
    if missing or not wanted:
        raise UsageError(
            f"--split {config.split}: {source} has no such split; it has {', '.join(sorted(splits))}.",
            hint="Choose one of those, or --split all for every row.",
        )
    from polarity_cli.data.tokenized import read_split

    parts = [read_split(entry.folder / f"{name}.arrow") for name in wanted]
    if processes.state is not None:
        _check_same(folder, entry, context)
    metrics = _score(info, parts, config, context)
    processes.leave()
    return EvaluateResult(info.name, source, config.split, metrics, config.errors)


def _find_checkpoint(config: EvaluateConfig, context: Context) -> CheckpointInfo:
    """Return the checkpoint that the main process finds; on a machine that lacks its folder, the same one from the Hub."""
    processes = context.processes
    mine = find_checkpoint(config.checkpoint, context) if processes.is_main else None
    found = processes.hear_main((mine.folder, mine.called) if mine else None)
    if mine is not None or found is None:
        return mine or find_checkpoint(config.checkpoint, context)
    folder, called = found
    return read_checkpoint(folder, called) if folder.is_dir() or called is None else find_checkpoint(called, context)


def _find_splits(info: CheckpointInfo, config: EvaluateConfig, context: Context) -> tuple[str, Entry]:
    """Return the name of the reviews and their entry in the cache, tokenized for the checkpoint."""
    trained = info.manifest["data"] if info.manifest else {}
    if config.source is None:
        if not trained:
            raise UsageError(
                f"{info.name} does not say what it was trained on.",
                hint=f"Name the reviews: polarity evaluate {info.name} reviews.csv",
            )
        # The tokenized reviews of the training run, while the cache has them: its source need not be there any more.
        entry = find_prepared(context.cache_dir, str(trained["fingerprint"]))
        if entry is not None and config.split != "all" and not _reads_otherwise(config):
            return trained["source"], entry
    data = _make_data_config(info, config, trained)
    source = find_source(data.source, rows=data.rows, context=context)
    location = EncoderLocation(info.name, info.folder, "")
    prepared = prepare_source(source, location, data, context, both_classes=False)
    if config.source is None and prepared.manifest["key"]["files"] != trained.get("files"):
        context.observer.note(
            f"{data.source} has changed since the checkpoint was trained: reviews may stand in another split now."
        )
    return data.source, prepared.entry


def _check_same(folder: Path, entry: Entry, context: Context) -> None:
    """Refuse to add up what machines find of different checkpoints or reviews."""
    found = [entry.folder.name, *(hash_file(path) for path in sorted(folder.glob("*.safetensors")))]
    if any(other != found for other in context.processes.gather(found)):
        raise UsageError(
            f"{folder}: it, or the reviews, are not the same on every machine.", hint="Copy the same files to all of them."
        )


def _reads_otherwise(config: EvaluateConfig) -> bool:
    """Tell whether options ask for other reviews, or for reading them in another way, than in training."""
    return config.rows != "as trained" or any((config.text, config.label, config.positive))


def _make_data_config(info: CheckpointInfo, config: EvaluateConfig, trained: dict[str, Any]) -> DataConfig:
    """Return how the reviews are read: as in training, so that the same source falls into the same splits.

    Of a stranger's checkpoint, as many tokens as `predict` reads.
    """
    same = config.source is None
    defaults = DataConfig()
    max_length, truncation = info.max_length, info.truncation
    if max_length is None:
        from polarity_cli.encoder.loading import load_config, load_tokenizer
        from polarity_cli.encoder.reading import find_reading

        reading = find_reading(info, load_config(info.folder), load_tokenizer(info.folder))
        max_length, truncation = reading.max_length, reading.truncation
    return DataConfig(
        source=config.source or trained["source"],
        encoder=str(info.folder),
        text=config.text,
        preferred_text=info.text,
        label=config.label or (trained.get("label") if same else None),
        positive=config.positive or (trained.get("positive") if same else None),
        rows=trained.get("rows", defaults.rows) if config.rows == "as trained" else config.rows,
        test=0.0 if config.split == "all" else trained.get("test", defaults.test),
        validation=0.0 if config.split == "all" else trained.get("validation", defaults.validation),
        seed=trained.get("seed", defaults.seed),
        max_length=max_length,
        truncation=truncation,
    )


def _score(
    info: CheckpointInfo, parts: list[TokenizedSplit], config: EvaluateConfig, context: Context
) -> dict[str, float | None]:
    import numpy as np

    from polarity_cli.encoder.inference import compute_scores
    from polarity_cli.scoring.metrics import compute_metrics
    from polarity_cli.serving.whole import WholeCheckpoint

    with context.observer.track("Loading the checkpoint"):
        whole = WholeCheckpoint(info, positive_class=config.positive_class)
        engine = whole.make_engine()
    token_ids = [ids for part in parts for ids in part.get_ids(range(len(part)))]
    with context.observer.track("Evaluating", len(token_ids)) as advance:
        logits = engine.compute_logits(token_ids, advance, processes=context.processes)
    for said in (describe_guess(whole.class_names, config.positive_class), *whole.notes, _SIGMOID if whole.sigmoid else None):
        if said is not None:
            context.observer.note(said)
    y_score = compute_scores(logits)[:, whole.positive]
    confidence = compute_scores(logits, sigmoid=whole.sigmoid).max(1)
    y_true = np.concatenate([part.labels for part in parts])
    if config.errors is not None and context.processes.is_main:
        _write_errors(config.errors, parts, y_true, y_score, confidence, escaped=config.escape_formulas)
    return compute_metrics(y_true, y_score)


def _write_errors(
    path: Path,
    parts: list[TokenizedSplit],
    y_true: NDArray[np.int64],
    y_score: NDArray[np.float64],
    confidence: NDArray[np.float64],
    *,
    escaped: bool,
) -> None:
    """Write the mistakes, the most confident first."""
    import numpy as np

    from polarity_cli.serving.writers import write_table

    y_pred = (y_score >= 0.5).astype(np.int64)
    wrong = np.flatnonzero(y_pred != y_true)
    places = [(part, index) for part in parts for index in range(len(part))]
    rows = []
    for position in wrong[np.argsort(-confidence[wrong], kind="stable")].tolist():
        part, index = places[position]
        rows.append(
            {
                "where": part.get_where(index),
                "label": LABEL_NAMES[int(y_true[position])],
                "predicted": LABEL_NAMES[int(y_pred[position])],
                "score": round(float(confidence[position]), 6),
                "text": part.get_text(index),
            }
        )
    write_table(path, ["where", "label", "predicted", "score", "text"], rows, escaped=escaped)
