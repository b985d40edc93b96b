"""Which reviews `evaluate` scores: those of a source that is named, or those that the checkpoint was trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from polarity_cli.cache.entries import Entry
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.locate import EncoderLocation
from polarity_cli.checkpoint.manifest import TrainedData
from polarity_cli.checkpoint.text_limits import find_text_limits
from polarity_cli.config import Context, DataConfig, EvaluateConfig, ReadOptions
from polarity_cli.data.prepared import PreparedManifest
from polarity_cli.data.reviews import has_labels
from polarity_cli.data.sources import Source, find_source
from polarity_cli.encoder.tokenizer import find_size, open_tokenizer
from polarity_cli.errors import HubError, UsageError
from polarity_cli.verbs.prepare import find_prepared, prepare_source

_FROM_HUB = ("test", "validation", "train")
"""The splits of a Hub set of which the first that it has is scored, where none is named."""


OUT_OF_FOLD = "out of fold"
"""What is scored where a run with `--folds` left scores of its training rows."""


@dataclass(frozen=True)
class ReviewsToScore:
    """The reviews to score, tokenized."""

    source: str
    entry: Entry
    split: str
    """The split that is scored, or `all`."""
    is_whole: bool
    """Whether all that the source holds is scored."""
    files: Source | None
    """Where they were read from; None where the tokenized ones of the training run are taken."""

    @cached_property
    def manifest(self) -> PreparedManifest:
        """How they were read, and how many each split has."""
        return PreparedManifest.from_json(self.entry.manifest)

    @property
    def names(self) -> list[str]:
        """The names of the tokenized splits to score."""
        if self.split == OUT_OF_FOLD:
            return ["train"]
        splits = sorted(self.manifest.splits)
        return splits if self.split == "all" or self.is_whole else [self.split]

    @property
    def in_words(self) -> str:
        """What of the source is scored, without the number of rows."""
        if self.split == OUT_OF_FOLD:
            return f"the training rows of {self.source}, out of fold: each by a top that did not see it"
        if self.split == "all":
            return f"all of {self.source}"
        return f"the {self.split} split of {self.source}"


def find_reviews(checkpoint: Checkpoint, config: EvaluateConfig, context: Context) -> ReviewsToScore:
    """Return the reviews to score, tokenized for the checkpoint."""
    if config.sources:
        return _read_source(checkpoint, config, context)
    trained = checkpoint.manifest.data if checkpoint.manifest else None
    if trained is None:
        raise UsageError(
            f"{checkpoint.name} does not say what it was trained on.",
            hint=f"Name the reviews: polarity evaluate {checkpoint.name} reviews.csv",
        )
    split = config.split or "test"
    # The tokenized reviews of the training run, while the cache has them: its source need not be there any more.
    entry = find_prepared(context.cache_dir, trained.fingerprint)
    if entry is not None and split != "all" and not _reads_otherwise(config):
        return ReviewsToScore(trained.source, entry, _choose_scores(checkpoint, config, entry, split), False, None)
    data = _make_trained_config(checkpoint, config, trained)
    source = find_source(data.sources, rows=data.row_limit, context=context)
    prepared = prepare_source(source, _locate(checkpoint), data, context, both_classes=False)
    is_same = prepared.manifest.key["files"] == trained.files
    if not is_same:
        context.observer.warn(
            f"{data.source} has changed since the checkpoint was trained: reviews may stand in another split now."
        )
    if is_same and not _reads_otherwise(config):  # the same rows in the same order, whatever they were tokenized for
        split = _choose_scores(checkpoint, config, prepared.entry, split)
    return ReviewsToScore(data.source, prepared.entry, split, split == "all", source)


def _choose_scores(checkpoint: Checkpoint, config: EvaluateConfig, entry: Entry, split: str) -> str:
    """Return the split to score, or `out of fold` where its reviews have scores of tops that did not see them."""
    has_scores = checkpoint.manifest is not None and checkpoint.manifest.n_folds is not None and config.precision is None
    has_test = "test" in PreparedManifest.from_json(entry.manifest).splits
    return OUT_OF_FOLD if has_scores and (split == "train" or (config.split is None and not has_test)) else split


def _read_source(checkpoint: Checkpoint, config: EvaluateConfig, context: Context) -> ReviewsToScore:
    """Return the reviews of a source that was named: its own test split or all of it, or what `config.split` says."""
    trained = checkpoint.manifest.data if checkpoint.manifest else None
    data = _make_config(checkpoint, config)
    source, split = _choose_split(config, data, context)
    is_own = split in source.files and (bool(source.hub_split) or split != "train" or len(source.files) > 1)
    if is_own:  # read as the only split, so that nothing is divided or taken for a copy of what is not scored
        source = Source(source.name, {"train": source.files[split]}, source.revision, source.entry, source.notes)
    elif split == "all":
        files = tuple(path for paths in source.files.values() for path in paths)
        source = Source(source.name, {"train": files}, source.revision, source.entry, source.notes)
    else:
        divided: TrainedData | DataConfig = trained or DataConfig()
        data = replace(data, test=divided.test, validation=divided.validation, seed=divided.seed)
    prepared = prepare_source(
        source, _locate(checkpoint), data, context, both_classes=False, trained_rule=trained.rule if trained else None
    )
    return ReviewsToScore(source.name, prepared.entry, split, is_own or split == "all", source)


def _find_length(checkpoint: Checkpoint) -> tuple[int, str]:
    """Return the tokens that are read of a text and what is kept of a longer one, as `predict` reads them."""
    if checkpoint.max_length is not None:
        return checkpoint.max_length, checkpoint.truncation
    limits = find_text_limits(checkpoint, find_size(checkpoint.model), open_tokenizer(checkpoint.model))
    return limits.max_length, limits.truncation


def _choose_split(config: EvaluateConfig, data: DataConfig, context: Context) -> tuple[Source, str]:
    """Return a source and which of its splits is scored: the one asked for, its test split if that has labels, else all of it."""
    splits = _FROM_HUB if config.split is None else None if config.split == "all" else (config.split,)
    source = find_source(config.sources, rows=data.row_limit, context=context, splits=splits)
    split = source.hub_split or config.split or ("test" if source.brings_test else "all")
    if config.split is not None or split != "test" or all(has_labels(path, data) for path in source.files["test"]):
        return source, split
    if source.hub_split:
        source = find_source(config.sources, rows=data.row_limit, context=context, splits=_FROM_HUB[1:])
        other = str(source.hub_split)
    else:
        source = replace(source, files={name: paths for name, paths in source.files.items() if name != "test"})
        other = "validation" if "validation" in source.files else "all"
    context.observer.note(f"{source.name}: its test split has no labels; it is passed over, and {other} is scored.")
    return source, other


def _make_config(checkpoint: Checkpoint, config: EvaluateConfig) -> DataConfig:
    """Return how a source that was named is read."""
    max_length, truncation = _find_length(checkpoint)
    return DataConfig(
        source=config.sources[0],
        more_sources=config.sources[1:],
        encoder=str(checkpoint.folder),
        read=config.read,
        on_error=config.on_error,
        text=config.text,
        preferred_text=checkpoint.text,
        label=config.label,
        positive=config.positive,
        negative=config.negative,
        rows="all" if config.rows is None else config.rows,
        max_length=max_length,
        truncation=truncation,
        test=0.0,
        validation=0.0,
    )


def _locate(checkpoint: Checkpoint) -> EncoderLocation:
    return EncoderLocation(checkpoint.model, "")


def _reads_otherwise(config: EvaluateConfig) -> bool:
    """Tell whether options ask for other reviews, or for reading them in another way, than in training."""
    is_read_otherwise = config.read != ReadOptions() or config.on_error != "fail"
    return config.rows is not None or is_read_otherwise or any((config.text, config.label, config.positive, config.negative))


def _make_trained_config(checkpoint: Checkpoint, config: EvaluateConfig, trained: TrainedData) -> DataConfig:
    """Return how the reviews of the training run are read, so that they fall into the same splits."""
    is_asked = bool(config.positive or config.negative)
    is_whole = config.split == "all"
    return DataConfig(
        source=trained.source,
        more_sources=trained.more_sources,
        encoder=str(checkpoint.folder),
        read=trained.read if config.read == ReadOptions() else config.read,
        on_error=config.on_error if config.on_error != "fail" else trained.on_error,
        text=config.text,
        preferred_text=checkpoint.text,
        label=config.label or trained.label,
        positive=config.positive if is_asked else trained.positive,
        negative=config.negative if is_asked else trained.negative,
        rows=(trained.rows or "all") if config.rows is None else config.rows,
        test=0.0 if is_whole else trained.test,
        validation=0.0 if is_whole else trained.validation,
        seed=trained.seed,
        max_length=_find_length(checkpoint)[0],
        truncation=checkpoint.truncation,
    )


def find_files(checkpoint: Checkpoint, reviews: ReviewsToScore, context: Context) -> dict[str, tuple[Path, ...]]:
    """Return the files that each tokenized split was read from; none where they are not there as they were."""
    source = reviews.files
    if source is None and checkpoint.manifest is not None:
        trained = checkpoint.manifest.data
        names = (trained.source, *trained.more_sources)
        return find_trained_files(names, trained.rows, trained.files, reviews.names, context)
    return name_files(source, reviews.names) if source is not None else {}


def find_trained_files(
    names: tuple[str, ...], rows: int | None, identity: object, splits: Sequence[str], context: Context
) -> dict[str, tuple[Path, ...]]:
    """Return the files that a training run's splits were read from; none, with a note, where they are not there as they were.

    Args:
        names: the sources.
        rows: that were read of them; None is all.
        identity: what they were known by; see `Source.identify`.
        splits: whose files are wanted.
        context: where fetched files are kept, and who is told.
    """
    try:
        source = find_source(names, rows=rows, context=replace(context, offline=True))
        if source.identify() == identity:
            return name_files(source, splits)
    except (UsageError, HubError):
        pass
    context.observer.note(f"{names[0]} is not there as it was read: its other columns are not known.")
    return {}


def name_files(source: Source, splits: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """Return the files of each split; those that were divided from the train files have their rows there."""
    own = source.files
    return {name: own.get(name, own.get("train", ())) for name in splits}
