"""The verb `prepare`: read reviews, split them, tokenize them into the cache; the same request is answered from there."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache.entries import Entry, Place, find_entry
from polarity_cli.cache.layout import fingerprint
from polarity_cli.cache.new_entry import NewEntry, open_or_begin
from polarity_cli.cache.publish import report_unwritable
from polarity_cli.checkpoint.locate import EncoderLocation, find_encoder
from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.checkpoint.text_limits import find_longest_input
from polarity_cli.config import SAMPLE, Context, DataConfig
from polarity_cli.data.divide import divide_reviews
from polarity_cli.data.labels import LabelRule, check_both_classes
from polarity_cli.data.prepared import PreparedManifest, is_of_reviews
from polarity_cli.data.reviews import LabelledReviews, read_reviews
from polarity_cli.data.sources import Source, find_source
from polarity_cli.distributed.cache_group import take_turns
from polarity_cli.distributed.world import World
from polarity_cli.encoder.tokenizer import find_size, open_tokenizer
from polarity_cli.errors import UsageError
from polarity_cli.records import LABEL_NAMES, NEGATIVE, POSITIVE, Review

if TYPE_CHECKING:
    from polarity_cli.data.tokenizing import ReviewTokenizer

FORMAT = 3
"""Raised when what is written changes, so that an older entry is made again."""


@dataclass(frozen=True)
class Prepared:
    """Tokenized splits in the cache."""

    entry: Entry
    encoder: EncoderLocation
    config: DataConfig

    @property
    def folder(self) -> Path:
        """Where each split's file is."""
        return self.entry.folder

    @cached_property
    def manifest(self) -> PreparedManifest:
        """How the reviews were read, and how many each split has."""
        return PreparedManifest.from_json(self.entry.manifest)

    @property
    def from_cache(self) -> bool:
        """Whether it was there, or another process made it meanwhile."""
        return not self.entry.is_new

    @property
    def fingerprint(self) -> str:
        """What the entry is known by."""
        return self.folder.name

    def count(self, split: str) -> int:
        """Return a split's number of reviews, 0 where there is no such split."""
        return self.manifest.splits[split].n_rows if split in self.manifest.splits else 0


def prepare(config: DataConfig, context: Context, *, both_classes: bool = True) -> Prepared:
    """Read, split and tokenize the reviews of `config`, or find them in the cache.

    Raises:
        DataError: the source is wrong, or (with `both_classes`) has reviews of one class only.
        UsageError, CheckpointError, HubError, CacheError: see `find_source` and `find_encoder`.
    """
    source = find_source(config.sources, rows=config.row_limit, context=context)
    encoder = find_encoder(config.encoder, context)
    return prepare_source(source, encoder, config, context, both_classes=both_classes)


def prepare_source(
    source: Source,
    encoder: EncoderLocation,
    config: DataConfig,
    context: Context,
    *,
    both_classes: bool = True,
    trained_rule: LabelRule | None = None,
) -> Prepared:
    """Tokenize a source for an encoder; see `prepare`.

    A checkpoint's `trained_rule` says what labels mean where the source has the same column and values.
    """
    from polarity_cli.data.tokenizing import ReviewTokenizer

    size, tokenizer = find_size(encoder.model), open_tokenizer(encoder.model)
    longest = find_longest_input(size, tokenizer, encoder.folder)
    if config.max_length > longest:
        context.observer.note(
            f"{encoder.name} reads at most {longest} tokens; --max-length {config.max_length} is lowered to that."
        )
        config = replace(config, max_length=longest)
    review_tokenizer = ReviewTokenizer(tokenizer.backend, max_length=config.max_length, truncation=config.truncation)
    key = _make_key(source, config, tokenizer.backend.to_str(), trained_rule)
    place = _place(context.cache_dir, fingerprint(key))

    opened = open_or_begin(place, key, context.observer, is_sound=is_of_reviews)
    if isinstance(opened, NewEntry):
        with opened:
            reviews, splits, notes = _read(source, config, context, trained_rule)
            n_reviews = sum(map(len, splits.values()))
            with report_unwritable(place.folder), context.observer.track("Tokenizing", n_reviews) as advance:
                counts = _write(opened.folder, splits, review_tokenizer, advance)
            entry = opened.commit({**_describe(reviews, source, encoder), "splits": counts, "notes": notes})
    else:
        entry = opened
    prepared = Prepared(entry, encoder, config)
    for note in prepared.manifest.notes:
        (context.observer.warn if note.startswith(("Left out", "Only ")) else context.observer.note)(note)
    if both_classes:
        train = prepared.manifest.splits.get("train")
        check_both_classes(
            {NEGATIVE: train.n_negative if train else 0, POSITIVE: train.n_positive if train else 0}, config.source
        )
    return prepared


