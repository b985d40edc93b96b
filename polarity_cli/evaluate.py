"""The verb `evaluate`: score a checkpoint on labelled reviews, and list its mistakes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache import hash_file
from polarity_cli.cache.entries import Entry
from polarity_cli.config import Context, DataConfig, EvaluateConfig, ReadOptions
from polarity_cli.data.labels import LabelRule
from polarity_cli.data.sources import Source, find_source
from polarity_cli.encoder.checkpoint import CheckpointInfo, find_newest, read_checkpoint
from polarity_cli.encoder.location import EncoderLocation
from polarity_cli.errors import HubError, UsageError
from polarity_cli.prepare import find_prepared, prepare_source

if TYPE_CHECKING:
    from polarity_cli.data.tokenized import TokenizedSplit


@dataclass(frozen=True)
class EvaluateResult:
    """How a checkpoint did on some reviews."""

    checkpoint: Path
    source: str
    split: str
    """The split that was scored, or `all`."""
    scored: str
    """What was scored, in words and rows."""
    left_out: dict[str, Any]
    """Rows of the source that were not scored, by why."""
    metrics: dict[str, float | None]
    errors: Path | None


@dataclass(frozen=True)
class _Reviews:
    """The reviews to score, tokenized."""

    source: str
    entry: Entry
    split: str
    """The split that is scored, or `all`."""
    is_whole: bool
    """Whether all that the source holds is scored."""
    files: Source | None
    """Where they were read from; None where the tokenized ones of the training run are taken."""

    @property
    def names(self) -> list[str]:
        """The names of the tokenized splits to score."""
        splits = sorted(self.entry.manifest["splits"])
        return splits if self.split == "all" or self.is_whole else [self.split]

    @property
    def in_words(self) -> str:
        """What of the source is scored, without the number of rows."""
        if self.split == "all":
            return f"all of {self.source}"
        return f"the {self.split} split of {self.source}"


def evaluate(config: EvaluateConfig, context: Context) -> EvaluateResult:
    """Score a checkpoint on labelled reviews: of a source its test split or all of it, else those of the training run.

    With several processes all call this, get the same result, and the main one writes the mistakes.

    Raises:
        PolarityError: the checkpoint, the data or the command line is wrong; each kind as its room raises it.
    """
    processes = context.processes
    if processes.is_main:
        _check_errors_path(config)
    newest = find_newest(context.cache_dir, context.observer) if config.checkpoint is None and processes.is_main else None
    folder = config.checkpoint or processes.hear_main(newest)
    assert folder is not None  # the main process found it
    info = read_checkpoint(folder)
    reviews = processes.take_turns(context.cache_dir, lambda: _find_reviews(info, config, context))
    splits = reviews.entry.manifest["splits"]
    missing = [name for name in reviews.names if name not in splits]
    if missing or not reviews.names:
        raise UsageError(
            f"--split {reviews.split}: {reviews.source} has no such split; it has {', '.join(sorted(splits))}.",
            hint="Choose one of those, or --split all for every row.",
        )
    from polarity_cli.data.tokenized import read_split

    parts = [read_split(reviews.entry.folder / f"{name}.arrow") for name in reviews.names]
    if processes.state is not None:
        _check_same(folder, reviews.entry, context)
    metrics = _score(info, reviews, parts, config, context)
    processes.leave()
    n_rows = sum(map(len, parts))
    scored = f"{n_rows:,} {'row' if n_rows == 1 else 'rows'}, {reviews.in_words}"
    left_out = reviews.entry.manifest["left_out"]
    return EvaluateResult(folder, reviews.source, reviews.split, scored, left_out, metrics, config.errors)


def _check_errors_path(config: EvaluateConfig) -> None:
    from polarity_cli.formats.output_file import check_extra, find_output_format

    errors = config.errors
    if errors is None:
        return
    if errors.is_dir() or not errors.parent.is_dir():
        raise UsageError(f"--errors {errors}: it is a folder, or its folder does not exist.")
    kind = find_output_format(errors, None, "csv", flag="--errors")
    if kind == "text":
        raise UsageError(f"--errors {errors}: mistakes have columns.", hint="Choose .csv, .tsv, .jsonl, .parquet or .xlsx.")
    check_extra(kind)


def _find_reviews(info: CheckpointInfo, config: EvaluateConfig, context: Context) -> _Reviews:
    """Return the reviews to score, tokenized for the checkpoint."""
    trained = info.manifest["data"] if info.manifest else {}
    if config.sources:
        return _read_source(info, config, trained, context)
    if not trained:
        raise UsageError(
            f"{info.folder} does not say what it was trained on.",
            hint=f"Name the reviews: polarity evaluate {info.folder} reviews.csv",
        )
    split = config.split or "test"
    # The tokenized reviews of the training run, while the cache has them: its source need not be there any more.
    entry = find_prepared(context.cache_dir, str(trained["fingerprint"]))
    if entry is not None and split != "all" and not _reads_otherwise(config):
        return _Reviews(trained["source"], entry, split, False, None)
    data = _make_trained_config(info, config, trained)
    source = find_source(data.sources, rows=data.rows, context=context)
    prepared = prepare_source(source, _locate(info), data, context, both_classes=False)
    if prepared.manifest["key"]["files"] != trained.get("files"):
        context.observer.warn(
            f"{data.source} has changed since the checkpoint was trained: reviews may stand in another split now."
        )
    return _Reviews(data.source, prepared.entry, split, split == "all", source)


def _read_source(info: CheckpointInfo, config: EvaluateConfig, trained: dict[str, Any], context: Context) -> _Reviews:
    """Return the reviews of a source that was named: its own test split or all of it, or what `config.split` says."""
    rows = None if config.rows == "default" else config.rows
    source = find_source(config.sources, rows=rows, context=context)
    split = config.split or ("test" if source.brings_test else "all")
    is_own = split in source.files and (split != "train" or len(source.files) > 1)
    data = DataConfig(
        source=config.sources[0],
        more_sources=config.sources[1:],
        encoder=str(info.folder),
        read=config.read,
        on_error=config.on_error,
        text=config.text,
        preferred_text=info.text,
        label=config.label,
        positive=config.positive,
        negative=config.negative,
        rows=rows,
        max_length=info.max_length or DataConfig.max_length,
        truncation=info.truncation,
        test=0.0,
        validation=0.0,
    )
    if is_own:  # read as the only split, so that nothing is divided or taken for a copy of what is not scored
        source = Source(source.name, {"train": source.files[split]}, source.revision, source.entry, source.notes)
    elif split == "all":
        files = tuple(path for paths in source.files.values() for path in paths)
        source = Source(source.name, {"train": files}, source.revision, source.entry, source.notes)
    else:
        shares = {name: trained.get(name, getattr(DataConfig(), name)) for name in ("test", "validation", "seed")}
        data = replace(data, **shares)
    prepared = prepare_source(source, _locate(info), data, context, both_classes=False, known=find_rule(trained))
    return _Reviews(source.name, prepared.entry, split, is_own or split == "all", source)


def find_rule(trained: dict[str, Any]) -> LabelRule | None:
    """Return what labels meant in training, by a manifest's `data`; None where that is not known."""
    try:
        if "rule" in trained:
            return LabelRule.from_json(trained["rule"])
        labels = trained.get("labels")
        if not isinstance(labels, dict):
            return None
        sides = {side: tuple(value for value, name in labels.items() if name == side) for side in ("positive", "negative")}
        return LabelRule(str(trained.get("label")), sides["positive"], sides["negative"])
    except ValueError:
        return None


