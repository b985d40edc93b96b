"""A model's full-precision graph, traced by torch's exporter. Next: `export/quantize` and `export/export`.

The graph that `predict` runs takes token ids `(B, T)` of one length and no mask; that of other programs takes a mask too. Both
compute the last block for the classifier's token alone, as training does.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING
from unittest.mock import patch

import torch
from torch import Tensor, nn

from polarity_cli.encoder.top import Whole
from polarity_cli.errors import ExportError
from polarity_cli.export.padded import MASK
from polarity_cli.export.simplify import fix_shapes, folded_biases
from polarity_cli.inference.onnx_engine import INPUT, OUTPUT

if TYPE_CHECKING:
    import onnx
    from transformers import PreTrainedModel

_OPSET = 18
_MOST_BYTES = 1_900_000_000
"""A graph in one file must stay below 2 GiB."""
_TRACED_TOKENS = 261
"""Tokens of the text that is traced: longer than ModernBERT's window of 128, which is left out of what a shorter one traces."""
_TRACING_ERRORS = (
    AssertionError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    torch.onnx.errors.OnnxExporterError,
)


class _FromInputs(nn.Module):
    """A model that takes its inputs by their order, which is how the exporter gives them; without a mask where there is none."""

    def __init__(self, model: nn.Module, inputs: Sequence[str]) -> None:
        super().__init__()
        self.model, self.inputs = model, inputs

    def forward(self, *tensors: Tensor) -> Tensor:
        logits: Tensor = self.model(**{"attention_mask": None, **dict(zip(self.inputs, tensors, strict=True))})
        return logits


class _Untouched(nn.Module):
    """A classification model as it is."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None, **more: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask, **more).logits
        return logits


def _make_input(name: str, n_tokens: int) -> Tensor:
    """Return what is traced, `(2, n_tokens) int64`: of two texts the second is padded, so that no mask is taken for empty."""
    if name == INPUT:
        return torch.randint(0, 5, (2, n_tokens))
    values = torch.zeros(2, n_tokens, dtype=torch.int64)
    if name == MASK:
        values[0], values[1, : n_tokens // 2] = 1, 1
    return values


@contextmanager
def _silent_exporter() -> Iterator[None]:
    """Keep the exporter from printing the whole graph on standard output where it fails: its switch for that is stuck."""
    try:
        from torch.onnx._internal.torchscript_exporter import utils
    except ImportError:  # another torch, which may print
        yield
        return
    with patch.object(utils, "setup_onnx_logging", lambda verbose: nullcontext(), create=True):
        yield


def trace_model(model: PreTrainedModel, *, shorten: bool, inputs: Sequence[str] = (INPUT,)) -> onnx.ModelProto:
    """Return the graph of a two-class model in eval mode.

    Args:
        model: to trace.
        shorten: whether its last block is computed for the first token alone.
        inputs: of the graph, by the names that the model's own code has for them; each is `(B, T) int64`.

    Raises:
        ExportError: it is too large for a graph, or its code cannot be traced.
    """
    import onnx

    n_bytes = sum(parameter.numel() * 4 for parameter in model.parameters())
    if n_bytes > _MOST_BYTES:
        raise ExportError(f"its weights take {n_bytes / 1e9:.1f} GB, and a graph holds less than 2")
    whole: nn.Module = Whole(model) if shorten else _Untouched(model)
    attention = model.config._attn_implementation
    # The exporter has no symbol for fused attention with a scale. ONNX Runtime's own operator for all of it was no faster.
    model.config._attn_implementation = "eager"
    n_tokens = min(_TRACED_TOKENS, (getattr(model.config, "max_position_embeddings", None) or _TRACED_TOKENS) - 4)
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad(), folded_biases(model), _silent_exporter():
            warnings.simplefilter("ignore")  # of traced shapes, which `export` checks, and of the newer exporter's existence
            torch.onnx.export(
                _FromInputs(whole, inputs).eval(),
                tuple(_make_input(name, n_tokens).to(model.device) for name in inputs),
                buffer,  # type: ignore[arg-type]
                # The newer exporter needs another package and ten times as long.
                dynamo=False,
                opset_version=_OPSET,
                input_names=list(inputs),
                output_names=[OUTPUT],
                dynamic_axes={**{name: {0: "batch", 1: "tokens"} for name in inputs}, OUTPUT: {0: "batch"}},
            )
    except _TRACING_ERRORS as error:
        raise ExportError(
            f"its code cannot be traced ({type(error).__name__}: {str(error).strip().partition(chr(10))[0]})"
        ) from error
    finally:
        model.config._attn_implementation = attention
        model.eval()  # type: ignore[no-untyped-call]
    graph = onnx.load_from_string(buffer.getvalue())
    for node in graph.graph.node:
        node.doc_string = ""  # lines of the code that was traced, with paths of this machine
    fix_shapes(graph)
    return graph
