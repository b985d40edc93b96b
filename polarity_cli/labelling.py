"""From inputs to outputs with labels: opens each input, predicts its records and writes them. Used by the command `predict`.

Above `predict`, which knows records alone. What is lost on the way is counted, and said at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from polarity_cli.config import Context, PredictConfig
from polarity_cli.data.reading import Reading, read_texts
from polarity_cli.errors import DataError, UsageError
from polarity_cli.formats import FORMATS, find_format, is_readable, open_path
from polarity_cli.formats.class_folders import list_classes
from polarity_cli.formats.compression import split_suffix
from polarity_cli.formats.on_error import Losses, settle
from polarity_cli.formats.output_file import TABLES, check_extra, find_output_format, open_output
from polarity_cli.formats.record import Record, Stream
from polarity_cli.formats.results import Names, Writer, admit, name_results
from polarity_cli.predict import predict

if TYPE_CHECKING:
    from polarity_cli.inference.predictor import Predictor

MakeWriter = Callable[[str, IO[bytes], Stream, Sequence[str], Names], Writer]
"""From a format, where to write, the input, its columns and the names of the added ones to what writes the answers."""
_UNIFORM = (*TABLES, "parquet", "xlsx")
"""Formats whose records all have the same columns."""


@dataclass(frozen=True)
class Job:
    """Inputs whose answers go to one output, one after the other."""

    inputs: tuple[Callable[[], Stream], ...]
    output: Path | None
    format: str
    is_slow: bool = False
    """Whether an input may keep one waiting, so that the model is loaded before it is opened."""


@dataclass
class Labelled:
    """What was done."""

    losses: Losses = field(default_factory=Losses)
    n_records: int = 0
    inputs: list[str] = field(default_factory=list)


def plan_jobs(config: PredictConfig, context: Context) -> list[Job]:
    """Return the files that are read and where each is written.

    Raises:
        UsageError: there is no such file, or several inputs have no folder to go to.
    """
    paths = [path for name in config.inputs for path in _expand(name, context)]
    for path in paths:
        if not path.is_dir():
            check_extra(find_format(path, flag="--input", asked=config.input_format))

    def make_opener(path: Path) -> Callable[[], Stream]:
        return lambda: open_path(path, config.read, format=config.input_format)

    output = config.output
    to_folder = output is not None and str(output) != "-" and (output.is_dir() or (len(paths) > 1 and not output.suffix))
    if output is not None and not to_folder and not output.suffix and str(output) != "-" and not output.exists():
        _require_suffix(config)
    is_slow = any(not path.is_file() and not path.is_dir() for path in paths)
    if output is None or not to_folder:
        return [Job(tuple(map(make_opener, paths)), output, _find_format(config, paths[0]), is_slow)]
    outputs = [output / _name_output(path, config) for path in paths]
    twice = sorted({path.name for path in outputs if sum(path == other for other in outputs) > 1})
    if twice:
        raise UsageError(f"--output {output}: two inputs would be written to {twice[0]}.", hint="Label them one at a time.")
    output.mkdir(parents=True, exist_ok=True)
    return [
        Job((make_opener(path),), target, _find_format(config, path), is_slow)
        for path, target in zip(paths, outputs, strict=True)
    ]


def _require_suffix(config: PredictConfig) -> None:
    """Refuse an output that may be meant as a file or as a folder."""
    if not config.output_format:
        hint = "Name it, say, labelled.csv; or make the folder first."
        raise UsageError(f"--output {config.output}: no suffix that tells its format.", hint=hint)


def _find_format(config: PredictConfig, path: Path) -> str:
    own = "text" if path.is_dir() else find_format(path, flag="--input", asked=config.input_format)
    to_file = config.output is not None and not config.output.is_dir() and bool(config.output.suffix)
    return find_output_format(config.output if to_file else None, config.output_format, own)


def _name_output(path: Path, config: PredictConfig) -> str:
    """Return an input's name with the suffix of what is written."""
    suffix, compression = split_suffix(path) if path.is_file() else ("", "")
    own = "text" if path.is_dir() else find_format(path, flag="--input", asked=config.input_format)
    format = find_output_format(Path("x"), config.output_format or (own if FORMATS[own].is_written else "jsonl"), own)
    stem = path.name[: len(path.name) - len(suffix + compression)]
    keeps = suffix in FORMATS[format].suffixes and suffix not in (".neg", ".pos")
    return f"{stem}{suffix if keeps else FORMATS[format].suffixes[0]}{compression}"


