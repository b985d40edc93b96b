"""A graph with int8 products from a full-precision one. Next: `export/export`, which checks it.

A product's input becomes uint8 while the graph runs, as `export/scales` chose on real tokens; its weights became int8
once, column by column. ONNX Runtime's own quantizer takes one range for all tokens of all reviews run together: on 1,242 real
reviews that turned 1.5% to 2% of the labels, and made an answer depend on its neighbours.

Mean error of the log-odds on 1,242 real reviews, all-MiniLM-L6-v2: 0.042 to 0.052 as it is, by which texts the ranges come from,
at 1.08 times the speed of ranges of their own for most, which give 0.038 to 0.052. Shared ranges everywhere: 0.075, for what GELU
gives above all. Without channels apart there: 0.075. The int8 table of embeddings makes 0.008 of it. Weights rounded as in GPTQ
took 0.003 off; clipped ranges doubled it, and corrected means did nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from polarity_cli.export.calibrate import InputRange, find_products
from polarity_cli.export.scales import LEVELS, SharedScale, TokenScales, choose_scales, quantize_weights
from polarity_cli.export.simplify import remove_unread

_LARGEST_TABLE = 1 << 20
"""Values from which on a table of embeddings is stored as int8: smaller ones are not worth it."""


def quantize_graph(model: onnx.ModelProto, ranges: Mapping[str, InputRange]) -> onnx.ModelProto:
    """Return a copy of a graph with int8 products where every token comes through, and int8 word embeddings."""
    products = {node.output[0]: node for node in find_products(model) if ranges[node.input[0]].n_tokens > 1}
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    matrices: dict[str, list[NDArray[np.float32]]] = {}
    for node in products.values():
        matrices.setdefault(node.input[0], []).append(numpy_helper.to_array(weights[node.input[1]]))
    inputs = {name: choose_scales(ranges[name], np.concatenate(parts, axis=1)) for name, parts in matrices.items()}
    biases = _find_biases(model, products)
    added = {add.output[0] for add, _ in biases.values()}
    build = _Builder()
    quantized: set[str] = set()
    for node in model.graph.node:
        if node.output[0] in added:
            continue  # the product brings its bias
        if node.output[0] in products:
            x, scales = node.input[0], inputs[node.input[0]]
            if x not in quantized:
                build.quantize_input(x, scales)
                quantized.add(x)
            add, bias = biases.get(node.output[0], (node, None))
            build.multiply(add.output[0], x, scales, numpy_helper.to_array(weights[node.input[1]]), bias)
        elif _is_look_up(node, weights):
            build.look_up(node, numpy_helper.to_array(weights[node.input[0]]))
        else:
            build.nodes.append(node)
    tensors = [*model.graph.initializer, *build.constants]
    new_graph = helper.make_graph(build.nodes, model.graph.name, model.graph.input, model.graph.output, tensors)
    opsets = {opset.domain: opset for opset in (helper.make_opsetid("com.microsoft", 1), *model.opset_import)}
    small = helper.make_model(new_graph, opset_imports=list(opsets.values()), ir_version=model.ir_version)
    remove_unread(small)
    return small


def _find_biases(
    model: onnx.ModelProto, products: Mapping[str, onnx.NodeProto]
) -> dict[str, tuple[onnx.NodeProto, NDArray[np.float32]]]:
    """Return for each product that one node alone reads, to add a bias `(N,)`, that node and the bias."""
    vectors = {tensor.name: tensor for tensor in model.graph.initializer if len(tensor.dims) == 1}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    biases = {}
    for out in products:
        (first, *others) = readers[out]
        constant = [vectors[name] for name in first.input if name in vectors]
        if first.op_type == "Add" and constant and not others:
            biases[out] = (first, numpy_helper.to_array(constant[0]))
    return biases


def _is_look_up(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]) -> bool:
    """Tell whether a node looks rows up in a large table of embeddings."""
    if node.op_type != "Gather" or node.input[0] not in weights or any(a.name == "axis" and a.i for a in node.attribute):
        return False
    table = weights[node.input[0]]
    is_table = len(table.dims) == 2 and table.data_type == onnx.TensorProto.FLOAT
    return is_table and table.dims[0] * table.dims[1] >= _LARGEST_TABLE


class _Builder:
    """The nodes and constants of the new graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.one = self._hold("int8.one", np.array(1, np.float32))
        self.last = self._hold("int8.last", np.array([-1], np.int64))
        self.one_behind = self._hold("int8.one_behind", np.array([0, 1], np.int64))
        self.tiny = self._hold("int8.tiny", np.array(1e-9, np.float32))

    def quantize_input(self, x: str, scales: SharedScale | TokenScales) -> None:
        """Add what turns a hidden state `x` `(B, T, K)` into uint8, and takes the channels apart that are too large for it."""
        zero = self._hold(f"{x}.zero", np.array(scales.zero, np.uint8))
        if isinstance(scales, SharedScale):
            even = self._add("Mul", [x, self._hold(f"{x}.factors", 1 / scales.factors)], f"{x}.even")
            self._add("QuantizeLinear", [even, self._hold(f"{x}.scale", np.array(scales.scale, np.float32)), zero], f"{x}.uint8")
            return
        if len(scales.apart):  # and a channel of ones behind them, which multiplies the bias
            large = self._add("Gather", [x, self._hold(f"{x}.apart", scales.apart)], f"{x}.alone", axis=-1)
            self._add("Pad", [large, self.one_behind, self.one, self.last], f"{x}.large")
        self._quantize_rows(x, scales)

    def _quantize_rows(self, x: str, scales: TokenScales) -> None:
        """Add what quantizes each token by its own range; its scale is `(B, T, 1)`."""
        mask = self._hold(f"{x}.mask", scales.mask)
        above = self._hold(f"{x}.above", np.array(1 / (LEVELS - scales.zero), np.float32))
        rows = self._hold(f"{x}.rows", np.array([-1, len(scales.most)], np.int64))
        small = self._add("Mul", [x, mask], f"{x}.small") if len(scales.apart) else x
        high = self._add("Mul", [self._add("ReduceMax", [small, self.last], f"{x}.high"), above], f"{x}.high_scale")
        if scales.least is None:
            below = self._hold(f"{x}.below", np.array(-1 / scales.zero, np.float32))
            low = self._add("Mul", [self._add("ReduceMin", [small, self.last], f"{x}.low"), below], f"{x}.low_scale")
            least = self._add("Max", [low, self.tiny], f"{x}.least")
        else:
            least = self._hold(f"{x}.least", np.array(-scales.least / scales.zero, np.float32))
        scale = self._add("Max", [high, least], f"{x}.scale")  # (B, T, 1)
        flat_scale = self._add("Reshape", [scale, self.last], f"{x}.scales")  # (B T,)
        zero = numpy_helper.from_array(np.array([scales.zero], np.uint8))
        zeros = self._add("ConstantOfShape", [self._add("Shape", [flat_scale], f"{x}.n")], f"{x}.zeros", value=zero)
        flat = self._add("Reshape", [small, rows], f"{x}.2d")  # (B T, K)
        quantized = self._add("QuantizeLinear", [flat, flat_scale, zeros], f"{x}.uint8.2d", axis=0)
        self._add("Reshape", [quantized, self._add("Shape", [x], f"{x}.shape")], f"{x}.uint8")

    def multiply(
        self, out: str, x: str, scales: SharedScale | TokenScales, matrix: NDArray[np.float32], bias: NDArray[np.float32] | None
    ) -> None:
        """Add a product of an input with `matrix` `(K, N)` by int8 weights, plus a bias `(N,)`."""
        bias = np.zeros(matrix.shape[1], np.float32) if bias is None else bias
        factors = scales.factors if isinstance(scales, SharedScale) else scales.mask
        weights, steps = quantize_weights(matrix * factors[:, None], scales.most)
        inputs = [self._hold(f"{out}.weights", weights), self._hold(f"{out}.scales", steps), f"{x}.zero"]
        if isinstance(scales, SharedScale):
            inputs = [f"{x}.uint8", inputs[0], f"{x}.scale", *inputs[1:], "", self._hold(f"{out}.bias", bias)]
            self._add("MatMulIntegerToFloat", inputs, out, domain="com.microsoft")
            return
        inputs = [f"{x}.uint8", inputs[0], self.one, *inputs[1:]]
        product = self._add("MatMulIntegerToFloat", inputs, f"{out}.small", domain="com.microsoft")
        scaled = self._add("Mul", [product, f"{x}.scale"], f"{out}.scaled")
        rest = self._hold(f"{out}.bias", bias)
        if len(scales.apart):
            both = self._hold(f"{out}.apart", np.concatenate([matrix[scales.apart], bias[None]]))
            rest = self._add("MatMul", [f"{x}.large", both], f"{out}.rest")
        self._add("Add", [scaled, rest], out)

    def look_up(self, node: onnx.NodeProto, table: NDArray[np.float32]) -> None:
        """Add a look-up in an int8 table, with a scale a row, in place of one in `table` `(V, H)`."""
        out = node.output[0]
        steps = np.maximum(np.abs(table).max(1, keepdims=True), 1e-9) / 127  # (V, 1)
        values = self._hold(f"{out}.table", np.round(table / steps).astype(np.int8))
        scales = self._hold(f"{out}.scales", steps.astype(np.float32))
        rows = self._add("Gather", [values, node.input[1]], f"{out}.int8")
        floats = self._add("Cast", [rows], f"{out}.unscaled", to=onnx.TensorProto.FLOAT)
        self._add("Mul", [floats, self._add("Gather", [scales, node.input[1]], f"{out}.scale")], out)

    def _hold(self, name: str, value: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def _add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output
