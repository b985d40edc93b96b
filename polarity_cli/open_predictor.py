"""Open what predicts with a checkpoint: its graphs, graphs made and kept for it, or torch where there can be none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polarity_cli.cache.entries import Entry, Manifest, Place, find_entry
from polarity_cli.cache.new_entry import get_entry
from polarity_cli.cache.publish import report_unwritable
from polarity_cli.checkpoint.checkpoint import CheckpointInfo
from polarity_cli.checkpoint.classes import describe_guess, find_positive_class
from polarity_cli.config import Context, PredictConfig, ReadOptions
from polarity_cli.errors import ExportError
from polarity_cli.extras import require_extra
from polarity_cli.formats import open_path
from polarity_cli.inference.graphs import (
    TOKENIZER,
    GraphFolder,
    find_own_graphs,
    fit_together,
    is_sound_entry,
    open_cached_graphs,
    place_cached_graphs,
)
from polarity_cli.inference.precision import choose_precision
from polarity_cli.records import Observer

if TYPE_CHECKING:
    from polarity_cli.encoder.torch_engine import WholeCheckpoint
    from polarity_cli.inference.predictor import Predictor

_MOST_CHECKED = 1000
"""Built-in reviews on which the graphs of a stranger's checkpoint are checked at most."""


def open_predictor(info: CheckpointInfo, config: PredictConfig, context: Context, *, own_texts: Sequence[str] = ()) -> Predictor:
    """Return what predicts with a checkpoint: its graph, made first where it has none, or torch where there can be none.

    Args:
        info: the checkpoint.
        config: the precision and the positive class that are asked for.
        context: where graphs are kept, and who is told.
        own_texts: some of the texts that will be labelled, where they are known. On them int8 is compared with full precision
            where nothing says that it was checked on texts like them.

    Raises:
        CheckpointError: the checkpoint is damaged, not of two classes, or would be read here in another way than it should.
    """
    note = context.observer.note
    place, key = place_cached_graphs(info, context.cache_dir)
    own, lost = find_own_graphs(info), f"{info.name} has no graph to predict with"
    if own is not None and not fit_together(own, context.cache_dir):
        context.observer.warn(f"{info.name}: its graphs were made from other weights, config or tokenizer than those in it.")
        own = None
    graph = own.read(config.precision) if own else None
    if own and graph:
        return _open_graph(info, own, graph, config, context)
    if own:
        lost = own.describe_loss(config.precision)
    entry = find_entry(place, key, is_sound=is_sound_entry)
    is_known, whole = entry is not None, None
    if entry is None or entry.manifest["graphs"] is None:
        require_extra("train", f"{lost}; answering without one")
    if entry is None:
        whole = _load_whole(info, config)
        note(f"{lost}; one is made now, once. That takes a minute.")
        with context.observer.track("Exporting the checkpoint"):
            entry = _export_into_cache(whole, place, key, context.observer)
    cached = open_cached_graphs(entry)
    if cached:
        encoder = cached.load_encoder()
        precision, said = choose_precision(cached, config.precision, encoder, own_texts)
        graph = cached.read(precision)
        if graph:
            _tell(context, said, *cached.notes)
            return _open_graph(info, cached, graph, config, context)
    from polarity_cli.inference.predictor import Predictor

    whole = whole or _load_whole(info, config, check=not is_known)
    _tell(context, describe_guess(whole.class_names, config.positive_class), *whole.notes)
    return Predictor(
        whole.make_engine(),
        whole.make_encoder(),
        positive=whole.positive,
        min_confidence=config.min_confidence,
        sigmoid=whole.sigmoid,
    )


def _load_whole(info: CheckpointInfo, config: PredictConfig, *, check: bool = True) -> WholeCheckpoint:
    from polarity_cli.encoder.torch_engine import WholeCheckpoint

    return WholeCheckpoint(info, positive_class=config.positive_class, check=check)


def _tell(context: Context, *notes: str | None) -> None:
    for said in notes:
        if said is not None:
            context.observer.note(said)


def _open_graph(info: CheckpointInfo, found: GraphFolder, graph: bytes, config: PredictConfig, context: Context) -> Predictor:
    from polarity_cli.inference.onnx_engine import GraphEngine
    from polarity_cli.inference.predictor import Predictor
    from polarity_cli.machine import choose_threads

    positive = find_positive_class(found.class_names, config.positive_class, info.name)
    _tell(context, describe_guess(found.class_names, config.positive_class))
    engine = GraphEngine(graph, name=str(found.folder), n_threads=choose_threads())
    return Predictor(engine, found.load_encoder(), positive=positive, min_confidence=config.min_confidence, sigmoid=found.sigmoid)


def _export_into_cache(whole: WholeCheckpoint, place: Place, key: Manifest, observer: Observer) -> Entry:
    """Write a checkpoint's graphs and tokenizer to the cache, checked on the built-in reviews, and return the entry.

    Where there can be none, that is kept in their place.
    """
    from polarity_cli.export.export import export_graphs, remove_graphs
    from polarity_cli.sample import SAMPLE_DIR

    def make(work: Path) -> Manifest:
        rows = open_path(SAMPLE_DIR / "test.jsonl", ReadOptions()).records
        texts = [f"{row.fields['title']}: {row.fields['content']}" for row in rows if row.fields]
        texts = texts[:_MOST_CHECKED]
        figures = None
        with report_unwritable(place.folder):
            try:
                figures = export_graphs(work, whole.model, whole.make_encoder().encode(texts), longest=whole.max_length)
            except ExportError as error:
                remove_graphs(work)
                observer.note(f"It cannot be exported: {error}. torch answers, which starts more slowly.")
            (work / TOKENIZER).write_text(whole.tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
        if figures is not None:
            observer.note(f"Its graphs were checked on {len(texts)} built-in reviews, which are English.")
        return {
            "graphs": figures,
            "class_names": whole.class_names,
            "max_length": whole.max_length,
            "truncation": whole.truncation,
            "sigmoid": whole.sigmoid,
            "notes": whole.notes,
        }

    return get_entry(place, key, make, observer, is_sound=is_sound_entry)
