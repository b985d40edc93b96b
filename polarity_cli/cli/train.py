"""`polarity train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polarity_cli.cli import options, values
from polarity_cli.cli.console import format_metrics, make_context, print_json, print_pairs
from polarity_cli.config import DEFAULT_ENCODER, DEFAULT_SOURCE, SAMPLE, DataConfig, make_train_config
from polarity_cli.distributed.environment import is_main_process
from polarity_cli.extras import require_extra
from polarity_cli.recipes import RECIPES
from polarity_cli.records import describe_meanings

if TYPE_CHECKING:
    from polarity_cli.encoder.freeze import FreezePlan
    from polarity_cli.train import TrainResult

_RECIPE = RECIPES["default"]

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity train --sample
      polarity train --unfreeze 2
      polarity train reviews.csv --encoder sample --rows all --out ./reviews-model
      polarity train --recipe article
      polarity train --plan --unfreeze 3 --encoder sample
      polarity train --rows all --processes 8 --batch-size 256
      accelerate launch --mixed_precision bf16 -m polarity_cli train --rows all
    """
)


def command(
    call: typer.Context,
    sources: options.Sources = None,
    unfreeze: Annotated[
        str | None,
        typer.Option(
            metavar="N|all",
            help=f"Blocks that train, from the end; 0: the classifier alone, all: everything. [default: {_RECIPE.unfreeze}]",
            show_default=False,
        ),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help=f"Hub id, local folder, or `sample`. [default: {DEFAULT_ENCODER}]", show_default=False)
    ] = None,
    sample: options.Sample = False,
    out: Annotated[Path, typer.Option(help="Where the checkpoint is published; replaces only an earlier published one.")] = Path(
        "ckpt"
    ),
    recipe: Annotated[
        str,
        typer.Option(
            metavar="default|article",
            help="Values that measured best, or the article's: content only, learning rate 2e-5, one epoch.",
        ),
    ] = "default",
    epochs: Annotated[
        int | None, typer.Option(help=f"Passes over the training split. [default: {_RECIPE.epochs}]", show_default=False)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Reviews in a batch on average, filled by tokens; all processes share one batch, so that it and the learning "
            f"rate mean the same for any number of them. [default: {_RECIPE.batch_size}]",
            show_default=False,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help=f"Highest learning rate. [default: {_RECIPE.learning_rate}]", show_default=False)
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help=f"AdamW's weight decay. [default: {_RECIPE.weight_decay}]", show_default=False)
    ] = None,
    warmup: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help=f"Share of the steps in which the learning rate rises. [default: {_RECIPE.warmup}]",
            show_default=False,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="EPOCHS",
            help="Stop after so many epochs without a better validation F1. [default: never]",
            show_default=False,
        ),
    ] = None,
    text: options.Text = None,
    label: options.Label = None,
    positive: options.Positive = None,
    negative: options.Negative = None,
    delimiter: options.Delimiter = None,
    header: options.Header = None,
    encoding: options.Encoding = None,
    sheet: options.Sheet = None,
    on_error: options.OnError = "fail",
    rows: Annotated[str, typer.Option(metavar="N|all", help="Rows read, from the beginning.")] = str(DataConfig.rows),
    test: options.Test = DataConfig.test,
    validation: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help=f"Share of the rows for the validation split. [default: {_RECIPE.validation}]",
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = DataConfig.seed,
    max_length: options.MaxLength = DataConfig.max_length,
    truncation: options.Truncation = DataConfig.truncation,
    feature_cache: Annotated[
        str,
        typer.Option(
            metavar="auto|off|SIZE",
            help="Keep what the frozen blocks make of each review, so that they are passed once: up to a quarter of the free "
            "disk, never, or a run's up to a size such as 20GB.",
        ),
    ] = "auto",
    resume: Annotated[
        bool,
        typer.Option("--resume/--fresh", help="Go on where an interrupted run of the same command stood, or start over."),
    ] = True,
    graphs: Annotated[
        bool,
        typer.Option(
            "--graphs/--no-graphs", help="End by writing the graphs that predict runs; else they are made when it needs them."
        ),
    ] = True,
    track: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Log to an Accelerate tracker, e.g. tensorboard.", show_default=False),
    ] = None,
    processes: options.NumberOfProcesses = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print what would train, and stop.")] = False,
    cache_dir: options.CacheDir = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    offline: options.Offline = False,
    debug: options.Debug = False,
) -> int:
    """Fine-tune the last blocks of an encoder; prepares the data first where needed."""
    from polarity_cli.distributed.launch import check_processes, launch
    from polarity_cli.distributed.rendezvous import join_world
    from polarity_cli.train import plan_training, train

    sources, encoder = values.apply_sample(sources, encoder, sample)
    require_extra("sample" if encoder == SAMPLE else "train", "polarity train")
    data: dict[str, Any] = {
        **values.split_sources(sources, DEFAULT_SOURCE),
        **values.collect_data(call.params),
        "encoder": encoder,
        "rows": values.parse_rows(rows),
        "test": test,
        "validation": validation,
        "seed": seed,
        "max_length": max_length,
        "truncation": truncation,
    }
    run: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "warmup": warmup,
        "patience": patience,
        "feature_cache": values.parse_size(feature_cache, "--feature-cache"),
        "fresh": not resume,
        "graphs": graphs,
        "out": out,
        "track": track,
    }
    if unfreeze is not None:
        run["unfreeze"] = values.parse_count(unfreeze, "--unfreeze", least=0)
    config = make_train_config(recipe, data=data, run=run)
    n_processes = 1 if plan else check_processes(processes)
    if n_processes > 1:
        return launch(call.obj, n_processes, debug=debug)
    context = make_context(cache_dir=cache_dir, offline=offline, quiet=quiet, silent=not plan and not is_main_process())
    if plan:
        _print_plan(plan_training(config, context), as_json=json)
        return 0
    result = train(config, context, join_world())
    if result is not None:
        _print_result(result, as_json=json)
    return 0


