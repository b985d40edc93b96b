"""Which reviews `evaluate` scores: those of a source that is named, or those that the checkpoint was trained with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polarity_cli.cache.entries import Entry
from polarity_cli.checkpoint.checkpoint import CheckpointInfo
from polarity_cli.checkpoint.locate import EncoderLocation
from polarity_cli.config import Context, DataConfig, EvaluateConfig, ReadOptions
from polarity_cli.data.labels import LabelRule
from polarity_cli.data.reviews import has_labels
from polarity_cli.data.sources import Source, find_source
from polarity_cli.errors import HubError, UsageError
from polarity_cli.prepare import find_prepared, prepare_source

_FROM_HUB = ("test", "validation", "train")
"""The splits of a Hub set of which the first that it has is scored, where none is named."""


@dataclass(frozen=True)
class ScoredReviews:
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


def find_reviews(info: CheckpointInfo, config: EvaluateConfig, context: Context) -> ScoredReviews:
    """Return the reviews to score, tokenized for the checkpoint."""
    trained = info.manifest["data"] if info.manifest else {}
    if config.sources:
        return _read_source(info, config, trained, context)
    if not trained:
        raise UsageError(
            f"{info.name} does not say what it was trained on.",
            hint=f"Name the reviews: polarity evaluate {info.name} reviews.csv",
        )
    split = config.split or "test"
    # The tokenized reviews of the training run, while the cache has them: its source need not be there any more.
    entry = find_prepared(context.cache_dir, str(trained["fingerprint"]))
    if entry is not None and split != "all" and not _reads_otherwise(config):
        return ScoredReviews(trained["source"], entry, split, False, None)
    data = _make_trained_config(info, config, trained)
    source = find_source(data.sources, rows=data.row_limit, context=context)
    prepared = prepare_source(source, _locate(info), data, context, both_classes=False)
    if prepared.manifest["key"]["files"] != trained.get("files"):
        context.observer.warn(
            f"{data.source} has changed since the checkpoint was trained: reviews may stand in another split now."
        )
    return ScoredReviews(data.source, prepared.entry, split, split == "all", source)


def _read_source(info: CheckpointInfo, config: EvaluateConfig, trained: dict[str, Any], context: Context) -> ScoredReviews:
    """Return the reviews of a source that was named: its own test split or all of it, or what `config.split` says."""
    data = _make_config(info, config)
    source, split = _choose_split(config, data, context)
    is_own = split in source.files and (bool(source.hub_split) or split != "train" or len(source.files) > 1)
    if is_own:  # read as the only split, so that nothing is divided or taken for a copy of what is not scored
        source = Source(source.name, {"train": source.files[split]}, source.revision, source.entry, source.notes)
    elif split == "all":
        files = tuple(path for paths in source.files.values() for path in paths)
        source = Source(source.name, {"train": files}, source.revision, source.entry, source.notes)
    else:
        shares = {name: trained.get(name, getattr(DataConfig(), name)) for name in ("test", "validation", "seed")}
        data = replace(data, **shares)
    prepared = prepare_source(source, _locate(info), data, context, both_classes=False, trained_rule=find_rule(trained))
    return ScoredReviews(source.name, prepared.entry, split, is_own or split == "all", source)


def _find_length(info: CheckpointInfo) -> tuple[int, str]:
    """Return the tokens that are read of a text and what is kept of a longer one, as `predict` reads them."""
    if info.max_length is not None:
        return info.max_length, info.truncation
    from polarity_cli.checkpoint.reading import find_reading
    from polarity_cli.encoder.loading import load_config, load_tokenizer

    reading = find_reading(info, load_config(info.folder), load_tokenizer(info.folder))
    return reading.max_length, reading.truncation


def _choose_split(config: EvaluateConfig, data: DataConfig, context: Context) -> tuple[Source, str]:
    """Return a source and which of its splits is scored: the one asked for, its test split if that has labels, else all of it."""
    wanted = _FROM_HUB if config.split is None else None if config.split == "all" else (config.split,)
    source = find_source(config.sources, rows=data.row_limit, context=context, splits=wanted)
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


def _make_config(info: CheckpointInfo, config: EvaluateConfig) -> DataConfig:
    """Return how a source that was named is read."""
    max_length, truncation = _find_length(info)
    return DataConfig(
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
        rows="all" if config.rows is None else config.rows,
        max_length=max_length,
        truncation=truncation,
        test=0.0,
        validation=0.0,
    )


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
    return EncoderLocation(info.name, info.folder, "")


def _reads_otherwise(config: EvaluateConfig) -> bool:
    """Tell whether options ask for other reviews, or for reading them in another way, than in training."""
    is_read_otherwise = config.read != ReadOptions() or config.on_error != "fail"
    return config.rows is not None or is_read_otherwise or any((config.text, config.label, config.positive, config.negative))


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
        rows=(trained.get("rows", defaults.rows) or "all") if config.rows is None else config.rows,
        test=0.0 if config.split == "all" else trained.get("test", defaults.test),
        validation=0.0 if config.split == "all" else trained.get("validation", defaults.validation),
        seed=trained.get("seed", defaults.seed),
        max_length=_find_length(info)[0],
        truncation=info.truncation,
    )


def find_files(info: CheckpointInfo, reviews: ScoredReviews, context: Context) -> dict[str, tuple[Path, ...]]:
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
