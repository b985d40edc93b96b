"""`polarity evaluate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from polarity_cli.cli import options, values
from polarity_cli.cli.console import format_metrics, make_context, print_json, print_pairs
from polarity_cli.config import EvaluateConfig
from polarity_cli.distributed.environment import is_main_process
from polarity_cli.extras import require_extra

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity evaluate ./ckpt
      polarity evaluate ./ckpt new-reviews.csv --errors mistakes.csv
      polarity evaluate ./ckpt --json | jq .metrics.f1
      polarity evaluate ./ckpt --processes 4
      polarity evaluate ./another-model reviews.csv --positive-class GOOD
    """
)


def command(
    call: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Argument(help=options.CHECKPOINT_HELP, show_default=False),
    ] = None,
    sources: options.Sources = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="test|validation|train|all",
            help="Which reviews; a source without such a split is divided as in training. [default: the test split that SOURCE "
            "brings, else all of it; without SOURCE that of the training run]",
            show_default=False,
        ),
    ] = None,
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the mistakes to a .csv, .tsv, .jsonl, .parquet or .xlsx file, the most confident first.",
            show_default=False,
        ),
    ] = None,
    escape: options.EscapeFormulas = False,
    text: options.Text = None,
    label: options.Label = None,
    positive: options.Positive = None,
    negative: options.Negative = None,
    delimiter: options.Delimiter = None,
    header: options.Header = None,
    encoding: options.Encoding = None,
    sheet: options.Sheet = None,
    on_error: options.OnError = "fail",
    positive_class: options.PositiveClass = None,
    rows: Annotated[
        str | None,
        typer.Option(
            metavar="N|all",
            help="Rows read, from the beginning. [default: all of SOURCE; without one as many as in training]",
            show_default=False,
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
    from polarity_cli.distributed.launch import check_processes, launch
    from polarity_cli.distributed.rendezvous import join_world
    from polarity_cli.evaluate import evaluate

    require_extra("train", "polarity evaluate")
    config = EvaluateConfig(
        checkpoint=checkpoint,
        sources=tuple(sources or ()),
        split=split,
        **values.collect_data(call.params),
        positive_class=positive_class,
        rows="default" if rows is None else values.parse_rows(rows),
        errors=errors,
        escape_formulas=escape,
    )
    n_processes = check_processes(processes)
    if n_processes > 1:
        return launch(call.obj, n_processes, debug=debug)
    context = make_context(cache_dir=cache_dir, offline=offline, quiet=quiet, silent=not is_main_process())
    world = join_world()
    result = evaluate(config, context, world)
    if not world.is_main:
        return 0
    if json:
        print_json({key: str(value) if isinstance(value, Path) else value for key, value in asdict(result).items()})
        return 0
    pairs = {"checkpoint": result.checkpoint, "scored": result.scored}
    if result.errors is not None:
        n_mistakes = int(result.metrics["positive_as_negative"] or 0) + int(result.metrics["negative_as_positive"] or 0)
        pairs["mistakes"] = f"{n_mistakes:,} in {result.errors}"
    if result.n_seen_in_training:
        pairs["seen"] = f"{result.n_seen_in_training:,} of them in training"
    print_pairs({**pairs, **format_metrics(result.metrics)})
    return 0