def _print_plan(plan: FreezePlan, *, as_json: bool) -> None:
    if as_json:
        print_json(plan.to_json())
        return
    print_pairs(
        {
            "trains": ", ".join(plan.trainable_modules),
            "trainable": f"{plan.n_trainable:,} parameters",
            "frozen": f"{plan.n_frozen:,} parameters",
            "cut": f"before block {plan.cut} of {plan.n_blocks}, counted from 0",
        }
    )


def _describe_end(manifest: dict[str, Any]) -> dict[str, str]:
    """Return which epoch was kept, and why there are no more of them."""
    training, values = manifest["training"], manifest["recipe"]["values"]
    n_run, f1 = training["epochs_run"], training["validation_f1"]
    kept = f"epoch {training['epoch_kept']} of {n_run}"
    if "validation" not in manifest["metrics"]:
        return {"kept": f"{kept}, the last: without a validation split none is known to be better"}
    said = {"kept": f"{kept} (validation F1 {'-' if f1 is None else f'{f1:.4f}'}), the best"}
    if training["stopped"] == "patience":
        n_waited = "1 epoch" if values["patience"] == 1 else f"{values['patience']} epochs"
        said["stopped"] = f"after epoch {n_run} of {values['epochs']}: no better validation F1 for {n_waited}"
    return said


def _print_result(result: TrainResult, *, as_json: bool) -> None:
    if as_json:
        print_json({"checkpoint": str(result.out), "in_cache": str(result.checkpoint), **result.manifest})
        return
    plan, data = result.manifest["freeze_plan"], result.manifest["data"]
    pairs = {
        "labels": f"{data['label']}: {describe_meanings(data['labels'])}".removesuffix(": "),
        "trained": f"{plan['n_trainable']:,} of {plan['n_trainable'] + plan['n_frozen']:,} parameters",
        **_describe_end(result.manifest),
    }
    for split, metrics in result.manifest["metrics"].items():
        shown = format_metrics(metrics)
        pairs[split] = f"F1 {shown['f1']}, accuracy {shown['accuracy']}, {shown['n']} reviews"
    print_pairs({**pairs, "checkpoint": str(result.out)})
