"""Open what predicts with a checkpoint: its graphs, graphs made and kept for it, or torch where there can be none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from polarity_cli.cache.entries import Entry, Manifest, Place, find_entry
from polarity_cli.cache.new_entry import open_or_begin
from polarity_cli.cache.publish import report_unwritable
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.classes import describe_guess, find_positive_class
from polarity_cli.checkpoint.tokenizer import TOKENIZER
from polarity_cli.config import Context, PredictConfig, ReadOptions
from polarity_cli.errors import ExportError
from polarity_cli.extras import require_extra
from polarity_cli.formats import open_path
from polarity_cli.inference.graphs import (
    CachedGraphs,
    GraphFolder,
    find_own_graphs,
    fit_together,
    is_of_graphs,
    open_cached_graphs,
    place_cached_graphs,
)
from polarity_cli.inference.precision import choose_precision
from polarity_cli.inference.threshold import find_threshold, report_threshold
from polarity_cli.records import Observer

if TYPE_CHECKING:
    from polarity_cli.encoder.torch_engine import TorchCheckpoint
    from polarity_cli.inference.predictor import Predictor

_MOST_CHECKED = 1000
"""Built-in reviews on which the graphs of a foreign checkpoint are checked at most."""


def open_predictor(
    checkpoint: Checkpoint, config: PredictConfig, context: Context, *, own_texts: Sequence[str] = ()
) -> Predictor:
    """Return what predicts with a checkpoint: its graph, made first where it has none, or torch where there can be none.

    Args:
        checkpoint: to predict with.
        config: the precision and the positive class that are asked for.
        context: where graphs are kept, and who is told.
        own_texts: some of the texts that will be labelled, where they are known. On them int8 is compared with full precision
            where nothing says that it was checked on texts like them.

    Raises:
        CheckpointError: the checkpoint is damaged, not of two classes, or would be read here in another way than it should.
    """
    place, key = place_cached_graphs(checkpoint, context.cache_dir)
    own, lost = find_own_graphs(checkpoint), f"{checkpoint.name} has no graph to predict with"
    if own is not None and not fit_together(own, context.cache_dir):
        context.observer.warn(
            f"{checkpoint.name}: its graphs were made from other weights, config or tokenizer than those in it."
        )
        own = None
    if own is not None:
        graph = own.read(config.precision)
        if graph:
            return _predict_with_graph(checkpoint, own, graph, config, context)
        lost = own.describe_loss(config.precision)
    entry, loaded = find_entry(place, key, is_sound=is_of_graphs), None
    is_checked = entry is not None
    if entry is None or entry.manifest["graphs"] is None:
        require_extra("train", f"{lost}; answering without one")
    if entry is None:
        loaded = _load_with_torch(checkpoint, config)
        context.observer.note(f"{lost}; one is made now, once. That takes a minute.")
        with context.observer.track("Exporting the checkpoint"):
            entry = _export_into_cache(loaded, place, key, context.observer)
    cached = open_cached_graphs(entry)
    if cached is not None:
        positive = find_positive_class(cached.class_names, config.positive_class, checkpoint.name)
        threshold = find_threshold(checkpoint, config.threshold, positive)
        precision, choice = choose_precision(
            cached, config.precision, cached.load_tokenizer(), own_texts, positive=positive, threshold=threshold
        )
        graph = cached.read(precision)
        if graph:
            _tell(context, choice, *cached.notes)
            return _predict_with_graph(checkpoint, replace(cached, default=precision), graph, config, context)
    loaded = loaded or _load_with_torch(checkpoint, config, check=not is_checked)
    return _predict_with_torch(checkpoint, loaded, config, context)


def _load_with_torch(checkpoint: Checkpoint, config: PredictConfig, *, check: bool = True) -> TorchCheckpoint:
    from polarity_cli.encoder.agreement import load_checkpoint

    return load_checkpoint(checkpoint, positive_class=config.positive_class, check=check)


def _predict_with_torch(checkpoint: Checkpoint, loaded: TorchCheckpoint, config: PredictConfig, context: Context) -> Predictor:
    from polarity_cli.inference.predictor import Predictor

    _tell(context, describe_guess(loaded.class_names, config.positive_class), *loaded.notes)
    report_threshold(checkpoint, config.threshold, loaded.positive, context.observer)
    return Predictor(
        loaded.make_engine(),
        loaded.make_tokenizer(),
        positive=loaded.positive,
        threshold=find_threshold(checkpoint, config.threshold, loaded.positive),
        min_confidence=config.min_confidence,
        sigmoid=loaded.sigmoid,
        name="torch",
    )


def _predict_with_graph(
    checkpoint: Checkpoint, graphs: GraphFolder, graph: bytes, config: PredictConfig, context: Context
) -> Predictor:
    from polarity_cli.inference.onnx_engine import GraphEngine
    from polarity_cli.inference.predictor import Predictor
    from polarity_cli.machine import choose_threads

    positive = find_positive_class(graphs.class_names, config.positive_class, checkpoint.name)
    _tell(context, describe_guess(graphs.class_names, config.positive_class))
    report_threshold(checkpoint, config.threshold, positive, context.observer)
    return Predictor(
        GraphEngine(graph, name=str(graphs.folder), n_threads=choose_threads()),
        graphs.load_tokenizer(),
        positive=positive,
        threshold=find_threshold(checkpoint, config.threshold, positive),
        min_confidence=config.min_confidence,
        sigmoid=graphs.sigmoid,
        name=config.precision or graphs.default,
    )


def _tell(context: Context, *notes: str | None) -> None:
    for note in notes:
        if note is not None:
            context.observer.note(note)


def _export_into_cache(loaded: TorchCheckpoint, place: Place, key: Manifest, observer: Observer) -> Entry:
    """Write a checkpoint's graphs and tokenizer to the cache, checked on the built-in reviews, and return the entry.

    Where there can be none, that is kept in their place.
    """
    from polarity_cli.export.export import export_graphs, remove_graphs
    from polarity_cli.sample import SAMPLE_DIR

    opened = open_or_begin(place, key, observer, is_sound=is_of_graphs)
    if isinstance(opened, Entry):
        return opened
    figures = None
    with opened:
        rows = open_path(SAMPLE_DIR / "test.jsonl", ReadOptions()).records
        texts = [f"{row.fields['title']}: {row.fields['content']}" for row in rows if row.fields][:_MOST_CHECKED]
        with report_unwritable(place.folder):
            try:
                token_ids = loaded.make_tokenizer().encode(texts)
                figures = export_graphs(opened.folder, loaded.model, token_ids, longest=loaded.max_length)
            except ExportError as error:
                remove_graphs(opened.folder)
                observer.note(f"It cannot be exported: {error}. torch answers, which starts more slowly.")
            (opened.folder / TOKENIZER).write_text(loaded.tokenizer.backend.to_str(), encoding="utf-8")
        if figures is not None:
            observer.note(f"Its graphs were checked on {len(texts)} built-in reviews, which are English.")
        classes, sigmoid, notes = loaded.class_names, loaded.sigmoid, loaded.notes
        graphs = CachedGraphs(figures, classes, loaded.max_length, loaded.truncation, sigmoid, notes)
        return opened.commit(graphs.to_json())
