"""The verb `predict`: find what is read, plan what is written, and write each record with its prediction once it is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from polarity_cli.checkpoint.choose import find_checkpoint
from polarity_cli.config import Context, PredictConfig
from polarity_cli.errors import UsageError
from polarity_cli.formats import find_format
from polarity_cli.formats.decoding import emit
from polarity_cli.formats.jsonl import dump_json
from polarity_cli.formats.output_file import check_extra, open_output
from polarity_cli.inference.input_files import list_input_files
from polarity_cli.inference.meter import Meter
from polarity_cli.verbs.finished import identify, open_finished
from polarity_cli.verbs.labelling import Labelling, Predicted, Terminal
from polarity_cli.verbs.places import check_apart, look_at, make_folders
from polarity_cli.verbs.plan_output import (
    STDIN,
    PredictInput,
    PredictOutput,
    is_for_person,
    is_stdout,
    plan_output,
    plan_texts,
)
from polarity_cli.verbs.share import take_share

FILES_SCHEMA = "polarity/predict-files/1"
"""The version of the JSON document about the files of a folder; see `schemas/`."""

if TYPE_CHECKING:
    from polarity_cli.checkpoint.checkpoint import Checkpoint


def predict(
    config: PredictConfig,
    context: Context,
    *,
    texts: Sequence[str] = (),
    stdin: Callable[[], IO[bytes]] | None = None,
    terminal: Terminal | None = None,
    as_json: bool = False,
) -> Predicted:
    """Predict every record of the inputs in order, write each with its answer, and say at the end what was lost.

    Args:
        config: what is read, where it goes, and how texts are labelled.
        context: where it works, and who is told.
        texts: that are given, in place of inputs; `-` is standard input.
        stdin: opens standard input.
        terminal: standard output, where it is one.
        as_json: whether the answers become one document.

    Raises:
        UsageError: the inputs, the output and the options do not go together, or one of them cannot be.
        DataError: an input cannot be read.
        CheckpointError, HubError: there is no checkpoint that answers.
    """
    inputs = _find_inputs(config, context, texts)
    planned = plan_output(inputs, config, look_at(config.output), as_json=as_json, on_terminal=terminal is not None)
    if planned[0].is_in_folder or not (as_json or (terminal and is_for_person(config))):
        for format in {output.format for output in planned}:
            check_extra(format)
    for text in texts:
        if text != STDIN and os.path.isfile(text):
            context.observer.note(f"{text} is a file; its name is labelled. Its rows: polarity predict --input {text}")
    outputs = _take_share(planned, config, context, as_json=as_json)
    check_apart(outputs)
    make_folders(outputs, config)
    checkpoint = find_checkpoint(config.checkpoint, context)
    paths = [part.path for output in outputs for part in output.inputs if part.path is not None]
    # Where answers go to the terminal, a bar would stand among them.
    is_among_answers = terminal is not None and any(is_stdout(output.path) for output in outputs)
    with Meter(() if is_among_answers else paths, context.observer, limit=None if config.rank else config.limit) as meter:
        labelling = Labelling(config, context, checkpoint, meter, stdin=stdin, terminal=terminal, as_json=as_json)
        labelling.done.n_files = len(paths)
        if planned[0].is_in_folder and outputs:
            _write_rest(outputs, labelling, inputs[0], config=config, context=context, checkpoint=checkpoint, meter=meter)
        else:
            if config.shard is not None and paths and config.precision is None:
                labelling.load_by(inputs[0])  # so that all processes answer alike
            elif any(part.is_slow for part in inputs):
                labelling.load(())
            for output in outputs:
                labelling.write(output)
    done = labelling.done
    if as_json and planned[0].is_in_folder:
        _print_files(done, config, checkpoint.name, labelling.precision)
    done.losses.report(context.observer, config.on_error)
    if paths:
        context.observer.note(_describe(done, config, checkpoint.name, labelling.answers_in))
    return done


def _write_rest(
    outputs: Sequence[PredictOutput],
    labelling: Labelling,
    first: PredictInput,
    *,
    config: PredictConfig,
    context: Context,
    checkpoint: Checkpoint,
    meter: Meter,
) -> None:
    """Write the outputs of a folder that are not finished, and note each when it is."""
    finished = open_finished(config, checkpoint, context.cache_dir)
    precision = config.precision or finished.settle_precision()
    if precision is None:
        precision = finished.settle_precision(labelling.load_by(first)) or ""
    labelling.use(precision)
    changes: dict[str, list[PredictOutput]] = {}
    rest = []
    for output in outputs:
        change = finished.find_change(output, precision)
        part = output.inputs[0]
        about: dict[str, object] = {
            "input": str(part.path),
            "row_groups": part.row_groups,
            "output": str(output.path),
            "skipped": change is None,
        }
        labelling.done.files.append(about)
        if change is None:
            labelling.done.n_skipped += 1
            continue
        rest.append(output)
        if change:
            changes.setdefault(change, []).append(output)
    for change, those in changes.items():
        more = f" and {len(those) - 1:,} more" if len(those) > 1 else ""
        context.observer.note(f"{those[0].path}{more} {change}; labelled again.")
    meter.take([part.path for output in rest for part in output.inputs if part.path is not None])
    for output in rest:
        identity = identify(output.inputs[0])
        labelling.write(output)
        finished.keep(output, identity, precision)


def _describe(done: Predicted, config: PredictConfig, checkpoint: str, answers_in: str | None) -> str:
    """Return the last sentence: how many files, and what became of their records."""
    skipped = f", {done.n_skipped:,} skipped as finished" if done.n_skipped else ""
    files = f"{done.n_files:,} {'file' if done.n_files == 1 else 'files'}{skipped}"
    if done.n_skipped == done.n_files or answers_in is None:
        return f"{files}; nothing is left to label."
    sentence = done.tally.describe(done.losses, config.on_error, answered_by=f"{checkpoint} in {answers_in}")
    return f"{files}; {sentence}" if done.n_files > 1 or skipped else sentence


def _print_files(done: Predicted, config: PredictConfig, checkpoint: str, precision: str | None) -> None:
    """Write a document to standard output that says what became of each file of a folder."""
    labels = done.tally.labels
    document = {
        "schema": FILES_SCHEMA,
        "checkpoint": checkpoint,
        "inputs": list(config.input),
        "output": str(config.output),
        "precision": precision,
        "shard": config.shard,
        "n_files": done.n_files,
        "n_skipped": done.n_skipped,
        "n_records": done.n_records,
        "labels": {name: labels[name] for name in ("positive", "negative", "uncertain")} | {"none": labels[""]},
        "left_out": done.losses.to_json(),
        "seconds": done.tally.seconds,
        "files": done.files,
    }
    with open_output(None) as sink:
        emit(sink, dump_json(document) + "\n")


def _take_share(
    planned: Sequence[PredictOutput], config: PredictConfig, context: Context, *, as_json: bool
) -> Sequence[PredictOutput]:
    """Return what this process writes of all that is planned, and say so where that is a share."""
    if config.shard is None:
        return planned
    outputs = take_share(planned, config.shard, _measure)
    n_all, parts = sum(len(output.inputs) for output in planned), [part for output in outputs for part in output.inputs]
    shard = f"Shard {config.shard[0]} of {config.shard[1]}"
    if not parts:
        context.observer.note(f"{shard}: other shards have all there is; nothing to do.")
        return [replace(planned[0], inputs=())] if as_json and not planned[0].is_in_folder else []
    shown = [
        f"{part.path}, row groups {part.row_groups[0] + 1} to {part.row_groups[1]}" if part.row_groups else str(part.path)
        for part in parts[:3]
    ]
    more = f" and {len(parts) - 3:,} more" if len(parts) > 3 else ""
    context.observer.note(
        f"{shard}: {len(parts):,} of {n_all:,} {'input' if n_all == 1 else 'inputs'}: {'; '.join(shown)}{more}."
    )
    return outputs


def _measure(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


def _find_inputs(config: PredictConfig, context: Context, texts: Sequence[str]) -> list[PredictInput]:
    """Return what is read, texts or files.

    Raises:
        UsageError: there is nothing, or both, or a file is not there or of no format that is known.
    """
    if texts and config.input:
        raise UsageError("Give texts or --input, not both.")
    if not texts and not config.input:
        raise UsageError("Nothing to predict.", hint='Give a text (polarity predict "great product"), --input FILE, or a pipe.')
    if texts or config.input == (STDIN,):
        return plan_texts(texts or config.input, input_format=config.input_format)
    inputs = []
    for found in [found for name in config.input for found in list_input_files(name, context, output=config.output)]:
        path = found.path
        is_folder = path.is_dir()
        format = "text" if is_folder else find_format(path, flag="--input", option=config.input_format)
        inputs.append(
            PredictInput(
                path, format, is_file=path.is_file(), is_folder=is_folder, relative=found.relative, is_listed=found.is_listed
            )
        )
    for format in {part.format for part in inputs}:
        check_extra(format)
    return inputs
