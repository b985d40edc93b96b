"""Padded batches of texts, as other programs feed them to a graph. Used by `export/portable`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polarity_cli.data.batches import pad
from polarity_cli.errors import ExportError

if TYPE_CHECKING:
    import onnx

    from polarity_cli.data.tokenizing import TokenIds

MASK, SEGMENTS = "attention_mask", "token_type_ids"
_TOGETHER = 8
"""Texts of a batch: short and long ones beside each other."""


def make_feeds(inputs: Sequence[str], token_ids: Sequence[TokenIds], *, pad_id: int) -> dict[str, NDArray[np.int64]]:
    """Return what a graph takes for some texts, each input `(B, T) int64`: token ids padded on the right, mask, one segment."""
    ids, mask = pad(token_ids, pad_id=pad_id)
    values = {"input_ids": ids, MASK: mask, SEGMENTS: np.zeros_like(ids)}
    return {name: values[name] for name in inputs}


def run_padded(graph: onnx.ModelProto, token_ids: Sequence[TokenIds], *, pad_id: int) -> NDArray[np.float64]:
    """Return a graph's logits `(N, 2)` for texts in padded batches, in the order given.

    Raises:
        ExportError: the graph cannot take them.
    """
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    from polarity_cli.machine import count_threads

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = count_threads()
    inputs = [value.name for value in graph.graph.input]
    rows = []
    try:
        session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for start in range(0, len(token_ids), _TOGETHER):
            feeds = make_feeds(inputs, token_ids[start : start + _TOGETHER], pad_id=pad_id)
            rows.append(session.run(["logits"], feeds)[0])
    except (raised.Fail, raised.InvalidArgument, raised.InvalidGraph, raised.RuntimeException, raised.NotImplemented) as error:
        reason = str(error).strip().partition("\n")[0][:300]
        raise ExportError(f"its graph cannot take a padded batch ({reason})") from error
    logits: NDArray[np.float64] = np.concatenate(rows).astype(np.float64)
    return logits
