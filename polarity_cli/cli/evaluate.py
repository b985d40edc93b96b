"""`polarity evaluate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cli import options
from polarity_cli.cli.console import format_metrics, make_context, print_json, print_pairs
from polarity_cli.cli.options import Call
from polarity_cli.config import EvaluateConfig
from polarity_cli.distributed.environment import is_main_process
from polarity_cli.extras import require_extra
from polarity_cli.make_config import make_config

if TYPE_CHECKING:
    from polarity_cli.evaluate import EvaluateResult

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


@options.takes("evaluate", EvaluateConfig, also=("processes",))
def command(given: dict[str, Any], call: Call) -> int:
    """Score a checkpoint on labelled reviews; takes any Hugging Face model of two classes."""
    from polarity_cli.distributed.launch import check_processes, launch
    from polarity_cli.distributed.rendezvous import join_world
    from polarity_cli.evaluate import evaluate

    config = make_config(EvaluateConfig, given)
    require_extra("train", "polarity evaluate")
    n_processes = check_processes(call.processes)
    if n_processes > 1:
        return launch(call.line, n_processes, debug=call.debug)
    context = make_context(call, silent=not is_main_process())
    world = join_world()
    result = evaluate(config, context, world)
    if not world.is_main:
        return 0
    if call.json:
        print_json({key: str(value) if isinstance(value, Path) else value for key, value in asdict(result).items()})
    else:
        _print_result(result)
    return 0


def _print_result(result: EvaluateResult) -> None:
    pairs = {"checkpoint": result.checkpoint, "scored": result.scored}
    if result.errors is not None:
        n_mistakes = int(result.metrics["positive_as_negative"] or 0) + int(result.metrics["negative_as_positive"] or 0)
        pairs["mistakes"] = f"{n_mistakes:,} in {result.errors}"
    if result.n_seen_in_training:
        pairs["seen"] = f"{result.n_seen_in_training:,} of them in training"
    print_pairs({**pairs, **format_metrics(result.metrics)})
