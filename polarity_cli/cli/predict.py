"""`polarity predict`."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

from polarity_cli.cli import options
from polarity_cli.cli.console import make_context
from polarity_cli.cli.options import Call
from polarity_cli.cli.terminal import Terminal
from polarity_cli.config import PredictConfig
from polarity_cli.make_config import make_config

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity predict "great product"
      cat reviews.txt | polarity predict | cut -f1 | sort | uniq -c
      polarity predict --input reviews.csv --output labelled.csv
      polarity predict --input 'shards/*.csv' --output labelled/
      polarity predict -i shards/ -o labelled/ --shard $SLURM_ARRAY_TASK_ID/64
      polarity predict -i reviews.csv -o look.csv --rank uncertain --limit 100
      polarity predict --input reviews.xlsx --output labelled.xlsx
      polarity predict --explain "not bad at all"
      tail -f reviews.jsonl | polarity predict --input-format jsonl | jq -r .label
    """
)


@options.takes("predict", PredictConfig, also=("texts",))
def command(given: dict[str, Any], call: Call) -> None:
    """Label texts: one record in is one record out, in order, as soon as it is known."""
    from polarity_cli.verbs.predict import predict

    config = make_config(PredictConfig, given)
    texts = call.texts
    if not texts and not config.input and sys.stdin is not None and not sys.stdin.isatty():
        texts = ("-",)
    terminal = Terminal(colour="NO_COLOR" not in os.environ) if sys.stdout.isatty() else None
    predict(config, make_context(call), texts=texts, stdin=_open_stdin, terminal=terminal, as_json=call.json)


def _open_stdin() -> IO[bytes]:
    """Open standard input once more: Python aborts at its end when a thread still waits for its own object."""
    return open(os.dup(0), "rb")
