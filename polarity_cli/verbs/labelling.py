"""One model for all outputs of `predict`: each input is read, its records answered in order, and written once they are known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Protocol

from polarity_cli.config import PRECISIONS, Context, PredictConfig
from polarity_cli.data.reading import Reading, read_texts
from polarity_cli.errors import DataError
from polarity_cli.formats import open_path, open_pipe
from polarity_cli.formats.on_error import Losses, settle
from polarity_cli.formats.output_file import TABLES, open_output
from polarity_cli.formats.ranking import RankingWriter, doubt
from polarity_cli.formats.record import Record, Stream
from polarity_cli.formats.results import DocumentWriter, Names, Writer, admit, make_writer, name_results
from polarity_cli.inference.meter import Meter
from polarity_cli.inference.stream import predict_stream
from polarity_cli.inference.tally import Tally
from polarity_cli.records import Prediction
from polarity_cli.text import join_text
from polarity_cli.verbs.open_labeller import open_labeller
from polarity_cli.verbs.plan_output import PredictInput, PredictOutput, is_for_person, is_stdout

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
    n_files: int = 0
    """Files that were to be read, those that were finished before included."""
    n_skipped: int = 0
    """Files whose answers were finished before."""
    files: list[dict[str, object]] = field(default_factory=list)
    """Of a folder of outputs: each file, its output, and whether it was finished before."""


class Labelling:
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
        self._left = config.limit if config.rank is None else None
        """Records that may still be read; None for all."""
        self._said = ""
        self.precision: str | None = None
        """What answers, where it is settled before anything is read."""
        self._about: dict[str, object] = {"checkpoint": checkpoint.name, "inputs": list(config.input)}

    def write(self, output: PredictOutput) -> None:
        """Write the answers of one output's inputs, one after the other."""
        with ExitStack() as stack:
            sink: IO[bytes] | None = None
            writer: Writer | None = None
            if self._as_json and not output.inputs:  # a share with nothing in it, which is a document all the same
                self.load(())
                writer = DocumentWriter(stack.enter_context(open_output(output.path)), Names(), self._about)
            names, columns = Names(), list[str]()
            for part in output.inputs:
                if self._left == 0:
                    break
                stream = self._open(part)
                reading = self._read(stream)
                own = reading.columns if stream.format != "text" or reading.columns else ["text"]
                if writer is None or sink is None:
                    sink = stack.enter_context(open_output(output.path))
                    names, columns = name_results(own, self._config.prefix, explains=self._config.explain), own
                    writer = self._rank(self._make_writer(output, sink, stream, columns, names))
                elif output.format in _UNIFORM and own != columns:
                    raise DataError(
                        f"{stream.name}: its columns are {', '.join(own[:8])}, not {', '.join(columns[:8])} as before.",
                        hint="Write each to a file of its own, --output FOLDER, or --format jsonl.",
                    )
                if part.path is not None:
                    self._meter.begin(part.path, stream.format, row_groups=part.row_groups)
                self._label(_admit(reading, output.format, names, columns), writer, sink)
                self._meter.end()
                stream.close()  # not where it failed: a thread that waits for a pipe would keep it from closing
            self._about |= self._describe()
            if writer is not None:
                writer.finish()
        self.done.tally.end()

    def _open(self, part: PredictInput) -> Stream:
        if part.texts is not None:
            records = (Record(None, text, f"text {number}", number, len(text)) for number, text in enumerate(part.texts, 1))
            return Stream("the texts given", "text", records, is_file=True)
        if part.path is not None:
            return open_path(part.path, self._config.read, format=self._config.input_format, row_groups=part.row_groups)
        assert self._stdin is not None  # else there is nothing to predict
        return open_pipe(self._stdin(), self._config.read, format=self._config.input_format)

    def _read(self, stream: Stream) -> Reading:
        """Return a stream's texts, and load the model: by the first of them where they came at once."""
        stops = self._config.on_error == "fail"
        reading = read_texts(stream, option=self._config.text, preferred=self._checkpoint.text, stops_at_error=stops)
        said = reading.describe()
        how = said.removeprefix(stream.name)
        if (reading.columns or stream.notes) and how != self._said:  # of many files alike, once
            self._context.observer.note(said)
            self._said = how
        self.load(reading.first_texts)
        return reading

    def load(self, first_texts: Sequence[str]) -> Labeller:
        """Return the labeller, opened the first time."""
        if self._labeller is None:
            # What is ranked needs the answer itself, which is doubted when it is written.
            config = replace(self._config, min_confidence=0.0) if self._config.rank else self._config
            with self._context.observer.track("Loading the checkpoint"):
                self._labeller = open_labeller(self._checkpoint, config, self._context, own_texts=first_texts)
            self._about["threshold"] = self._labeller.threshold
        return self._labeller

    def load_by(self, part: PredictInput) -> str:
        """Load the model by the first texts of an input, whatever is read first, and return what answers."""
        if part.is_slow:
            return self.load(()).name
        stream = self._open(part)
        stops = self._config.on_error == "fail"
        texts = read_texts(stream, option=self._config.text, preferred=self._checkpoint.text, stops_at_error=stops).first_texts
        stream.close()
        return self.load(texts).name

    def use(self, precision: str) -> None:
        """Answer in a precision that was settled, also where another one was loaded."""
        if self._labeller is not None and self._labeller.name != precision:
            self._labeller = None
        self.precision = precision
        if precision in PRECISIONS:
            self._config = replace(self._config, precision=precision)

    @property
    def answers_in(self) -> str | None:
        """What answers; None where nothing was to be answered."""
        return None if self._labeller is None else self._labeller.name

    def _describe(self) -> dict[str, object]:
        """Return what a document says of all records."""
        config, done = self._config, self.done
        return {
            "n_records": done.n_records,
            "left_out": done.losses.to_json(),
            "n_files": done.n_files,
            "rank": config.rank,
            "limit": config.limit,
            "shard": None if config.shard is None else list(config.shard),
        }

    def _rank(self, writer: Writer) -> Writer:
        """Return a writer of the records that rank highest, where only those are wanted."""
        config = self._config
        if config.rank is None or config.limit is None:
            return writer
        labeller = self.load(())

        def explain(record: Record, prediction: Prediction) -> Prediction:
            if not config.explain:
                return prediction
            return replace(prediction, words=labeller.explain(join_text([record.text])))

        return RankingWriter(
            writer,
            config.rank,
            config.limit,
            threshold=labeller.threshold,
            min_confidence=config.min_confidence,
            complete=explain,
        )

    def _make_writer(
        self, output: PredictOutput, sink: IO[bytes], stream: Stream, columns: Sequence[str], names: Names
    ) -> Writer:
        terminal = self._terminal if is_stdout(output.path) else None
        if terminal and is_for_person(self._config) and not self._as_json:
            return terminal.make_writer(sink)
        if terminal:
            sink = terminal.protect(sink, as_json=self._as_json or output.format == "jsonl")
        if self._as_json and not output.is_in_folder:
            return DocumentWriter(sink, names, self._about)
        return make_writer(output.format, sink, stream, columns, names, escaped=self._config.escape_formulas)

    def _label(self, records: Iterator[Record], writer: Writer, sink: IO[bytes]) -> None:
        settled = settle(records, self._config.on_error, self.done.losses, self._context.observer)
        first = itertools.islice(settled, self._left)
        doubted = self._config.min_confidence if self._config.rank else 0.0
        self.done.tally.begin()
        for chunk in predict_stream(first, self.load(()), explain=self._config.explain and not self._config.rank):
            for record, prediction in chunk:
                writer.write(record, prediction)
            sink.flush()
            self.done.n_records += len(chunk)
            if self._left is not None:
                self._left -= len(chunk)
            self.done.tally.add(doubt(prediction, doubted) for _, prediction in chunk)
            self._meter.advance(len(chunk), chunk[-1][0])


def _admit(reading: Reading, format: str, names: Names, columns: Sequence[str]) -> Iterator[Record]:
    """Return records of which those that do not fit the output are broken."""
    has_one_schema = reading.stream.schema is not None and format in _UNIFORM  # its columns were compared with the output's
    if format == "text" or has_one_schema:
        return reading.records
    fixed = frozenset(columns) if format in _UNIFORM else None
    return (admit(record, names, fixed) for record in reading.records)
