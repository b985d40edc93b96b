"""The verb `predict`: find what is read, plan what is written, and write each record with its prediction once it is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from polarity_cli.checkpoint.choose import find_checkpoint
from polarity_cli.config import Context, PredictConfig
from polarity_cli.data.reading import Reading, read_texts
from polarity_cli.errors import DataError, UsageError
from polarity_cli.formats import find_format, open_path, open_pipe
from polarity_cli.formats.on_error import Losses, settle
from polarity_cli.formats.output_file import TABLES, check_extra, open_output
from polarity_cli.formats.record import Record, Stream
from polarity_cli.formats.results import DocumentWriter, Names, Writer, admit, make_writer, name_results
from polarity_cli.inference.input_files import list_input_files
from polarity_cli.inference.meter import Meter
from polarity_cli.inference.stream import predict_stream
from polarity_cli.inference.tally import Tally
from polarity_cli.verbs.open_labeller import open_labeller
from polarity_cli.verbs.plan_output import STDIN, PredictInput, PredictOutput, Target, is_for_person, plan_output, plan_texts

if TYPE_CHECKING:
    from polarity_cli.checkpoint.checkpoint import Checkpoint
    from polarity_cli.inference.labeller import Labeller

_UNIFORM = (*TABLES, "parquet", "xlsx")
"""Formats whose records all have the same columns."""


class Terminal(Protocol):
    """Standard output where a person reads it."""

    def make_writer(self, sink: IO[bytes]) -> Writer:
        """Return what writes a line to read for each record."""

    def protect(self, sink: IO[bytes], *, as_json: bool) -> IO[bytes]:
        """Return a stream that lets no text steer the terminal."""


@dataclass
class Predicted:
    """What was done."""

    n_records: int = 0
    losses: Losses = field(default_factory=Losses)
    tally: Tally = field(default_factory=Tally)


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
    outputs = plan_output(inputs, config, _look_at(config.output), as_json=as_json, on_terminal=terminal is not None)
    if not as_json and not (terminal and is_for_person(config)):
        for output in outputs:
            check_extra(output.format)
    for folder in {output.path.parent for output in outputs if output.path != config.output and output.path}:
        folder.mkdir(parents=True, exist_ok=True)
    checkpoint = find_checkpoint(config.checkpoint, context)
    for text in texts:
        if text != STDIN and os.path.isfile(text):
            context.observer.note(f"{text} is a file; its name is labelled. Its rows: polarity predict --input {text}")
    paths = [part.path for part in inputs if part.path is not None]
    # Where answers go to the terminal, a bar would stand among them.
    is_among_answers = terminal is not None and any(_is_stdout(output.path) for output in outputs)
    with Meter(() if is_among_answers else paths, context.observer) as meter:
        labelling = _Labelling(config, context, checkpoint, meter, stdin=stdin, terminal=terminal, as_json=as_json)
        if any(part.is_slow for part in inputs):
            labelling.load(())
        for output in outputs:
            labelling.write(output)
    done = labelling.done
    done.losses.report(context.observer, config.on_error)
    if paths:
        answered_by = f"{checkpoint.name} in {labelling.load(()).name}"
        context.observer.note(done.tally.describe(done.losses, config.on_error, answered_by=answered_by))
    return done


def _is_stdout(path: Path | None) -> bool:
    return path is None or str(path) == STDIN


def _look_at(output: Path | None) -> Target:
    if output is None or _is_stdout(output):
        return Target()
    return Target(exists=output.exists(), is_folder=output.is_dir(), is_file=output.is_file())


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
    for path in [path for name in config.input for path in list_input_files(name, context)]:
        is_folder = path.is_dir()
        format = "text" if is_folder else find_format(path, flag="--input", option=config.input_format)
        inputs.append(PredictInput(path, format, is_file=path.is_file(), is_folder=is_folder))
        check_extra(format)
    return inputs


class _Labelling:
    """One model for all outputs: it is loaded when the first texts are read, or before where they keep one waiting."""

    def __init__(
        self,
        config: PredictConfig,
        context: Context,
        checkpoint: Checkpoint,
        meter: Meter,
        *,
        stdin: Callable[[], IO[bytes]] | None,
        terminal: Terminal | None,
        as_json: bool,
    ) -> None:
        self.done = Predicted()
        self._config, self._context, self._checkpoint, self._meter = config, context, checkpoint, meter
        self._stdin, self._terminal, self._as_json = stdin, terminal, as_json
        self._labeller: Labeller | None = None
        self._about: dict[str, object] = {"checkpoint": checkpoint.name, "inputs": list(config.input)}

    def write(self, output: PredictOutput) -> None:
        """Write the answers of one output's inputs, one after the other."""
        with ExitStack() as stack:
            sink: IO[bytes] | None = None
            writer: Writer | None = None
            names, columns = Names(), list[str]()
            for part in output.inputs:
                stream = self._open(part)
                reading = self._read(stream)
                own = reading.columns if stream.format != "text" or reading.columns else ["text"]
                if writer is None or sink is None:
                    sink = stack.enter_context(open_output(output.path))
                    names, columns = name_results(own, self._config.prefix, explains=self._config.explain), own
                    writer = self._make_writer(output, sink, stream, columns, names)
                elif output.format in _UNIFORM and own != columns:
                    raise DataError(
                        f"{stream.name}: its columns are {', '.join(own[:8])}, not {', '.join(columns[:8])} as before.",
                        hint="Write each to a file of its own, --output FOLDER, or --format jsonl.",
                    )
                if part.path is not None:
                    self._meter.begin(part.path, stream.format)
                self._label(_admit(reading, output.format, names, columns), writer, sink)
                self._meter.end()
                stream.close()  # not where it failed: a thread that waits for a pipe would keep it from closing
            self._about |= {"n_records": self.done.n_records, "left_out": self.done.losses.to_json()}
            if writer is not None:
                writer.finish()
        self.done.tally.end()

    def _open(self, part: PredictInput) -> Stream:
        if part.texts is not None:
            records = (Record(None, text, f"text {number}", number, len(text)) for number, text in enumerate(part.texts, 1))
            return Stream("the texts given", "text", records, is_file=True)
        if part.path is not None:
            return open_path(part.path, self._config.read, format=self._config.input_format)
        assert self._stdin is not None  # else there is nothing to predict
        return open_pipe(self._stdin(), self._config.read, format=self._config.input_format)

    def _read(self, stream: Stream) -> Reading:
        """Return a stream's texts, and load the model: by the first of them where they came at once."""
        stops = self._config.on_error == "fail"
        reading = read_texts(stream, option=self._config.text, preferred=self._checkpoint.text, stops_at_error=stops)
        if reading.columns or stream.notes:
            self._context.observer.note(reading.describe())
        self.load(reading.first_texts)
        return reading

    def load(self, first_texts: Sequence[str]) -> Labeller:
        """Return the labeller, opened the first time."""
        if self._labeller is None:
            with self._context.observer.track("Loading the checkpoint"):
                self._labeller = open_labeller(self._checkpoint, self._config, self._context, own_texts=first_texts)
            self._about["threshold"] = self._labeller.threshold
        return self._labeller

    def _make_writer(
        self, output: PredictOutput, sink: IO[bytes], stream: Stream, columns: Sequence[str], names: Names
    ) -> Writer:
        terminal = self._terminal if _is_stdout(output.path) else None
        if terminal and is_for_person(self._config) and not self._as_json:
            return terminal.make_writer(sink)
        if terminal:
            sink = terminal.protect(sink, as_json=self._as_json or output.format == "jsonl")
        if self._as_json:
            return DocumentWriter(sink, names, self._about)
        return make_writer(output.format, sink, stream, columns, names, escaped=self._config.escape_formulas)

    def _label(self, records: Iterator[Record], writer: Writer, sink: IO[bytes]) -> None:
        settled = settle(records, self._config.on_error, self.done.losses, self._context.observer)
        self.done.tally.begin()
        for chunk in predict_stream(settled, self.load(()), explain=self._config.explain):
            for record, prediction in chunk:
                writer.write(record, prediction)
            sink.flush()
            self.done.n_records += len(chunk)
            self.done.tally.add(prediction for _, prediction in chunk)
            self._meter.advance(len(chunk), chunk[-1][0])


def _admit(reading: Reading, format: str, names: Names, columns: Sequence[str]) -> Iterator[Record]:
    """Return records of which those that do not fit the output are broken."""
    if format == "text":
        return reading.records
    fixed = frozenset(columns) if format in _UNIFORM else None
    return (admit(record, names, fixed) for record in reading.records)
