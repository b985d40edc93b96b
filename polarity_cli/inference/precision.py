"""Which of two graphs answers, where the int8 one was checked on other texts than those that it is to label. Used by `predict`.

The graphs of a foreign checkpoint are checked on the built-in reviews, in English; texts of another language or kind may be
flipped by int8 where none of those was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from polarity_cli.machine import choose_threads
from polarity_cli.records import POSITIVE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polarity_cli.data.tokenizing import ReviewTokenizer
    from polarity_cli.inference.graphs import GraphFolder

MOST_FLIPPED = 0.005
"""Share of the texts whose label int8 may flip and still be the default."""
FEW = 16
"""Texts up to which full precision answers at once: a comparison would cost as much."""
_MOST_COMPARED, _SLICE = 200, 8
_LONGEST_S = 1.0
"""Seconds after which no further texts are compared."""


def choose_precision(
    graphs: GraphFolder,
    option: str | None,
    tokenizer: ReviewTokenizer,
    own_texts: Sequence[str],
    *,
    positive: int = POSITIVE,
    threshold: float | None = None,
) -> tuple[str, str | None]:
    """Return the precision to predict with, and what to say of the choice.

    int8 is taken where it was found to agree on the built-in reviews, and on as many of `own_texts` as a second allows.

    Args:
        graphs: to choose from.
        option: the precision that is asked for.
        tokenizer: theirs.
        own_texts: some of the texts that will be labelled.
        positive: the index of the positive class.
        threshold: the probability of positive from which on a text is positive; None takes the likelier class.
    """
    if option is not None or graphs.default == "fp32":
        return option or "fp32", None
    texts = [text for text in own_texts if text.strip()][:_MOST_COMPARED]
    if not texts:
        return "int8", "int8 answers, which was checked on built-in English reviews alone; --precision fp32 answers as the model."
    if len(texts) <= FEW:
        return "fp32", None
    decide = partial(_find_positive, graphs, positive=positive, threshold=threshold)
    n_compared, n_flipped = _compare(graphs, tokenizer, texts, decide)
    if n_flipped <= (MOST_FLIPPED * n_compared if n_compared >= _MOST_COMPARED else 0):
        return "int8", None
    return "fp32", f"int8 turns {n_flipped} of {n_compared} of these texts round; full precision answers, which is slower."


def _compare(
    graphs: GraphFolder,
    tokenizer: ReviewTokenizer,
    texts: Sequence[str],
    decide: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
) -> tuple[int, int]:
    """Return how many texts were compared, and how many labels int8 flips."""
    from polarity_cli.inference.onnx_engine import GraphEngine

    loaded = [graphs.read(precision) for precision in ("fp32", "int8")]
    if None in loaded:
        return 0, 0
    engines = [GraphEngine(graph, name=str(graphs.folder), n_threads=choose_threads()) for graph in loaded if graph is not None]
    ends = time.monotonic() + _LONGEST_S
    token_ids = tokenizer.encode(texts)
    n_compared = n_flipped = 0
    try:
        for start in range(0, len(token_ids), _SLICE):
            part = token_ids[start : start + _SLICE]
            full, small = (decide(engine.compute_logits(part)) for engine in engines)
            n_compared, n_flipped = n_compared + len(full), n_flipped + int((full != small).sum())
            if time.monotonic() > ends:
                break
    finally:
        for engine in engines:
            engine.close()
    return n_compared, n_flipped


def _find_positive(
    graphs: GraphFolder, logits: NDArray[np.float64], *, positive: int, threshold: float | None
) -> NDArray[np.bool_]:
    """Return which texts are positive, `(N,) bool`, from logits `(N, 2)`."""
    from polarity_cli.inference.scores import compute_scores

    scores = logits if threshold is None else compute_scores(logits, sigmoid=graphs.sigmoid)
    least = scores[:, 1 - positive] if threshold is None else threshold
    found: NDArray[np.bool_] = scores[:, positive] >= least
    return found
