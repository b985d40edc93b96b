"""A graph from anywhere: its weights are in it, and are numbers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from polarity_cli.errors import CheckpointError
from polarity_cli.inference.onnx_check import check_graph
from polarity_cli.inference.onnx_engine import GraphEngine


def make_graph(weights: TensorProto, *, place: str = "initializer") -> onnx.ModelProto:
    """Return a graph that holds a tensor somewhere, beside what makes logits `(B, 2)` of token ids."""
    first = numpy_helper.from_array(np.arange(2, dtype=np.int64), "first")
    nodes = [
        helper.make_node("Gather", ["input_ids", "first"], ["two"], axis=1),
        helper.make_node("Cast", ["two"], ["logits"], to=TensorProto.FLOAT),
    ]
    tensors, functions = [first], []
    ends = [helper.make_tensor_value_info("unused", TensorProto.FLOAT, None)]
    constant = helper.make_node("Constant", [], ["unused"], value=weights)
    if place == "initializer":
        tensors.append(weights)
    elif place == "constant":
        nodes.append(constant)
    elif place == "branch":
        tensors.append(numpy_helper.from_array(np.array(True), "always"))
        branch = helper.make_graph([constant], "branch", [], ends)
        nodes.append(helper.make_node("If", ["always"], ["chosen"], then_branch=branch, else_branch=branch))
    elif place == "function":
        opsets = [helper.make_opsetid("", 18)]
        functions.append(helper.make_function("own", "Made", [], ["unused"], [constant], opsets))
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        tensors,
    )
    if place == "sparse":
        graph.sparse_initializer.append(onnx.SparseTensorProto(values=weights, dims=[2]))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions)


def make_tensor(values: object, dtype: type = np.float32) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype), "weights")


def name_outside(tensor: TensorProto) -> None:
    """Let a tensor take its values from a file, its place written before the word that says so."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.ParseFromString(b"\x12\x0d../../outside\x0a\x08location")


def name_outside_without_saying(tensor: TensorProto) -> None:
    tensor.external_data.add(key="location", value="outside")


PLACES = ("initializer", "constant", "branch", "function", "sparse")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("change", [name_outside, name_outside_without_saying])
def test_weights_in_other_files_are_refused_wherever_they_are_named(place: str, change: Callable[[TensorProto], None]) -> None:
    tensor = make_tensor([1, 2])
    change(tensor)
    with pytest.raises(CheckpointError, match="the file: the graph takes weights from other files"):
        GraphEngine(make_graph(tensor, place=place).SerializeToString(), name="the file", n_threads=1)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_weights_that_are_not_numbers_are_refused(place: str, dtype: type) -> None:
    check_graph(make_graph(make_tensor([1, np.inf, -np.inf], dtype), place=place).SerializeToString(), "the file")
    with pytest.raises(CheckpointError, match="hold values that are not numbers"):
        check_graph(make_graph(make_tensor([1, np.nan], dtype), place=place).SerializeToString(), "the file")


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_weights_written_one_by_one_are_looked_at_too(kind: int) -> None:
    tensor = helper.make_tensor("weights", kind, [2], [1.0, float("nan")])
    assert not tensor.raw_data
    with pytest.raises(CheckpointError, match="hold values that are not numbers"):
        check_graph(make_graph(tensor).SerializeToString(), "the file")


def test_type_of_a_tensor_may_stand_behind_its_values() -> None:
    behind = TensorProto(data_type=TensorProto.FLOAT).SerializeToString()
    values = TensorProto(raw_data=np.array([np.nan], np.float32).tobytes(), dims=[1], name="weights").SerializeToString()
    graph = onnx.ModelProto(graph=onnx.GraphProto()).SerializeToString()
    tensor = values + behind
    field = bytes([5 << 3 | 2, len(tensor)]) + tensor
    with pytest.raises(CheckpointError, match="hold values that are not numbers"):
        check_graph(graph + bytes([7 << 3 | 2, len(field)]) + field, "the file")


def test_whole_graph_runs_and_the_runtimes_own_format_is_not_read() -> None:
    graph = make_graph(make_tensor([1, 2])).SerializeToString()
    engine = GraphEngine(graph, name="the file", n_threads=1)
    np.testing.assert_array_equal(engine.compute_logits([np.array([5, 7, 9], np.int32)]), [[5, 7]])
    with pytest.raises(CheckpointError, match="no graph that can be run"):
        GraphEngine(b"\x22\x0a\x00\x00ORTM" + bytes(4), name="the file", n_threads=1)


GRAPH = make_graph(make_tensor([1, 2]), place="branch").SerializeToString()


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(st.integers(0, len(GRAPH)), st.binary(max_size=12), st.integers(0, 12))
def test_damaged_graph_is_read_or_refused(position: int, inserted: bytes, n_removed: int) -> None:
    graph = GRAPH[:position] + inserted + GRAPH[position + n_removed :]
    with suppress(CheckpointError):
        check_graph(graph, "the file")
