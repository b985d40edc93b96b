"""`polarity predict`."""

from __future__ import annotations

import functools
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from polarity_cli.checkpoint.choose import find_checkpoint
from polarity_cli.cli import options
from polarity_cli.cli.console import make_context
from polarity_cli.cli.options import Call
from polarity_cli.cli.terminal import TerminalWriter, open_terminal
from polarity_cli.config import Context, PredictConfig
from polarity_cli.errors import UsageError
from polarity_cli.formats import open_pipe
from polarity_cli.formats.output_file import TABLES, check_extra, find_output_format
from polarity_cli.formats.record import Record, Stream
from polarity_cli.formats.results import DocumentWriter, Names, Writer, make_writer
from polarity_cli.labelling import Job, plan_jobs, run_jobs
from polarity_cli.make_config import make_config
from polarity_cli.open_predictor import open_predictor

if TYPE_CHECKING:
    from polarity_cli.inference.predictor import Predictor

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity predict "great product"
      cat reviews.txt | polarity predict | cut -f1 | sort | uniq -c
      polarity predict --input reviews.csv --output labelled.csv
      polarity predict --input 'shards/*.csv' --output labelled/
      polarity predict --input reviews.xlsx --output labelled.xlsx
      polarity predict --explain "not bad at all"
      tail -f reviews.jsonl | polarity predict --input-format jsonl | jq -r .label
    """
)


@options.takes("predict", PredictConfig, also=("texts",))
def command(given: dict[str, Any], call: Call) -> None:
    """Label texts: one record in is one record out, in order, as soon as it is known."""
    texts, json = list(call.texts), call.json
    config = make_config(PredictConfig, given)
    context = make_context(call)
    jobs = _plan(texts, config, context)
    _check_outputs(jobs, config, as_json=json)
    info = find_checkpoint(config.checkpoint, context)
    _warn_of_files(texts or [], context)

    def load(first_texts: Sequence[str]) -> Predictor:
        with context.observer.track("Loading the checkpoint"):
            return open_predictor(info, config, context, own_texts=first_texts)

    about: dict[str, object] = {"checkpoint": info.name, "inputs": list(config.input)}
    choose = functools.partial(_choose_writer, config=config, as_json=json, about=about)
    run_jobs(jobs, load, choose, config, context, trained=info.text, about=about)


def _plan(texts: list[str] | None, config: PredictConfig, context: Context) -> list[Job]:
    """Return what is read and where it is written to."""
    if texts and config.input:
        raise UsageError("Give texts or --input, not both.")
    if config.input and config.input != ("-",):
        return plan_jobs(config, context)
    if not texts and not config.input and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("Nothing to predict.", hint='Give a text (polarity predict "great product"), --input FILE, or a pipe.')
    named = [text for text in texts or ["-"] if text == "-"]
    if len(named) > 1:
        raise UsageError("- stands for standard input, which can be read once.", hint="Give - once.")
    parts = itertools.groupby(texts or ["-"], key=lambda text: text == "-")
    openers = tuple(
        (lambda: _open_stdin(config)) if is_stdin else functools.partial(_open_texts, list(group)) for is_stdin, group in parts
    )
    own = (config.input_format or "text") if named else "text"
    format = find_output_format(config.output, config.format, own)
    return [Job(openers, config.output, format, is_slow=bool(named))]


def _check_outputs(jobs: list[Job], config: PredictConfig, *, as_json: bool) -> None:
    """Refuse options that do not go together, before the model is loaded."""
    if as_json and config.output is not None and str(config.output) != "-":
        raise UsageError("--json prints one document on standard output, and --output writes a file.", hint="Give one of them.")
    formats = {job.format or "text" for job in jobs}
    for_terminal = _is_for_terminal(config)
    if not as_json and not for_terminal:
        for format in formats:
            check_extra(format)
    if config.explain and not (as_json or for_terminal or formats == {"jsonl"}):
        raise UsageError("--explain writes to a terminal or as JSON.", hint="Add --format jsonl or --json.")
    if config.escape_formulas and (as_json or for_terminal or not formats <= set(TABLES)):
        raise UsageError("--escape-formulas is for CSV and TSV.", hint="Add --format csv, or leave it out.")


def _is_for_terminal(config: PredictConfig) -> bool:
    return config.output is None and config.format is None and sys.stdout.isatty()


def _warn_of_files(texts: list[str], context: Context) -> None:
    for text in texts:
        if text != "-" and os.path.isfile(text):
            context.observer.note(f"{text} is a file; its name is labelled. Its rows: polarity predict --input {text}")


def _open_texts(texts: list[str]) -> Stream:
    records = (Record(None, text, f"text {number}", number, len(text)) for number, text in enumerate(texts, 1))
    return Stream("the texts given", "text", records, is_file=True)


def _open_stdin(config: PredictConfig) -> Stream:
    """Open standard input once more: Python aborts at its end when a thread still waits for its own object."""
    return open_pipe(open(os.dup(0), "rb"), config.read, format=config.input_format)


def _choose_writer(
    format: str,
    sink: IO[bytes],
    stream: Stream,
    columns: Sequence[str],
    names: Names,
    *,
    config: PredictConfig,
    as_json: bool,
    about: dict[str, object],
) -> Writer:
    for_terminal = _is_for_terminal(config) and not as_json
    if config.output in (None, Path("-")) and sys.stdout.isatty() and not for_terminal:
        sink = open_terminal(sink, as_json=as_json or format == "jsonl")
    if as_json:
        return DocumentWriter(sink, names, about)
    if for_terminal:
        return TerminalWriter(sink, colour="NO_COLOR" not in os.environ)
    return make_writer(format, sink, stream, columns, names, escaped=config.escape_formulas)
