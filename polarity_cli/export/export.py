"""Write a checkpoint's graphs, each checked against the model on real texts. Last step of a training run's road.

Imports torch, so only functions import this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto

from polarity_cli.errors import ExportError, PolarityError
from polarity_cli.export.calibrate import calibrate
from polarity_cli.export.quantize import quantize_graph
from polarity_cli.export.trace import trace_model
from polarity_cli.inference.graphs import GRAPHS
from polarity_cli.inference.onnx_engine import GraphEngine
from polarity_cli.inference.precision import MOST_FLIPPED
from polarity_cli.machine import count_threads

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from polarity_cli.data.tokenizing import TokenIds

_TOLERANCE = 1e-3
"""Largest difference of a logit between the full-precision graph and the model, times 1 plus the largest logit."""
_N_COMPARED, _N_CALIBRATED = 12, 48
"""Texts on which the full-precision graph is compared, and those from which the ranges of int8 are taken."""
_CALIBRATED_TOKENS = 128
_LONGEST_COMPARED = 1024
"""Tokens of the longest text compared: full attention to more would take gigabytes."""

Logits = NDArray[np.float64]


def export_graphs(
    folder: Path, model: PreTrainedModel, token_ids: Sequence[TokenIds], logits: Logits | None = None, *, longest: int
) -> dict[str, Any]:
    """Write a model's graphs into a folder and return what the checks found, for its manifest.

    Args:
        folder: where `fp32.onnx` and `int8.onnx` go; made if need be.
        model: two classes, in eval mode.
        token_ids: real texts, special tokens included.
        logits: `(N, 2)`, the model's own for these texts; computed where they are None.
        longest: most tokens that a text will have.

    Returns:
        `default`, the precision to predict with, and for each precision the largest difference of a logit from the model's, the
        share of equal labels, and the number of texts compared.

    Raises:
        ExportError: the model has no graph that answers as it does.
    """
    compared = add_ends(list(token_ids[:: max(1, len(token_ids) // _N_COMPARED)][:_N_COMPARED]), longest=longest)
    graph, fp32_figures = _trace_checked(model, compared)
    if logits is None:
        logits = compute_model_logits(model, token_ids)
    calibrated_on = token_ids[:: max(1, len(token_ids) // _N_CALIBRATED)][:_N_CALIBRATED]
    small = quantize_graph(graph, calibrate(graph, [ids[:_CALIBRATED_TOKENS] for ids in calibrated_on]))
    figures = {"fp32": fp32_figures, "int8": _compare(_run(small, token_ids), logits)}
    folder.mkdir(exist_ok=True)
    for precision, exported in (("fp32", graph), ("int8", small)):
        (folder / GRAPHS[precision]).write_bytes(exported.SerializeToString())
        (folder / GRAPHS[precision]).chmod(0o644)
    n_flipped = round((1 - figures["int8"]["equal_labels"]) * len(token_ids))
    default = "int8" if n_flipped <= MOST_FLIPPED * len(token_ids) else "fp32"
    return {"default": default, **figures}


def remove_graphs(folder: Path) -> None:
    """Remove what an export that failed has left in a folder."""
    for name in GRAPHS.values():
        (folder / name).unlink(missing_ok=True)


def add_ends(token_ids: Sequence[TokenIds], *, longest: int) -> list[TokenIds]:
    """Return texts with a very long and a very short one before them: no length may be fixed by what was traced."""
    tiled = np.concatenate([*token_ids, *([token_ids[0]] * (_LONGEST_COMPARED // max(1, len(token_ids[0]))))])
    return [tiled[: min(longest, _LONGEST_COMPARED)], token_ids[0][:3], *token_ids]


def is_within_tolerance(largest: float, logits: Logits) -> bool:
    """Tell whether the largest difference of a logit is rounding alone."""
    return largest <= _TOLERANCE * (1 + float(np.abs(logits).max()))


def compute_model_logits(model: PreTrainedModel, token_ids: Sequence[TokenIds]) -> Logits:
    """Return a model's own logits `(N, 2)`, one review at a time, as it is: no mask, no padding, no shortened block."""
    with torch.no_grad():
        rows = [model(input_ids=torch.from_numpy(ids[None].astype(np.int64)).to(model.device)).logits[0] for ids in token_ids]
        logits: Logits = torch.stack(rows).double().cpu().numpy()
    return logits


def _trace_checked(model: PreTrainedModel, token_ids: Sequence[TokenIds]) -> tuple[ModelProto, dict[str, Any]]:
    """Return the first graph that answers as the model does, and how close it comes.

    The shortened last block is tried first; a family whose code for it fixes a length while it is traced is traced as it is.
    """
    logits = compute_model_logits(model, token_ids)
    reasons = []
    for shorten in (True, False):
        try:
            graph = trace_model(model, shorten=shorten)
            figures = _compare(_run(graph, token_ids), logits)
        except PolarityError as error:
            reasons.append(str(error))
            continue
        if is_within_tolerance(figures["largest_logit_difference"], logits):
            return graph, figures
        reasons.append(f"its graph's logits differ by {figures['largest_logit_difference']:g}")
    raise ExportError("; ".join(dict.fromkeys(reasons)))


def _run(graph: ModelProto, token_ids: Sequence[TokenIds]) -> Logits:
    engine = GraphEngine(graph.SerializeToString(), name="the graph", n_threads=count_threads())
    try:
        return engine.compute_logits(token_ids)
    finally:
        engine.close()


def _compare(logits: Logits, expected: Logits) -> dict[str, Any]:
    return {
        "largest_logit_difference": round(float(np.abs(logits - expected).max()), 7),
        "equal_labels": float((logits.argmax(1) == expected.argmax(1)).mean()),
        "n_texts": len(expected),
    }
