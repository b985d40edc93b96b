"""`polarity train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polarity_cli.cli import options, values
from polarity_cli.cli.console import format_metrics, make_context, print_json, print_pairs
from polarity_cli.cli.options import Call
from polarity_cli.config import SAMPLE, TrainConfig
from polarity_cli.distributed.environment import is_main_process
from polarity_cli.extras import require_extra
from polarity_cli.make_config import make_train_config
from polarity_cli.records import describe_meanings

if TYPE_CHECKING:
    from polarity_cli.encoder.freeze import FreezePlan
    from polarity_cli.train import TrainResult

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


@options.takes("train", TrainConfig, also=("sources", "sample", "processes", "plan"))
def command(given: dict[str, Any], call: Call) -> int:
    """Fine-tune the last blocks of an encoder; prepares the data first where needed."""
    from polarity_cli.distributed.launch import check_processes, launch
    from polarity_cli.distributed.rendezvous import join_world
    from polarity_cli.train import plan_training, train

    config = make_train_config(values.name_sources(given, call.sources, sample=call.sample))
    require_extra("sample" if config.data.encoder == SAMPLE else "train", "polarity train")
    if call.plan:
        _print_plan(plan_training(config, make_context(call)), as_json=call.json)
        return 0
    n_processes = check_processes(call.processes)
    if n_processes > 1:
        return launch(call.line, n_processes, debug=call.debug)
    result = train(config, make_context(call, silent=not is_main_process()), join_world())
    if result is not None:
        _print_result(result, as_json=call.json)
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
    end = {"kept": f"{kept} (validation F1 {'-' if f1 is None else f'{f1:.4f}'}), the best"}
    if training["stopped"] == "patience":
        n_waited = "1 epoch" if values["patience"] == 1 else f"{values['patience']} epochs"
        end["stopped"] = f"after epoch {n_run} of {values['epochs']}: no better validation F1 for {n_waited}"
    return end


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