def _locate(info: CheckpointInfo) -> EncoderLocation:
    return EncoderLocation(str(info.folder), info.folder, "")


def _check_same(folder: Path, entry: Entry, context: Context) -> None:
    """Refuse to add up what machines find of different checkpoints or reviews."""
    found = [entry.folder.name, *(hash_file(path) for path in sorted(folder.glob("*.safetensors")))]
    if any(other != found for other in context.processes.gather(found)):
        raise UsageError(
            f"{folder}: it, or the reviews, are not the same on every machine.", hint="Copy the same files to all of them."
        )


def _reads_otherwise(config: EvaluateConfig) -> bool:
    """Tell whether options ask for other reviews, or for reading them in another way, than in training."""
    is_read_otherwise = config.read != ReadOptions() or config.on_error != "fail"
    return config.rows != "default" or is_read_otherwise or any((config.text, config.label, config.positive, config.negative))


def _make_trained_config(info: CheckpointInfo, config: EvaluateConfig, trained: dict[str, Any]) -> DataConfig:
    """Return how the reviews of the training run are read, so that they fall into the same splits."""
    defaults = DataConfig()
    read = ReadOptions(**trained.get("read", {})) if config.read == ReadOptions() else config.read
    positive = trained.get("positive") or ()
    is_asked = bool(config.positive or config.negative)
    return DataConfig(
        source=trained["source"],
        more_sources=tuple(trained.get("more_sources", ())),
        encoder=str(info.folder),
        read=read,
        on_error=config.on_error if config.on_error != "fail" else trained.get("on_error", "fail"),
        text=config.text,
        preferred_text=info.text,
        label=config.label or trained.get("label"),
        positive=config.positive if is_asked else (positive,) if isinstance(positive, str) else tuple(positive),
        negative=config.negative if is_asked else tuple(trained.get("negative") or ()),
        rows=trained.get("rows", defaults.rows) if config.rows == "default" else config.rows,
        test=0.0 if config.split == "all" else trained.get("test", defaults.test),
        validation=0.0 if config.split == "all" else trained.get("validation", defaults.validation),
        seed=trained.get("seed", defaults.seed),
        max_length=info.max_length or defaults.max_length,
        truncation=info.truncation,
    )


def _score(
    info: CheckpointInfo, reviews: _Reviews, parts: list[TokenizedSplit], config: EvaluateConfig, context: Context
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
    y_score = compute_scores(logits)[:, whole.positive]
    y_true = np.concatenate([part.labels for part in parts])
    if config.errors is not None and context.processes.is_main:
        from polarity_cli.scoring.mistakes import Scored, write_mistakes

        files = _find_files(info, reviews, context)
        scored = [Scored(part, files.get(name, ())) for name, part in zip(reviews.names, parts, strict=True)]
        write_mistakes(config.errors, scored, y_true, y_score, read=config.read, escaped=config.escape_formulas)
    return compute_metrics(y_true, y_score)


def _find_files(info: CheckpointInfo, reviews: _Reviews, context: Context) -> dict[str, tuple[Path, ...]]:
    """Return the files that each tokenized split was read from; none where they are not there as they were."""
    source = reviews.files
    if source is None:
        trained = info.manifest["data"] if info.manifest else {}
        names = (trained["source"], *trained.get("more_sources", ()))
        try:
            source = find_source(names, rows=trained.get("rows"), context=replace(context, offline=True))
            if source.identify() != trained.get("files"):
                source = None
        except (UsageError, HubError):
            source = None
    if source is None:
        context.observer.note(
            f"{reviews.source} is not there as it was read: the mistakes are written without its other columns."
        )
        return {}
    own = source.files
    # Splits that were divided from the train files have their rows there.
    return {name: own.get(name, own.get("train", ())) for name in reviews.names}