def _expand(name: str, context: Context) -> list[Path]:
    """Return the files of a path, a glob or a folder.

    Raises:
        UsageError: there are none.
    """
    from polarity_cli.data.sources import expand, find_source

    paths = expand(name)
    if not paths:
        raise UsageError(f"--input {name}: no such file or folder.")
    (path, *_) = paths
    if len(paths) > 1 or not path.is_dir() or list_classes(path):
        return paths
    files = sorted(inner for inner in path.iterdir() if inner.is_file() and not inner.name.startswith((".", "_")))
    found = [file for file in files if is_readable(file)]
    if not found and any(inner.is_dir() for inner in path.iterdir()):
        source = find_source(name, rows=None, context=context)
        for said in source.notes:
            context.observer.note(said)
        return [file for paths in source.files.values() for file in paths]
    if not found:
        raise UsageError(f"--input {name}: no file of a known format in it.", hint="Name the files, with --input-format.")
    over = [file.name for file in files if not is_readable(file)]
    if over:
        shown = ", ".join(over[:10]) + (f" and {len(over) - 10:,} more" if len(over) > 10 else "")
        context.observer.note(f"{name}: passed over {shown}.")
    return found


def run_jobs(
    jobs: Iterable[Job],
    load: Callable[[Sequence[str]], Predictor],
    make_writer: MakeWriter,
    config: PredictConfig,
    context: Context,
    *,
    trained: Sequence[str] | None,
    about: dict[str, object],
) -> Labelled:
    """Predict every record of every job, in order, and write it with its answer.

    Args:
        jobs: what to read and where to write.
        load: gives the predictor, from some of the first texts where they can be had without waiting.
        make_writer: see `MakeWriter`.
        config: how.
        context: whom to tell.
        trained: the text columns that the checkpoint was trained on.
        about: takes what is known only when all is read: the records that were lost.

    Raises:
        DataError, UsageError: an input cannot be read, or an output not be written.
    """
    done = Labelled()
    predictor: Predictor | None = None
    for job in jobs:
        if job.is_slow and predictor is None:
            predictor = load(())
        with ExitStack() as stack:
            sink: IO[bytes] | None = None
            writer: Writer | None = None
            names, columns = Names(), list[str]()
            for open_input in job.inputs:
                stream = open_input()
                reading = read_texts(stream, asked=config.text, preferred=trained, stops_at_error=config.on_error == "fail")
                _say_how(reading, context)
                predictor = predictor or load(reading.first_texts)
                format = job.format
                own = reading.columns if stream.format != "text" or reading.columns else ["text"]
                if writer is None:
                    sink = stack.enter_context(open_output(job.output))
                    names, columns = name_results(own, config.prefix, explains=config.explain), own
                    writer = make_writer(format, sink, stream, columns, names)
                elif format in _UNIFORM and own != columns:
                    raise DataError(
                        f"{stream.name}: its columns are {', '.join(own[:8])}, not {', '.join(columns[:8])} as before.",
                        hint="Write each to a file of its own, --output FOLDER, or --format jsonl.",
                    )
                assert sink is not None
                records = _admit(reading, format, names, columns)
                _write(records, predictor, writer, sink, config, context, done)
                stream.close()  # not where it failed: a thread that waits for a pipe would keep it from closing
            about |= {"n_records": done.n_records, "left_out": done.losses.to_json()}
            if writer is not None:
                writer.finish()
    done.losses.report(context.observer, config.on_error)
    return done


def _say_how(reading: Reading, context: Context) -> None:
    if reading.columns or reading.stream.notes:
        context.observer.note(reading.describe())


def _admit(reading: Reading, format: str, names: Names, columns: Sequence[str]) -> Iterator[Record]:
    """Return records of which those that do not fit the output are broken."""
    if format == "text":
        return reading.records
    known = frozenset(columns) if format in _UNIFORM else None
    return (admit(record, names, known) for record in reading.records)


def _write(
    records: Iterator[Record],
    predictor: Predictor,
    writer: Writer,
    sink: IO[bytes],
    config: PredictConfig,
    context: Context,
    done: Labelled,
) -> None:
    settled = settle(records, config.on_error, done.losses, context.observer)
    for chunk in predict(settled, predictor, explain=config.explain):
        for record, prediction in chunk:
            writer.write(record, prediction)
        sink.flush()
        done.n_records += len(chunk)
