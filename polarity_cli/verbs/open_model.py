"""Open what answers token ids with logits for a checkpoint: its graphs, graphs made and kept for it, or torch with its weights.

`open_labeller` labels texts with it, and `evaluate` scores reviews: what is served is what is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polarity_cli.cache.entries import Entry, Manifest, Place, find_entry
from polarity_cli.cache.new_entry import open_or_begin
from polarity_cli.cache.publish import report_unwritable
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.classes import describe_guess, find_positive_class
from polarity_cli.checkpoint.tokenizer import TOKENIZER
from polarity_cli.config import Context, ReadOptions
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
from polarity_cli.verbs.opened_model import BFLOAT16 as BFLOAT16
from polarity_cli.verbs.opened_model import WEIGHTS as WEIGHTS
from polarity_cli.verbs.opened_model import OpenedModel as OpenedModel

if TYPE_CHECKING:
    import torch

    from polarity_cli.encoder.gpu_engine import GpuEngine
    from polarity_cli.encoder.torch_engine import TorchCheckpoint, TorchEngine
    from polarity_cli.inference.onnx_engine import GraphEngine

_MOST_CHECKED = 1000
"""Built-in reviews on which the graphs of a foreign checkpoint are checked at most."""


def open_model(
    checkpoint: Checkpoint,
    context: Context,
    *,
    precision: str | None = None,
    positive_class: str | None = None,
    threshold: float | None = None,
    own_texts: Sequence[str] = (),
    makes_graphs: bool = True,
    device: str = "cpu",
    min_confidence: float = 0.0,
    threads: int | None = None,
) -> OpenedModel:
    """Return what answers for a checkpoint: its graph, made first where it has none, or torch where there can be none.

    Args:
        checkpoint: to answer with.
        context: where graphs are kept, and who is told.
        precision: `int8` or `fp32` asks for that graph, `weights` for torch; None takes the graph that was found to agree.
        positive_class: the class that means positive; None goes by the usual names.
        threshold: from which probability of positive on the answer is positive; None takes the checkpoint's own.
        own_texts: some of the texts that will be answered, where they are known. On them int8 is compared with full precision
            where nothing says that it was checked on texts like them.
        makes_graphs: whether a checkpoint without graphs gets them now, if `precision` is None; else torch answers.
        device: `cpu`, or a GPU, `cuda` or `cuda:1`, on which the weights answer; see `choose_device`.
        min_confidence: the score below which an answer is `uncertain`; a GPU's coarse answers near it are computed again.
        threads: that compute; None takes as many as there are processors for this process.

    Raises:
        CheckpointError: the checkpoint is damaged, not of two classes, or would be read here in another way than it should.
        UsageError: there is no such GPU.
    """
    opener = _Opener(checkpoint, context, precision, positive_class, threshold, threads)
    if device != "cpu":
        return opener.open_on_gpu(device, min_confidence)
    if precision == WEIGHTS:
        return opener.open_weights(opener.load_with_torch())
    own = opener.open_own_graph()
    if isinstance(own, OpenedModel):
        return own
    return opener.open_without(own, own_texts, makes_graphs=makes_graphs)


@dataclass(frozen=True)
class _Opener:
    """What a checkpoint is opened with."""

    checkpoint: Checkpoint
    context: Context
    precision: str | None
    positive_class: str | None
    threshold: float | None
    threads: int | None

    def open_own_graph(self) -> OpenedModel | str:
        """Return the graph that the checkpoint brings, or what is wrong with it, as the beginning of a sentence."""
        own, name = find_own_graphs(self.checkpoint), self.checkpoint.name
        lost = f"{name} has no graph to predict with"
        if own is not None and not fit_together(own, self.context.cache_dir):
            self.context.observer.warn(f"{name}: its graphs were made from other weights, config or tokenizer than those in it.")
            return lost
        if own is None:
            return lost
        graph = own.read(self.precision)
        return self.open_graph(own, graph, self.precision or own.default) if graph else own.describe_loss(self.precision)

    def open_without(self, lost: str, own_texts: Sequence[str], *, makes_graphs: bool) -> OpenedModel:
        """Return the graph that the cache has or gets, or the weights."""
        place, key = place_cached_graphs(self.checkpoint, self.context.cache_dir)
        entry, loaded = find_entry(place, key, is_sound=is_of_graphs), None
        is_checked = entry is not None
        if entry is None or entry.manifest["graphs"] is None:
            require_extra("train", f"{lost}; answering without one")
        if entry is None and (makes_graphs or self.precision is not None):
            loaded = self.load_with_torch()
            self.context.observer.note(f"{lost}; one is made now, once. That takes a minute.")
            with self.context.observer.track("Exporting the checkpoint"):
                entry = _export_into_cache(loaded, place, key, self.context.observer)
        elif entry is None and lost.endswith(("missing", "written")):
            self.context.observer.warn(f"{lost}; the weights answer.")
        cached = open_cached_graphs(entry) if entry is not None else None
        opened = self._open_cached(cached, own_texts) if cached is not None else None
        return opened or self.open_weights(loaded or self.load_with_torch(check=not is_checked))

    def _open_cached(self, cached: GraphFolder, own_texts: Sequence[str]) -> OpenedModel | None:
        """Return a graph of the cache, in the precision that is asked for or that agrees on the texts; None if it is damaged."""
        positive = find_positive_class(cached.class_names, self.positive_class, self.checkpoint.name)
        threshold = find_threshold(self.checkpoint, self.threshold, positive)
        precision, choice = choose_precision(
            cached, self.precision, cached.load_tokenizer(), own_texts, positive=positive, threshold=threshold
        )
        graph = cached.read(precision)
        if not graph:
            return None
        _tell(self.context, choice, *cached.notes)
        return self.open_graph(cached, graph, precision)

    def load_with_torch(self, *, check: bool = True) -> TorchCheckpoint:
        from polarity_cli.encoder.agreement import load_checkpoint

        return load_checkpoint(self.checkpoint, positive_class=self.positive_class, check=check)

    def open_on_gpu(self, option: str, min_confidence: float) -> OpenedModel:
        """Return the weights on a GPU: in bfloat16 where it has that, unless float32 is asked for."""
        import torch

        from polarity_cli.encoder.device import choose_dtype, find_gpu
        from polarity_cli.inference.boundaries import Boundaries

        device = find_gpu(option)
        loaded = self.load_with_torch()
        _tell(self.context, describe_guess(loaded.class_names, self.positive_class), *loaded.notes)
        dtype = torch.float32 if self.precision is not None else choose_dtype(device)
        threshold = find_threshold(self.checkpoint, self.threshold, loaded.positive)
        boundaries = Boundaries(
            positive=loaded.positive, threshold=threshold, sigmoid=loaded.sigmoid, min_confidence=min_confidence
        )
        engine = loaded.make_gpu_engine(device, dtype, boundaries)
        precision = BFLOAT16 if engine.dtype == torch.bfloat16 else WEIGHTS
        return self._open(engine, loaded, loaded.positive, precision, device)

    def open_weights(self, loaded: TorchCheckpoint) -> OpenedModel:
        _tell(self.context, describe_guess(loaded.class_names, self.positive_class), *loaded.notes)
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        return self._open(loaded.make_engine(), loaded, loaded.positive, WEIGHTS)

    def open_graph(self, graphs: GraphFolder, graph: bytes, precision: str) -> OpenedModel:
        from polarity_cli.inference.onnx_engine import GraphEngine
        from polarity_cli.machine import choose_threads

        positive = find_positive_class(graphs.class_names, self.positive_class, self.checkpoint.name)
        _tell(self.context, describe_guess(graphs.class_names, self.positive_class))
        engine = GraphEngine(graph, name=str(graphs.folder), n_threads=self.threads or choose_threads())
        return self._open(engine, graphs, positive, precision)

    def _open(
        self,
        engine: GraphEngine | GpuEngine | TorchEngine,
        source: TorchCheckpoint | GraphFolder,
        positive: int,
        precision: str,
        device: torch.device | str = "cpu",
    ) -> OpenedModel:
        report_threshold(self.checkpoint, self.threshold, positive, self.context.observer)
        return OpenedModel(
            engine=engine,
            precision=precision,
            positive=positive,
            threshold=find_threshold(self.checkpoint, self.threshold, positive),
            sigmoid=source.sigmoid,
            source=source,
            device=str(device),
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
                token_ids = loaded.load_tokenizer().encode(texts)
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
