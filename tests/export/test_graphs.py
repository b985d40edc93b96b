"""The graphs answer as the model does, in both precisions, whatever else is run beside a review."""

from __future__ import annotations

from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from polarity_cli.errors import CheckpointError, ExportError
from polarity_cli.export.calibrate import calibrate
from polarity_cli.export.export import compute_model_logits, export_graphs
from polarity_cli.export.quantize import quantize_graph
from polarity_cli.export.trace import trace_model
from polarity_cli.inference.graphs import GRAPHS
from polarity_cli.inference.onnx_engine import GraphEngine, plan_equal_lengths
from tests.encoder.test_families import CONFIGS, make_model

LENGTHS = (3, 5, 5, 9, 17, 30, 30, 31, 48, 60)


def make_texts(lengths: tuple[int, ...] = LENGTHS, vocabulary: int = 60) -> list[NDArray[np.int32]]:
    generator = np.random.default_rng(0)
    return [generator.integers(3, vocabulary, length, dtype=np.int32) for length in lengths]


def make_attentive(family: str) -> Any:
    """Return a model whose weights are large enough that its attention tells tokens apart."""
    model = make_model(family)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(4.0)
    return model


@pytest.fixture
def bert() -> Any:
    return make_attentive("bert")


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_graphs_of_every_family_answer_as_the_model(family: str, tmp_path: Path) -> None:
    model, texts = make_attentive(family), make_texts()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = export_graphs(tmp_path, model, texts, longest=70)
    assert all(torch.equal(tensor, weights.pop(name)) for name, tensor in model.state_dict().items())
    assert not weights
    expected = compute_model_logits(model, texts)
    assert expected.std() > 1e-3
    logits = GraphEngine((tmp_path / GRAPHS["fp32"]).read_bytes(), name="graph", n_threads=2).compute_logits(texts)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    assert found["fp32"]["largest_logit_difference"] < 1e-3
    assert found["fp32"]["equal_labels"] == 1.0
    assert found["int8"]["n_texts"] == len(texts)
    small = GraphEngine((tmp_path / GRAPHS["int8"]).read_bytes(), name="graph", n_threads=2).compute_logits(texts)
    assert 0 < np.abs(small - expected).max() == pytest.approx(found["int8"]["largest_logit_difference"], abs=1e-5)
    assert np.abs(small - expected).max() < 0.5 * (expected.max() - expected.min()) + 0.1
    assert not model.training


@pytest.mark.parametrize("precision", sorted(GRAPHS))
def test_answer_does_not_depend_on_what_is_run_beside_it(tmp_path: Path, bert: Any, precision: str) -> None:
    texts = make_texts((12,) * 40 + LENGTHS)
    export_graphs(tmp_path, bert, texts, longest=70)
    engine = GraphEngine((tmp_path / GRAPHS[precision]).read_bytes(), name="graph", n_threads=2)
    together = engine.compute_logits(texts)
    alone = np.concatenate([engine.compute_logits([ids]) for ids in texts])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_shortened_last_block_is_in_the_graph(bert: Any) -> None:
    def count_operations(shorten: bool) -> float:
        ranges = calibrate(trace_model(bert, shorten=shorten), make_texts((20,)))
        return sum(found.n_tokens for found in ranges.values())

    assert count_operations(True) < count_operations(False)


def test_shapes_are_not_computed_block_by_block(bert: Any) -> None:
    nodes = trace_model(bert, shorten=True).graph.node
    computed = {node.output[0] for node in nodes if node.op_type == "Concat"}
    reshaped = [node for node in nodes if node.op_type == "Reshape"]
    assert len(reshaped) > 4 * 11
    assert sum(node.input[1] in computed for node in reshaped) < 4  # the last block's, and the embeddings'


