"""`polarity evaluate`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from polarity_cli.cli import options
from polarity_cli.cli.console import make_context, print_json, print_pairs
from polarity_cli.cli.options import Call, format_line
from polarity_cli.cli.scores import (
    WIDTH,
    format_baselines,
    format_check,
    format_confusion,
    format_coverage,
    format_scores,
    format_worse,
)
from polarity_cli.config import AUTO, PRECISIONS, EvaluateConfig
from polarity_cli.distributed.environment import is_main_process
from polarity_cli.extras import require_extra
from polarity_cli.make_config import make_config
from polarity_cli.records import Observer
from polarity_cli.scoring.values import Check
from polarity_cli.text import make_printable

if TYPE_CHECKING:
    from polarity_cli.verbs.evaluation.result import EvaluateResult

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity evaluate ./ckpt
      polarity evaluate ./ckpt new-reviews.csv --errors mistakes.csv
      polarity evaluate ./ckpt --report report.html
      polarity evaluate ./ckpt --against ./last-month --fail-if-worse
      polarity evaluate ./ckpt new-reviews.csv --by product --suspects labels.csv
      polarity evaluate ./ckpt --json | jq .metrics.f1
      polarity evaluate ./another-model reviews.csv --positive-class GOOD
    """
)


@options.takes("evaluate", EvaluateConfig, also=("processes",))
def command(given: dict[str, Any], call: Call) -> int:
    """Score a checkpoint on labelled reviews; takes any Hugging Face model of two classes."""
    from polarity_cli.distributed.launch import check_processes, launch
    from polarity_cli.distributed.rendezvous import join_world

    config = make_config(EvaluateConfig, given)
    require_extra("train", "polarity evaluate")
    from polarity_cli.encoder.device import check_gpu
    from polarity_cli.verbs.evaluate import evaluate

    on_cpu = config.device == "cpu" or (config.device == AUTO and config.precision in PRECISIONS)
    n_processes = check_processes(call.processes)
    if n_processes > 1:
        if config.device not in (AUTO, "cpu"):
            check_gpu(config.device, n_processes=n_processes)  # once, and not in each of them
        return launch(call.line, n_processes, debug=call.debug, on_cpu=on_cpu)
    context = make_context(call, silent=not is_main_process())
    result = evaluate(config, context, join_world(on_cpu=on_cpu), command=format_line(call.line))
    if result is None:
        return 0
    tell_checks(result.checks, context.observer)
    if call.json:
        print_json(result.to_json())
    else:
        _print_result(result)
    return 1 if config.fail_if_worse and result.is_worse else 0


def tell_checks(checks: tuple[Check, ...], observer: Observer) -> None:
    """Say what the checks found: warnings so that `--quiet` does not hide them."""
    for check in checks:
        (observer.warn if check.is_warning else observer.note)(format_check(check))


def _print_result(result: EvaluateResult) -> None:
    found, answers = result.assessment, result.answers
    pairs = {
        "checkpoint": f"{result.checkpoint}, {result.describe_precision()}",
        "scored": f"{result.scored}{_describe_rate(result)}",
    }
    if answers.threshold != 0.5:
        pairs["threshold"] = f"positive from {answers.threshold:.4g} on"
    print_pairs(pairs, width=WIDTH)
    print()
    for line in (*format_scores(found.metrics, found.intervals), "", *format_confusion(found.metrics), ""):
        print(line)
    print_pairs(_list_findings(result), width=WIDTH)


def _describe_rate(result: EvaluateResult) -> str:
    n, seconds = len(result.answers.y_score), result.answers.seconds
    return f"; {n / seconds:,.0f} a second" if seconds else ""


def _list_findings(result: EvaluateResult) -> dict[str, str]:
    """Return what stands below the tables, and the next command to type."""
    found, n_mistakes = result.assessment, result.n_mistakes
    pairs = {"verdict": result.verdict}
    if found.baselines:
        pairs["beside"] = format_baselines(found.baselines)
    if coverage := format_coverage(found.coverage):
        pairs["confidence"] = coverage
    if result.served is not None:
        f1, accuracy = result.served.metrics["f1"], result.served.metrics["accuracy"]
        pairs["served"] = (
            f"{result.served.precision} answers in predict: {accuracy or 0.0:.3f} right, F1 {f1 or 0.0:.3f}, "
            f"{result.served.n_flipped:,} answered otherwise"
        )
    if any(one.is_worse for one in found.slices):
        pairs["worse on"] = format_worse(found.slices)
    if result.contest is not None:
        pairs["against"] = result.contest.comparison.verdict
    if result.n_seen_in_training:
        pairs["seen"] = f"{result.n_seen_in_training:,} of them in training"
    if result.errors is not None:
        pairs["mistakes"] = f"{n_mistakes:,} in {result.errors}"
    if result.predictions is not None:
        pairs["predictions"] = str(result.predictions)
    if result.suspects is not None:
        pairs["suspects"] = f"{len(result.suspects):,} in {result.suspects_file}"
    if result.report is not None:
        pairs["report"] = str(result.report)
    else:
        pairs["next"] = f"polarity evaluate {shlex.quote(make_printable(result.checkpoint))} --report report.html"
    return pairs