def prepare_together(config: DataConfig, context: Context, world: World) -> Prepared:
    """Prepare as `prepare` does, once for all processes that have the same cache; the main process reads for them.

    Raises:
        UsageError: another machine, with a cache of its own, reads other reviews or another encoder.
    """
    if world.state is None:
        return prepare(config, context)
    mine = prepare(config, context) if world.is_main else None
    name, encoder, config_of_main = world.broadcast((mine.fingerprint, mine.encoder, mine.config) if mine else ("", None, config))
    assert encoder is not None  # the main process told it

    def find_or_prepare() -> Prepared:
        entry = find_prepared(context.cache_dir, name)
        if entry is None:
            return prepare(config, context)
        if config.encoder in (SAMPLE, str(encoder.folder)) or not encoder.folder.is_dir():
            return Prepared(entry, find_encoder(config.encoder, context), config_of_main)
        here = ModelFolder.open(encoder.folder, encoder.name)  # was fetched from the Hub, and is known by its revision
        return Prepared(entry, replace(encoder, model=here), config_of_main)

    prepared = take_turns(world, context.cache_dir, lambda: mine or find_or_prepare())
    if (prepared.fingerprint, prepared.encoder.revision) != (name, encoder.revision):
        raise UsageError(
            f"{config.source}, {config.encoder}: on {platform.node()} they hold something else than where the main process is.",
            hint="Copy the same files to every machine, or let all use one cache: --cache-dir on a shared disk.",
        )
    return prepared


def find_prepared(cache_dir: Path, name: str) -> Entry | None:
    """Return the tokenized splits of a fingerprint; None where the cache does not have them whole."""
    entry = find_entry(_place(cache_dir, name), None, is_sound=is_of_reviews)
    return entry if entry is not None and fingerprint(entry.manifest["key"]) == name else None


def _place(cache_dir: Path, name: str) -> Place:
    return Place(cache_dir, "data", name)


def _make_key(source: Source, config: DataConfig, tokenizer: str, trained_rule: LabelRule | None) -> dict[str, Any]:
    """Return all that decides what is written: content, columns, splits, and how texts become tokens."""
    return {
        "format": FORMAT,
        "files": source.identify(),
        "tokenizer": fingerprint(tokenizer),
        "text": config.text or config.preferred_text,
        "label": config.label,
        "positive": config.positive,
        "negative": config.negative,
        "known": trained_rule.to_json() if trained_rule else None,
        "read": asdict(config.read),
        "on_error": config.on_error,
        "rows": config.row_limit,
        "test": config.test,
        "validation": config.validation,
        "seed": config.seed,
        "max_length": config.max_length,
        "truncation": config.truncation,
    }


def _name_meaning(meaning: int | None) -> str:
    return "left out" if meaning is None else LABEL_NAMES[meaning]


def _read(
    source: Source, config: DataConfig, context: Context, trained_rule: LabelRule | None
) -> tuple[LabelledReviews, dict[str, list[Review]], list[str]]:
    with context.observer.track(f"Reading {source.name}"):
        reviews = read_reviews(source, config, context.observer, trained_rule=trained_rule)
        splits, notes = divide_reviews(reviews, config)
    return reviews, {name: members for name, members in splits.items() if members}, [*reviews.notes, *notes]


def _write(
    folder: Path, splits: dict[str, list[Review]], tokenizer: ReviewTokenizer, advance: Callable[[int], None]
) -> dict[str, dict[str, int]]:
    from polarity_cli.data.tokenized import write_split

    return {name: write_split(folder / f"{name}.arrow", members, tokenizer, advance) for name, members in splits.items()}


def _describe(reviews: LabelledReviews, source: Source, encoder: EncoderLocation) -> dict[str, Any]:
    """Return what the manifest says of how reviews were read."""
    return {
        "source": source.name,
        "encoder": encoder.name,
        "revision": source.revision,
        "text": reviews.text,
        "label": reviews.label,
        "labels": {value: _name_meaning(meaning) for value, meaning in reviews.meanings.items()},
        "rule": reviews.rule.to_json(),
        "left_out": reviews.left_out,
        "blank": reviews.blank,
    }