def test_biases_of_keys_and_values_are_not_added(bert: Any) -> None:
    with torch.no_grad():
        for name, parameter in bert.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    texts = make_texts()
    graph = trace_model(bert, shorten=True)
    logits = GraphEngine(graph.SerializeToString(), name="graph", n_threads=1).compute_logits(texts)
    np.testing.assert_allclose(logits, compute_model_logits(bert, texts), rtol=1e-4, atol=1e-4)
    names = {tensor.name for tensor in graph.graph.initializer}
    assert sum(name.endswith("query.bias") for name in names) == 12
    assert not any(name.endswith(("key.bias", "value.bias")) for name in names)


def test_int8_products_are_where_every_token_comes_through(bert: Any) -> None:
    graph = trace_model(bert, shorten=True)
    small = quantize_graph(graph, calibrate(graph, make_texts()))
    products = [node for node in small.graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == 11 * 6  # eleven blocks of six; the twelfth answers for one token


def test_nothing_of_this_machine_is_in_a_graph(tmp_path: Path, bert: Any) -> None:
    export_graphs(tmp_path, bert, make_texts(), longest=70)
    for name in GRAPHS.values():
        content = (tmp_path / name).read_bytes()
        assert b".py" not in content
        assert str(tmp_path).encode() not in content


def test_int8_that_turns_labels_is_not_the_default(tmp_path: Path, bert: Any) -> None:
    texts = make_texts((20,) * 64)
    small = export_graphs(tmp_path, bert, texts, longest=70)
    assert small["default"] == ("int8" if small["int8"]["equal_labels"] == 1.0 else "fp32")
    wrong = -compute_model_logits(bert, texts)
    assert export_graphs(tmp_path, bert, texts, wrong, longest=70)["default"] == "fp32"


def test_model_that_answers_by_chance_has_no_graph(tmp_path: Path, bert: Any) -> None:
    # As code might that samples when it answers.
    bert.dropout.forward = lambda states: torch.nn.functional.dropout(states, 0.9, training=True)
    with pytest.raises(ExportError):
        export_graphs(tmp_path, bert, make_texts(), longest=70)
    assert list(tmp_path.iterdir()) == []


def test_exporter_that_fails_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    config: Any = transformers.FNetConfig(hidden_size=16, num_hidden_layers=1, intermediate_size=24, vocab_size=60)
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    with pytest.raises(ExportError, match="its code cannot be traced"):
        trace_model(model, shorten=False)
    assert capfd.readouterr() == ("", "")


def test_batches_are_of_one_length_and_cover_all_once() -> None:
    lengths = [7, 300, 7, 2000, 5, 300, *[7] * 200]
    batches = plan_equal_lengths(lengths)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len({lengths[index] for index in batch}) == 1
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= 512
    assert plan_equal_lengths([]) == []


def test_graph_that_is_none_or_another_is_refused(tmp_path: Path, bert: Any) -> None:
    with pytest.raises(CheckpointError, match=r"the file: no graph that can be run"):
        GraphEngine(b"not a graph", name="the file", n_threads=1)
    export_graphs(tmp_path, bert, make_texts(), longest=70)
    graph = (tmp_path / GRAPHS["fp32"]).read_bytes()
    with pytest.raises(CheckpointError, match="expected a graph from input_ids to logits"):
        GraphEngine(graph.replace(b"input_ids", b"input_odd"), name="the file", n_threads=1)
    with pytest.raises(CheckpointError, match="cannot take a text of 200 tokens"):
        GraphEngine(graph, name="the file", n_threads=1).compute_logits(make_texts((200,)))


def test_what_has_not_begun_is_dropped(tmp_path: Path, bert: Any) -> None:
    export_graphs(tmp_path, bert, make_texts(), longest=70)
    engine = GraphEngine((tmp_path / GRAPHS["fp32"]).read_bytes(), name="graph", n_threads=2)
    wait = engine.start(make_texts(tuple(range(3, 70)) * 20))
    engine.close()
    with pytest.raises(CancelledError):
        wait()
    assert engine.compute_logits(make_texts()).shape == (len(LENGTHS), 2)
