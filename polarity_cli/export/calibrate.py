"""What the inputs of a graph's products hold, on some real reviews. Next: `export/scales`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray

from polarity_cli.export.padded import make_feeds

if TYPE_CHECKING:
    from polarity_cli.data.tokenizing import TokenIds

_N_ROWS = 20
"""Tokens of each review that are looked at one by one."""


@dataclass
class InputRange:
    """What a product's input held in some reviews."""

    low: NDArray[np.float32]
    """`(K,)`: each channel's least value."""
    high: NDArray[np.float32]
    """`(K,)`: each channel's greatest value."""
    rows: NDArray[np.float32]
    """`(n, K)`: some of the tokens."""
    n_tokens: int
    """Most tokens at once; 1 where only the classifier's token comes through."""

    @property
    def largest(self) -> NDArray[np.float32]:
        """Each channel's largest magnitude, `(K,)`."""
        return np.maximum(np.abs(self.low), np.abs(self.high))


def calibrate(model: onnx.ModelProto, token_ids: Sequence[TokenIds]) -> dict[str, InputRange]:
    """Return what each input of a product with constant weights holds, in some reviews."""
    import onnxruntime as ort

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    names = list(dict.fromkeys(node.input[0] for node in find_products(model)))
    if not names:  # SqueezeBERT multiplies by convolutions
        return {}
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    inputs = [value.name for value in model.graph.input]
    session = ort.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    batches: dict[str, list[InputRange]] = {name: [] for name in names}
    for ids in token_ids:
        for name, values in zip(names, session.run(names, make_feeds(inputs, [ids], pad_id=0)), strict=True):
            rows = values.reshape(-1, values.shape[-1])
            chosen = rows[np.unique(np.linspace(0, len(rows) - 1, _N_ROWS).astype(int))]
            batches[name].append(InputRange(rows.min(0), rows.max(0), chosen, len(rows)))
    return {
        name: InputRange(
            np.min([part.low for part in parts], axis=0),
            np.max([part.high for part in parts], axis=0),
            np.concatenate([part.rows for part in parts]),
            max(part.n_tokens for part in parts),
        )
        for name, parts in batches.items()
    }


def find_products(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the products of a hidden state with a constant matrix."""
    matrices = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    return [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in matrices]
