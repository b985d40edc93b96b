"""`polarity train`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from polarity_cli.cli import options, values
from polarity_cli.cli.console import format_metrics, make_context, print_json, print_pairs
from polarity_cli.cli.evaluate import tell_checks
from polarity_cli.cli.options import Call, format_line
from polarity_cli.cli.scores import WIDTH, format_baselines, format_confusion, format_value
from polarity_cli.config import SAMPLE
from polarity_cli.distributed.environment import is_main_process
from polarity_cli.errors import RequirementError
from polarity_cli.extras import require_extra
from polarity_cli.make_config import make_train_config
from polarity_cli.records import describe_meanings
from polarity_cli.text import make_printable
from polarity_cli.train_config import TrainConfig

if TYPE_CHECKING:
    from polarity_cli.encoder.freeze import FreezePlan
    from polarity_cli.verbs.evaluation.result import EvaluateResult
    from polarity_cli.verbs.publish_run import TrainResult

SCHEMA = "polarity/train/1"
"""The version of the JSON document; see `schemas/`."""
PLAN_SCHEMA = "polarity/train-plan/1"
"""That of `--plan`."""

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity train --sample
      polarity train --unfreeze 2
      polarity train reviews.csv --encoder sample --rows all --out ./reviews-model
      polarity train reviews.csv --folds 5 --report report.html
      polarity train reviews.csv --target-precision 0.95 --of negative
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
    from polarity_cli.verbs.train import plan_training, train

    config = make_train_config(values.name_sources(given, call.sources, sample=call.sample))
    require_extra("sample" if config.data.encoder == SAMPLE else "train", "polarity train")
    if call.plan:
        _print_plan(plan_training(config, make_context(call)), as_json=call.json)
        return 0
    n_processes = check_processes(call.processes)
    if n_processes > 1:
        return launch(call.line, n_processes, debug=call.debug)
    context = make_context(call, silent=not is_main_process())
    result = train(config, context, join_world(), command=format_line(call.line))
    if result is None:
        return 0
    if result.evaluation is not None:
        tell_checks(result.evaluation.checks, context.observer)
    _print_result(result, as_json=call.json)
    if result.refusal is None:
        return 0
    raise RequirementError(f"{result.refusal} {config.out} is as it was.", hint=f"The checkpoint is in {result.checkpoint}.")


def _print_plan(plan: FreezePlan, *, as_json: bool) -> None:
    if as_json:
        print_json({"schema": PLAN_SCHEMA, **plan.to_json()})
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
        print_json(
            {
                "schema": SCHEMA,
                "checkpoint": str(result.out) if result.refusal is None else None,
                "in_cache": str(result.checkpoint),
                "published": result.refusal is None,
                **result.manifest,
                **({"checks": [asdict(check) for check in result.evaluation.checks]} if result.evaluation else {}),
            }
        )
        return
    plan, data = result.manifest["freeze_plan"], result.manifest["data"]
    pairs = {
        "labels": f"{data['label']}: {describe_meanings(data['labels'])}".removesuffix(": "),
        "trained": f"{plan['n_trainable']:,} of {plan['n_trainable'] + plan['n_frozen']:,} parameters",
        **_describe_end(result.manifest),
        **_describe_scores(result.manifest),
    }
    print_pairs(pairs)
    if result.evaluation is not None:
        print("", *format_confusion(result.evaluation.metrics), "", sep="\n")
        print_pairs(_describe_evaluation(result, result.evaluation), width=WIDTH)
    else:
        print_pairs(_describe_place(result))


def _describe_scores(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the scores of each split, the spread of the folds, and what calibration came to."""
    pairs = {}
    for split, metrics in manifest["metrics"].items():
        shown = format_metrics(metrics)
        pairs[split] = f"F1 {shown['f1']}, accuracy {shown['accuracy']}, {shown['n']} reviews"
    folds, calibration, threshold = (manifest.get(name) for name in ("folds", "calibration", "threshold"))
    if folds:
        pairs["folds"] = (
            f"{folds['n']}: F1 {folds['f1_mean']:.4f} on average, {folds['f1_deviation']:.4f} apart (standard deviation)"
        )
    if calibration and "temperature" in calibration:
        before, after = calibration["calibration_error_before"], calibration["calibration_error_after"]
        pairs["calibrated"] = f"temperature {calibration['temperature']:.3f}, calibration error {before:.3f} to {after:.3f}"
    if threshold:
        pairs["threshold"] = f"{threshold['positive']:.4f}: {threshold['precision']:.1%} of `{threshold['of']}` right"
    return pairs


def _describe_evaluation(result: TrainResult, found: EvaluateResult) -> dict[str, str]:
    """Return the verdict with what stands beside it, where the checkpoint is, and the next command."""
    pairs = {"F1": format_value(found.metrics, found.assessment.intervals, "f1"), "verdict": found.verdict}
    if found.assessment.baselines:
        pairs["beside"] = format_baselines(found.assessment.baselines)
    if found.report is not None:
        pairs["report"] = str(found.report)
    return pairs | _describe_place(result)


def _describe_place(result: TrainResult) -> dict[str, str]:
    if result.refusal is not None:
        return {"checkpoint": f"{result.checkpoint}, not published"}
    out = shlex.quote(make_printable(str(result.out)))
    return {"checkpoint": str(result.out), "next": f'polarity predict --checkpoint {out} "great product"'}
