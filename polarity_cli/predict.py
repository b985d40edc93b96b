"""The verb `predict`: a prediction for each record of a stream, in order, as soon as it is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from polarity_cli.cache import report_unwritable
from polarity_cli.cache.entries import Entry, Manifest, Place, find_entry, get_entry
from polarity_cli.config import Context, PredictConfig, ReadOptions
from polarity_cli.encoder.checkpoint import CheckpointInfo, find_newest, read_checkpoint
from polarity_cli.errors import ExportError
from polarity_cli.formats import open_path
from polarity_cli.formats.record import Record
from polarity_cli.records import Observer, Prediction
from polarity_cli.serving.graphs.find import (
    TOKENIZER,
    GraphFolder,
    find_own_graphs,
    fit_together,
    is_sound_entry,
    open_cached_graphs,
    place_cached_graphs,
)
from polarity_cli.serving.windows import WINDOW, ReadAhead

if TYPE_CHECKING:
    from polarity_cli.serving.predictor import Predictor
    from polarity_cli.serving.whole import WholeCheckpoint

_EXPLAINED = 4
"""Most records explained together: each is as many texts as it has words."""


def find_checkpoint(config: PredictConfig, context: Context) -> CheckpointInfo:
    """Return the checkpoint asked for, or the newest in the cache.

    Raises:
        CheckpointError: there is none.
    """
    return read_checkpoint(config.checkpoint or find_newest(context.cache_dir, context.observer))


def open_predictor(info: CheckpointInfo, config: PredictConfig, context: Context) -> Predictor:
    """Return what predicts with a checkpoint: its graph, made first where it has none, or torch where there can be none.

    Raises:
        CheckpointError: the checkpoint is damaged, or not of two classes.
    """
    place, key = place_cached_graphs(info, context.cache_dir)
    own = find_own_graphs(info)
    if own is not None and not fit_together(own, context.cache_dir):
        context.observer.note(f"{info.folder}: its graphs were made from other weights, config or tokenizer than those in it.")
        own = None
    graph = own.read(config.precision) if own else None
    if own and graph:
        return _open_graph(own, graph, config)
    entry = find_entry(place, key, is_sound=is_sound_entry)
    whole = None
    if entry is None:
        context.observer.note(f"{info.folder} has no graph to predict with; it is made now, once. That takes a minute.")
        with context.observer.track("Exporting the checkpoint"):
            whole = _load_whole(info, config)
            entry = _export_into_cache(whole, place, key, context.observer)
    cached = open_cached_graphs(entry)
    graph = cached.read(config.precision) if cached else None
    if cached and graph:
        return _open_graph(cached, graph, config)
    from polarity_cli.serving.predictor import Predictor

    whole = whole or _load_whole(info, config)
    return Predictor(whole.make_engine(), whole.make_encoder(), positive=whole.positive, min_confidence=config.min_confidence)


def _load_whole(info: CheckpointInfo, config: PredictConfig) -> WholeCheckpoint:
    from polarity_cli.serving.whole import WholeCheckpoint

    return WholeCheckpoint(info, positive_class=config.positive_class)


def _open_graph(found: GraphFolder, graph: bytes, config: PredictConfig) -> Predictor:
    from polarity_cli.encoder.classes import find_positive_class
    from polarity_cli.encoder.processor import choose_threads
    from polarity_cli.serving.graphs.engine import GraphEngine
    from polarity_cli.serving.predictor import Predictor

    positive = find_positive_class(found.class_names, config.positive_class, found.folder)
    engine = GraphEngine(graph, name=str(found.folder), n_threads=choose_threads())
    return Predictor(engine, found.load_encoder(), positive=positive, min_confidence=config.min_confidence)


def _export_into_cache(whole: WholeCheckpoint, place: Place, key: Manifest, observer: Observer) -> Entry:
    """Write a checkpoint's graphs and tokenizer to the cache, checked on the built-in reviews, and return the entry.

    Where there can be none, that is kept in their place.
    """
    from polarity_cli.sample import SAMPLE_DIR
    from polarity_cli.serving.graphs.export import export_graphs, remove_graphs

    def make(work: Path) -> Manifest:
        rows = open_path(SAMPLE_DIR / "test.jsonl", ReadOptions()).records
        texts = [f"{row.fields['title']}: {row.fields['content']}" for row in rows if row.fields]
        figures = None
        with report_unwritable(place.folder):
            try:
                figures = export_graphs(work, whole.model, whole.make_encoder().encode(texts), longest=whole.max_length)
            except ExportError as error:
                remove_graphs(work)
                observer.note(f"It cannot be exported: {error}. torch answers, which starts more slowly.")
            (work / TOKENIZER).write_text(whole.tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
        return {
            "graphs": figures,
            "class_names": whole.class_names,
            "max_length": whole.max_length,
            "truncation": whole.truncation,
        }

    return get_entry(place, key, make, observer, is_sound=is_sound_entry)


def predict(
    records: Iterable[Record], predictor: Predictor, *, explain: bool = False
) -> Iterator[list[tuple[Record, Prediction]]]:
    """Yield windows of records with their predictions, in order.

    While one window is computed the next is read and tokenized. A stream that has nothing more to give is answered at once.

    Raises:
        DataError: what `records` raises; those before it have been yielded.
    """
    started: deque[tuple[list[Record], Callable[[], list[Prediction]]]] = deque()
    ahead = ReadAhead(records, most=_EXPLAINED if explain else WINDOW)
    try:
        for window in ahead.windows():
            texts = [record.text for record in window.records]
            started.append((window.records, predictor.start(texts, explain=explain)))
            while len(started) > 1 or (started and not window.more_ready):
                yield _finish(*started.popleft())
        while started:
            yield _finish(*started.popleft())
        if ahead.failure is not None:
            raise ahead.failure
    finally:
        predictor.close()


def _finish(records: list[Record], wait: Callable[[], list[Prediction]]) -> list[tuple[Record, Prediction]]:
    return list(zip(records, wait(), strict=True))
