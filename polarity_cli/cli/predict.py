"""`polarity predict`."""

from __future__ import annotations

import functools
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from polarity_cli.cli import options
from polarity_cli.cli.console import make_context
from polarity_cli.config import FORMATS, PredictConfig, check_choice
from polarity_cli.encoder.choice import find_checkpoint
from polarity_cli.errors import UsageError
from polarity_cli.predict import open_predictor, predict
from polarity_cli.records import clean_text
from polarity_cli.serving.outputs import find_output_format, open_output
from polarity_cli.serving.readers import Chooser, Record, find_format, make_chooser, open_records, read_records
from polarity_cli.serving.terminal import format_terminal, open_terminal
from polarity_cli.serving.writers import TABLES, WRITERS, DocumentWriter, LineWriter, TableWriter, Writer, escape_formulas

EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity predict "great product"
      cat reviews.txt | polarity predict | cut -f1 | sort | uniq -c
      polarity predict --input reviews.csv --output labelled.csv
      polarity predict --input reviews.csv.gz --output labelled.csv.gz --on-error skip
      polarity predict --explain "not bad at all"
      tail -f reviews.jsonl | polarity predict --input-format jsonl | jq -r .label
    """
)


def command(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="Texts; - or none at all reads standard input, a line a record."),
    ] = None,
    input_path: Annotated[
        Path | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE",
            help="Read records from a file, also .gz, .bz2 or .zst.",
            show_default=False,
        ),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(metavar="text|tsv|csv|jsonl", help="[default: by the file's suffix, else text]", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to a file, which appears, or replaces an earlier one, when it is complete.",
            show_default=False,
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="text|tsv|csv|jsonl",
            help="[default: by the output's suffix, else as the input]",
            show_default=False,
        ),
    ] = None,
    escape: options.EscapeFormulas = False,
    text: options.Text = None,
    on_error: Annotated[
        str,
        typer.Option(
            metavar="fail|skip|keep",
            help="A broken row ends the run with exit 2, is left out, or is kept with an empty label.",
        ),
    ] = "fail",
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Show what each word adds, by leaving it out; a terminal or JSON only. As slow as it says."
        ),
    ] = False,
    precision: Annotated[
        str | None,
        typer.Option(metavar="int8|fp32", help="[default: int8, where it was found to agree with the model]", show_default=False),
    ] = None,
    min_confidence: Annotated[float, typer.Option(metavar="P", help="Answer `uncertain` below this probability.")] = 0.0,
    checkpoint: Annotated[str | None, typer.Option(help=options.CHECKPOINT_HELP, show_default=False)] = None,
    positive_class: options.PositiveClass = None,
    cache_dir: options.CacheDir = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    offline: options.Offline = False,
    debug: options.Debug = False,
) -> None:
    """Label texts: one record in is one record out, in order, as soon as it is known."""
    for flag, value in (("--input-format", input_format), ("--format", output_format)):
        if value is not None:
            check_choice(flag, value, FORMATS)
    config = PredictConfig(
        checkpoint=checkpoint,
        text=options.split_names(text),
        min_confidence=min_confidence,
        positive_class=positive_class,
        precision=precision,
        on_error=on_error,
        explain=explain,
    )
    context = make_context(cache_dir=cache_dir, offline=offline, quiet=quiet)
    _check_inputs(texts, input_path)
    kind = find_format(input_path, input_format)
    written = find_output_format(output, output_format, kind)
    info = find_checkpoint(config.checkpoint, context)
    for text_given in texts or []:
        if text_given != "-" and os.path.isfile(text_given):
            context.observer.note(
                f"{text_given} is a file; its name is labelled. Its rows: polarity predict --input {text_given}"
            )
    for_terminal = output is None and output_format is None and sys.stdout.isatty()
    if explain and not (json or for_terminal or written == "jsonl"):
        raise UsageError("--explain writes to a terminal or as JSON.", hint="Add --format jsonl or --json.")
    if escape and (json or for_terminal or written not in TABLES):
        raise UsageError("--escape-formulas is for CSV and TSV.", hint="Add --format csv, or leave it out.")
    choose = make_chooser(config.text, info.text)
    with _open_input(texts or ["-"], input_path, kind, choose) as records, open_output(output) as stream:
        with context.observer.track("Loading the checkpoint"):
            predictor = open_predictor(info, config, context, own_texts=[given for given in texts or [] if given != "-"])
        if str(output or "-") == "-" and sys.stdout.isatty() and not (for_terminal and not json):
            stream = open_terminal(stream, as_json=json or written == "jsonl")
        writer = _choose_writer(stream, model=info.name, as_json=json, kind=written, for_terminal=for_terminal, escape=escape)
        for window in predict(records, predictor, config, context.observer):
            for record, prediction in window:
                writer.write(record, prediction)
            stream.flush()
        writer.finish()


def _check_inputs(texts: list[str] | None, input_path: Path | None) -> None:
    if texts and input_path:
        raise UsageError("Give texts or --input, not both.")
    if not texts and not input_path and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("Nothing to predict.", hint='Give a text (polarity predict "great product"), --input FILE, or a pipe.')


@contextmanager
def _open_input(texts: list[str], input_path: Path | None, kind: str, choose: Chooser) -> Iterator[Iterator[Record]]:
    """Give the records of a file, or of the arguments in their order, of which `-` is standard input."""
    if input_path is not None and str(input_path) != "-":
        stream = open_records(input_path)
        yield read_records(stream, kind=kind, name=str(input_path), choose=choose)
        # Not where the block failed: the thread that reads may wait for a pipe, and closing would wait for the thread.
        stream.close()
        return
    named = {"-": lambda: read_records(_open_stdin(), kind=kind, name="standard input", choose=choose)}
    yield itertools.chain.from_iterable(
        named[text]() if text in named else [Record(clean_text(text), text)] for text in (texts if input_path is None else ["-"])
    )


def _open_stdin() -> IO[bytes]:
    """Open standard input once more: Python aborts at its end when a thread still waits for its own object."""
    return open(os.dup(0), "rb")


def _choose_writer(stream: IO[bytes], *, model: str, as_json: bool, kind: str, for_terminal: bool, escape: bool) -> Writer:
    if as_json:
        return DocumentWriter(stream, checkpoint=model)
    if for_terminal:
        return LineWriter(stream, functools.partial(format_terminal, colour="NO_COLOR" not in os.environ))
    if escape:
        return TableWriter(stream, escape_formulas(TABLES[kind]))
    return WRITERS[kind](stream)
