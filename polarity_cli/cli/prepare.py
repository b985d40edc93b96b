"""`polarity prepare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polarity_cli.cli import options, values
from polarity_cli.cli.console import make_context, print_json, print_pairs
from polarity_cli.cli.options import Call
from polarity_cli.config import SAMPLE, DataConfig
from polarity_cli.extras import require_extra
from polarity_cli.make_config import make_config

SCHEMA = "polarity/prepare/1"
"""The version of the JSON document; see `schemas/`."""

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity prepare --sample
      polarity prepare reviews.csv --text title,content --label stars
      polarity prepare reviews.csv --positive 4,5 --negative "<=2"
      polarity prepare --rows all
    """
)


@options.takes("prepare", DataConfig, also=("sources", "sample"))
def command(given: dict[str, Any], call: Call) -> None:
    """Tokenize reviews into the cache."""
    from polarity_cli.verbs.prepare import prepare

    config = make_config(DataConfig, values.name_sources(given, call.sources, sample=call.sample))
    require_extra("sample" if config.encoder == SAMPLE else "train", "polarity prepare")
    prepared = prepare(config, make_context(call))
    manifest = prepared.manifest
    if call.json:
        about = {"schema": SCHEMA, "folder": str(prepared.folder), "from_cache": prepared.from_cache}
        print_json({**about, **prepared.entry.manifest})
        return
    counts = {
        name: f"{c.n_rows:,} reviews ({c.n_positive:,} positive, {c.n_negative:,} negative), {c.n_tokens:,} tokens"
        for name, c in manifest.splits.items()
    }
    print_pairs(
        {
            **counts,
            "text": ": ".join(manifest.text),
            "label": f"{manifest.label}: {_describe_labels(manifest.labels)}",
            "folder": str(prepared.folder),
        }
    )


def _describe_labels(labels: Mapping[str, str]) -> str:
    """Return what each value of the label column means, in words."""
    shown = [f"{value} is {meaning}" for value, meaning in labels.items()]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")
