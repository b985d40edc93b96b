"""Graphs for other programs, with the names and inputs that they look for, checked on padded batches against the model.

    onnx/model.onnx              full precision
    onnx/model_quantized.onnx    weights in int8, by `export/compress`
    onnx/polarity.json           the SHA-256 of each, and what the checks found

Those that `predict` runs take no mask, because it pads nothing. Optimum and others pad, and feed a graph only what it names, so
a graph without a mask would answer wrongly there. Imports torch, so only functions import this module.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polarity_cli import __version__
from polarity_cli.cache.hashes import hash_file
from polarity_cli.cache.publish import write_json
from polarity_cli.checkpoint.folder_check import list_files
from polarity_cli.errors import ExportError
from polarity_cli.export.compress import compress_weights
from polarity_cli.export.export import (
    add_ends,
    compute_model_logits,
    is_within_tolerance,
)
from polarity_cli.export.padded import MASK, SEGMENTS, run_padded
from polarity_cli.export.trace import trace_model
from polarity_cli.inference.onnx_engine import INPUT
from polarity_cli.inference.precision import MOST_FLIPPED
from polarity_cli.inference.scores import compute_scores

if TYPE_CHECKING:
    import onnx
    from transformers import PreTrainedModel

    from polarity_cli.data.tokenizing import TokenIds

PORTABLE = {"fp32": "model.onnx", "int8": "model_quantized.onnx"}
"""The file of each precision: names that Optimum, text-embeddings-inference and transformers.js look for."""
RECORD = "polarity.json"
_MOST_COMPARED = 200
"""Texts on which the graphs are compared with the model."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How other programs will give texts to a graph."""

    pad_id: int
    gives_segments: bool
    """Whether the tokenizer gives `token_type_ids`."""
    longest: int
    """Most tokens of a text."""
    sigmoid: bool = False
    """Whether the head scores each class by itself."""


def export_portable(folder: Path, model: PreTrainedModel, token_ids: Sequence[TokenIds], reader: Reader) -> dict[str, Any]:
    """Write a model's graphs for other programs into a folder, and return what the checks found.

    Args:
        folder: where they go; made if need be.
        model: two classes, in eval mode.
        token_ids: real texts, special tokens included.
        reader: how they will be fed.

    Returns:
        `inputs`, and for each precision that was written the largest differences of a logit and of a score from the model's, the
        share of equal labels, and the number of texts compared. An int8 graph that turns more than 0.5% of the labels, and more
        than one, is not written, and its figures say so.

    Raises:
        ExportError: the model has no graph that answers padded batches as it answers single texts.
        OSError: the folder cannot be written.
    """
    inputs = _name_inputs(model, gives_segments=reader.gives_segments)
    compared = add_ends(list(token_ids[:: max(1, len(token_ids) // _MOST_COMPARED)][:_MOST_COMPARED]), longest=reader.longest)
    expected = compute_model_logits(model, compared)
    graph, figures = _trace_checked(model, inputs, compared, expected, reader)
    small = compress_weights(graph)
    small_figures = _compare(run_padded(small, compared, pad_id=reader.pad_id), expected, sigmoid=reader.sigmoid)
    n_flipped = round((1 - small_figures["equal_labels"]) * len(compared))
    is_kept = n_flipped <= max(1, MOST_FLIPPED * len(compared))
    folder.mkdir(exist_ok=True)
    for name, exported in ((PORTABLE["fp32"], graph), *([(PORTABLE["int8"], small)] if is_kept else [])):
        exported.producer_name, exported.producer_version = "polarity", __version__
        (folder / name).write_bytes(exported.SerializeToString())
    taken = [value.name for value in graph.graph.input]  # what the model's code did not read is none
    found = {"inputs": taken, "fp32": figures, "int8": {**small_figures, "written": is_kept}}
    write_json(folder / RECORD, {"files": hash_graphs(folder), **found})
    return found


def hash_graphs(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of all that is in a folder of graphs but the record, by name.

    Raises:
        OSError: something in it cannot be read.
    """
    return {name: hash_file(folder / name) for name in list_files(folder) if name != RECORD}


def _name_inputs(model: PreTrainedModel, *, gives_segments: bool) -> tuple[str, ...]:
    takes = inspect.signature(model.forward).parameters
    return (INPUT, MASK, *([SEGMENTS] if gives_segments and SEGMENTS in takes else []))


def _trace_checked(
    model: PreTrainedModel, inputs: Sequence[str], compared: Sequence[TokenIds], expected: NDArray[np.float64], reader: Reader
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """Return the first graph that answers padded batches as the model does single texts; the shortened block is tried first."""
    reasons = []
    for shorten in (True, False):
        try:
            graph = trace_model(model, shorten=shorten, inputs=inputs)
            logits = run_padded(graph, compared, pad_id=reader.pad_id)
        except ExportError as error:
            reasons.append(str(error))
            continue
        figures = _compare(logits, expected, sigmoid=reader.sigmoid)
        if is_within_tolerance(figures["largest_logit_difference"], expected):
            return graph, figures
        reasons.append(f"in padded batches its graph's logits differ by {figures['largest_logit_difference']:g}")
    raise ExportError("; ".join(dict.fromkeys(reasons)))


def _compare(logits: NDArray[np.float64], expected: NDArray[np.float64], *, sigmoid: bool) -> dict[str, Any]:
    scores, expected_scores = (compute_scores(each, sigmoid=sigmoid) for each in (logits, expected))
    return {
        "largest_logit_difference": round(float(np.abs(logits - expected).max()), 7),
        "largest_score_difference": round(float(np.abs(scores - expected_scores).max()), 7),
        "equal_labels": float((logits.argmax(1) == expected.argmax(1)).mean()),
        "n_texts": len(expected),
    }
