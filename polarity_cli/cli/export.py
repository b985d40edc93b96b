"""`polarity export`."""

from __future__ import annotations

from typing import Any

from polarity_cli.cli import options
from polarity_cli.cli.console import make_context, print_json, print_pairs
from polarity_cli.cli.options import Call
from polarity_cli.config import ExportConfig
from polarity_cli.make_config import make_config

SCHEMA = "polarity/export/1"
"""The version of the JSON document; see `schemas/`."""

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity export ./ckpt --onnx
      polarity export ./ckpt --onnx --out ./for-the-browser
      polarity export somebody/their-model --out ./exported
    """
)


@options.takes("export", ExportConfig)
def command(given: dict[str, Any], call: Call) -> None:
    """Write graphs of a checkpoint that other programs run: Optimum, ONNX Runtime, transformers.js."""
    from polarity_cli.verbs.export import export

    result = export(make_config(ExportConfig, given), make_context(call))
    if call.json:
        about = {"schema": SCHEMA, "checkpoint": result.checkpoint.name, "folder": str(result.checkpoint.folder)}
        print_json({**about, "checked_on": result.checked_on, "onnx": result.onnx})
        return
    print_pairs({**_describe_graphs(result.onnx), "checked on": result.checked_on, "folder": str(result.checkpoint.folder)})


def _describe_graphs(onnx: dict[str, Any]) -> dict[str, str]:
    """Return how close each graph came to the weights."""
    shown = {}
    for precision, name in (("fp32", "model.onnx"), ("int8", "model_quantized.onnx")):
        figures = onnx[precision]
        if figures.get("written", True):
            largest, share = figures["largest_score_difference"], figures["equal_labels"]
            shown[name] = f"{share:.1%} of labels equal to the weights', scores within {largest:.2g}"
    return {**shown, "inputs": ", ".join(onnx["inputs"])}
