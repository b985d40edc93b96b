"""What a graph need not compute or hold. Used by `export/trace` and `export/quantize`.

Shapes and biases are 1% of the time (reviews of 165 tokens one at a time, all-MiniLM-L6-v2, one core). ONNX Runtime's own
optimizer takes neither out. Tried and slower: its `SkipLayerNormalization` (by 7%), and time before batch, which
needs no transposed queries and values (by 0.5%).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import numpy as np
from torch import nn

from polarity_cli.encoder.families import FAMILIES, can_be_cut, get_blocks

if TYPE_CHECKING:
    import onnx
    from transformers import PreTrainedModel


@contextmanager
def folded_biases(model: PreTrainedModel) -> Iterator[None]:
    """Take the biases of keys and values out of a model for a while; its answers stay the same.

    A key's bias adds the same to all scores of a query, which softmax takes out again. A value's bias comes through whole, since
    probabilities add up to 1, so the projection behind it can add it.
    """
    family = FAMILIES.get(model.config.model_type)
    names = family.projections if family and can_be_cut(model.config) else None
    blocks = list(get_blocks(model, family)) if family and names else []
    biases: list[tuple[nn.Linear, nn.Parameter]] = []
    try:
        for block in blocks:
            key, value, output = (cast("nn.Linear", block.get_submodule(name)) for name in names or ())
            biases += [(layer, layer.bias) for layer in (key, value, output)]
            output.bias = nn.Parameter(output.bias + output.weight @ value.bias, requires_grad=False)
            key.register_parameter("bias", None)
            value.register_parameter("bias", None)
        yield
    finally:
        for layer, bias in biases:
            layer.bias = bias


def fix_shapes(graph: onnx.ModelProto) -> None:
    """Replace shapes that a graph would compute by ones that say which axes stay as they are.

    Each block asks for the shape of its input, takes the batch and the tokens out and builds the shape of its heads: some thirty
    steps, of no use when `Reshape` is told to keep the first two axes. Steps that nothing reads any longer are removed.
    """
    from onnx import numpy_helper, shape_inference

    inferred = shape_inference.infer_shapes(graph, data_prop=True).graph
    shapes = {value.name: _read_shape(value) for value in (*inferred.value_info, *inferred.input)}
    constants = {tensor.name for tensor in graph.graph.initializer}
    constants |= {node.output[0] for node in graph.graph.node if node.op_type == "Constant"}
    for node in graph.graph.node:
        if node.op_type != "Reshape" or node.input[1] in constants:
            continue
        before, after = shapes.get(node.input[0]), shapes.get(node.output[0])
        if before and after:
            copied = [0 if axis and before[i : i + 1] == [axis] else -1 for i, axis in enumerate(after)]
            dims = [axis if isinstance(axis, int) else copied[i] for i, axis in enumerate(after)]
            if dims.count(-1) <= 1:
                node.input[1] = f"{node.output[0]}.dims"
                graph.graph.initializer.append(numpy_helper.from_array(np.array(dims, np.int64), node.input[1]))
    remove_unread(graph)


def _read_shape(value: onnx.ValueInfoProto) -> list[int | str | None]:
    """Return a value's axes: a number, a name that equal ones share, or None; nothing where its shape is unknown."""
    axes = value.type.tensor_type.shape.dim
    return [axis.dim_value if axis.HasField("dim_value") else axis.dim_param or None for axis in axes]


def remove_unread(graph: onnx.ModelProto) -> None:
    """Remove nodes and constants that nothing reads; a graph with conditions or loops, whose bodies may read any, is left."""
    if any(attribute.HasField("g") for node in graph.graph.node for attribute in node.attribute):
        return
    read = {output.name for output in graph.graph.output}
    nodes = []
    for node in reversed(graph.graph.node):
        if read.intersection(node.output):
            nodes.append(node)
            read.update(node.input)
    del graph.graph.node[:]
    graph.graph.node.extend(reversed(nodes))
    tensors = [tensor for tensor in graph.graph.initializer if tensor.name in read]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(tensors)
