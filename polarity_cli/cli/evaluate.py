"""`polarity evaluate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from polarity_cli.cli import options
from polarity_cli.cli.console import format_metrics, make_context, print_json, print_pairs
from polarity_cli.config import EvaluateConfig

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity evaluate ./ckpt
      polarity evaluate ./ckpt new-reviews.csv --split all --errors mistakes.csv
      polarity evaluate ./ckpt --json | jq .metrics.f1
      polarity evaluate ./ckpt --processes 4
      polarity evaluate ./another-two-class-model reviews.csv --positive-class GOOD
    """
)


def command(
    call: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Argument(help=options.CHECKPOINT_HELP, show_default=False),
    ] = None,
    source: Annotated[
        str | None,
        typer.Argument(help=options.SOURCE_HELP + " [default: what the checkpoint was trained on]", show_default=False),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            metavar="test|validation|train|all",
            help="Which reviews; a source without such a split is divided as in training.",
        ),
    ] = "test",
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the mistakes to a .csv, .tsv or .jsonl file, the most confident first.",
            show_default=False,
        ),
    ] = None,
    escape: options.EscapeFormulas = False,
    text: options.Text = None,
    label: options.Label = None,
    positive: options.Positive = None,
    positive_class: options.PositiveClass = None,
    rows: Annotated[
        str | None,
        typer.Option(
            metavar="N|all", help="Rows read, from the beginning. [default: as many as in training]", show_default=False
        ),
    ] = None,
    processes: options.NumberOfProcesses = None,
    cache_dir: options.CacheDir = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    offline: options.Offline = False,
    debug: options.Debug = False,
) -> int:
    """Score a checkpoint on labelled reviews; takes any Hugging Face model of two classes."""
    from polarity_cli.evaluate import evaluate
    from polarity_cli.launch import find_launch, launch

    config = EvaluateConfig(
        checkpoint=checkpoint,
        source=source,
        split=split,
        text=options.split_names(text),
        label=label,
        positive=positive,
        positive_class=positive_class,
        rows="as trained" if rows is None else options.parse_rows(rows),
        errors=errors,
        escape_formulas=escape,
    )
    how = find_launch(processes)
    if how is not None:
        return launch(call.obj, how, debug=debug)
    context = make_context(cache_dir=cache_dir, offline=offline, quiet=quiet, joins=True)
    result = evaluate(config, context)
    if not context.processes.is_main:
        return 0
    if json:
        print_json({key: str(value) if isinstance(value, Path) else value for key, value in asdict(result).items()})
        return 0
    pairs = {"checkpoint": result.checkpoint, "reviews": f"{result.source}, split {result.split}"}
    if result.errors is not None:
        n_mistakes = int(result.metrics["positive_as_negative"] or 0) + int(result.metrics["negative_as_positive"] or 0)
        pairs["mistakes"] = f"{n_mistakes:,} in {result.errors}"
    print_pairs({**pairs, **format_metrics(result.metrics)})
    return 0
