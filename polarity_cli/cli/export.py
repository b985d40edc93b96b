"""`polarity export`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from polarity_cli.cli import options
from polarity_cli.cli.console import make_context, print_json, print_pairs
from polarity_cli.cli.options import Call
from polarity_cli.export_config import ExportConfig
from polarity_cli.make_config import make_config

if TYPE_CHECKING:
    from polarity_cli.verbs.publish import Published

SCHEMA = "polarity/export/1"
"""The version of the JSON document; see `schemas/`."""

_MEGABYTE = 1_000_000

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity export ./ckpt --onnx
      polarity export ./ckpt --onnx --out ./for-the-browser
      polarity export somebody/their-model --out ./exported
      polarity export ./ckpt --push USER/NAME --license apache-2.0
      polarity export ./ckpt --onnx --push USER/NAME --license mit --private
    """
)


@options.takes("export", ExportConfig)
def command(given: dict[str, Any], call: Call) -> None:
    """Write graphs of a checkpoint for Optimum, ONNX Runtime and transformers.js, and publish it to the Hub."""
    from polarity_cli.verbs.export import export

    result = export(make_config(ExportConfig, given), make_context(call))
    published = result.published
    if call.json:
        about = {"schema": SCHEMA, "checkpoint": result.checkpoint.name, "folder": str(result.checkpoint.folder)}
        shown = {"checked_on": result.checked_on, "onnx": result.onnx, "published": _list_published(published)}
        print_json({**about, **shown})
        return
    pairs = {**_describe_graphs(result.onnx), "checked on": result.checked_on or ""} if result.onnx else {}
    print_pairs({**pairs, "folder": str(result.checkpoint.folder), **(_describe_published(published) if published else {})})


def _list_published(published: Published | None) -> dict[str, Any] | None:
    if published is None:
        return None
    return {**asdict(published.pushed), "license": published.license, **_list_left(published)}


def _list_left(published: Published) -> dict[str, Any]:
    return {"withheld": published.withheld, "not_of_the_checkpoint": published.strangers}


def _describe_published(published: Published) -> dict[str, str]:
    """Return what came to the Hub, and how it is used from there."""
    pushed = published.pushed
    if pushed.changed or pushed.removed:
        shown = f"{_count(len(pushed.changed))}, {_show_bytes(pushed.n_bytes)}"
        shown += f"; the Hub had {_show_bytes(pushed.n_bytes_there)} more of them" if pushed.n_bytes_there else ""
        shown += f"; {_count(len(pushed.removed))} removed" if pushed.removed else ""
        over = f", over {pushed.replaced[:7]}, which the Hub keeps" if pushed.replaced else ""
        commit = f"{pushed.commit[:7]}{over}"
    else:
        shown, commit = "nothing: the Hub has it all", f"{pushed.commit[:7]}, as it was"
    return {
        "sent": shown,
        "commit": commit,
        "licence": published.license,
        "page": f"{pushed.url}{' (private)' if pushed.private else ''}",
        "next": f'polarity predict --checkpoint {pushed.repo} "great product"',
    }


def _show_bytes(n: int) -> str:
    return f"{n / _MEGABYTE:,.1f} MB" if n >= _MEGABYTE else f"{n / 1000:,.1f} KB"


def _count(n: int) -> str:
    return "1 file" if n == 1 else f"{n:,} files"


def _describe_graphs(onnx: dict[str, Any]) -> dict[str, str]:
    """Return how close each graph came to the weights."""
    shown = {}
    for precision, name in (("fp32", "model.onnx"), ("int8", "model_quantized.onnx")):
        figures = onnx[precision]
        if figures.get("written", True):
            largest, share = figures["largest_score_difference"], figures["equal_labels"]
            shown[name] = f"{share:.1%} of labels equal to the weights', scores within {largest:.2g}"
    return {**shown, "inputs": ", ".join(onnx["inputs"])}
