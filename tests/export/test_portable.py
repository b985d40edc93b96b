"""Graphs for other programs answer padded batches as the model answers single texts; `verbs/test_export.py` tries 28 families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from polarity_cli.errors import ExportError
from polarity_cli.export import portable
from polarity_cli.export.compress import compress_weights
from polarity_cli.export.export import compute_model_logits
from polarity_cli.export.padded import make_feeds, run_padded
from polarity_cli.export.portable import PORTABLE, Reader, export_portable
from polarity_cli.export.trace import trace_model
from tests.export.test_graphs import make_attentive, make_texts

STANDARD = {"", "ai.onnx"}


def get_pad_id(model: Any) -> int:
    return int(model.config.pad_token_id or 0)


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "modernbert", "roberta"])
def test_graphs_of_a_family_answer_padded_batches_as_the_model_does_single_texts(family: str, tmp_path: Path) -> None:
    model, texts = make_attentive(family), make_texts()
    reader = Reader(pad_id=get_pad_id(model), gives_segments=True, longest=70)
    found = export_portable(tmp_path / "onnx", model, texts, reader)
    expected = compute_model_logits(model, texts)
    assert expected.std() > 1e-3
    backwards = [texts[index] for index in reversed(range(len(texts)))]  # other neighbours, other padding
    for precision, tolerance in (("fp32", 1e-4), ("int8", 0.3)):
        if precision == "int8" and not found["int8"]["written"]:
            continue
        graph = onnx.load(str(tmp_path / "onnx" / PORTABLE[precision]))
        logits = run_padded(graph, texts, pad_id=reader.pad_id)
        np.testing.assert_allclose(logits, expected, rtol=tolerance, atol=tolerance)
        again = run_padded(graph, backwards, pad_id=reader.pad_id)[::-1]
        np.testing.assert_allclose(again, logits, rtol=1e-4, atol=1e-4)
        assert [value.name for value in graph.graph.input] == found["inputs"]
        assert {opset.domain for opset in graph.opset_import} <= STANDARD
        for value in graph.graph.input:
            assert [axis.dim_param for axis in value.type.tensor_type.shape.dim] == ["batch", "tokens"]
    assert found["fp32"]["equal_labels"] == 1.0
    assert found["fp32"]["largest_score_difference"] < 1e-4
    assert not model.training


def test_what_is_padded_is_not_read() -> None:
    model = make_attentive("bert")
    graph = trace_model(model, shorten=True, inputs=("input_ids", "attention_mask"))
    texts = make_texts((9, 31))
    logits = [run_padded(graph, texts, pad_id=pad_id) for pad_id in (0, 17)]
    np.testing.assert_allclose(logits[0], logits[1], rtol=0, atol=1e-5)


def test_segments_are_an_input_only_where_the_tokenizer_gives_them_and_the_model_takes_them(tmp_path: Path) -> None:
    for family, gives, expected in (("bert", True, True), ("bert", False, False), ("distilbert", True, False)):
        model = make_attentive(family)
        reader = Reader(pad_id=get_pad_id(model), gives_segments=gives, longest=70)
        found = export_portable(tmp_path / f"{family}-{gives}", model, make_texts(), reader)
        assert ("token_type_ids" in found["inputs"]) == expected


def test_a_graph_that_answers_otherwise_is_not_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run_without_a_mask(graph: onnx.ModelProto, texts: list[NDArray[np.int32]], *, pad_id: int) -> NDArray[np.float64]:
        import onnxruntime as ort

        session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        feeds = make_feeds([value.name for value in graph.graph.input], texts, pad_id=pad_id)
        logits: NDArray[np.float64] = session.run(None, {**feeds, "attention_mask": np.ones_like(feeds["input_ids"])})[0]
        return logits.astype(np.float64)

    monkeypatch.setattr(portable, "run_padded", run_without_a_mask)
    model = make_attentive("bert")
    with pytest.raises(ExportError, match="in padded batches its graph's logits differ by"):
        export_portable(tmp_path / "onnx", model, make_texts(), Reader(pad_id=0, gives_segments=True, longest=70))
    assert not (tmp_path / "onnx").exists()


def test_int8_weights_take_a_third_of_the_space_and_stay_close() -> None:
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(256, 320)).astype(np.float32)
    matrix[3, 5] = 40.0  # one large weight spoils its own block alone
    table = generator.normal(size=(500, 64)).astype(np.float32)
    odd = generator.normal(size=(129, 200)).astype(np.float32)  # no whole number of blocks
    helper, from_array = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("MatMul", ["x", "matrix"], ["product"]),
        helper.make_node("MatMul", ["y", "odd"], ["other"]),
    ]
    floats, ints = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    inputs = [
        helper.make_tensor_value_info("input_ids", ints, ["B", "T"]),
        helper.make_tensor_value_info("x", floats, ["B", 256]),
        helper.make_tensor_value_info("y", floats, ["B", 129]),
    ]
    outputs = [helper.make_tensor_value_info(name, floats, None) for name in ("embedded", "product", "other")]
    constants = [from_array(value, name) for name, value in (("table", table), ("matrix", matrix), ("odd", odd))]
    graph = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, constants), opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    small = compress_weights(graph)
    assert len(small.SerializeToString()) < len(graph.SerializeToString()) / 3
    import onnxruntime as ort

    ids = generator.integers(0, 500, (2, 7))
    feeds = {"input_ids": ids, "x": np.eye(256, dtype=np.float32), "y": np.eye(129, dtype=np.float32)}
    session = ort.InferenceSession(small.SerializeToString(), providers=["CPUExecutionProvider"])
    embedded, product, other = session.run(["embedded", "product", "other"], feeds)
    for found, stored in ((embedded, table[ids]), (product, matrix), (other, odd)):
        assert found.shape == stored.shape
        assert 0 < np.abs(found - stored).mean() < 0.02
    assert np.abs(product - matrix)[32:].max() < 0.03  # other blocks than that of the large weight
