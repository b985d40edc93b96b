"""What `predict` writes where, decided before anything is opened. It looks at no file: what is to be known is passed in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polarity_cli.config import PredictConfig
from polarity_cli.errors import UsageError
from polarity_cli.formats import FORMATS
from polarity_cli.formats.compression import split_suffix
from polarity_cli.formats.output_file import TABLES, choose_output_format

STDIN = "-"


@dataclass(frozen=True)
class PredictInput:
    """One input, and what is to be known of it."""

    path: Path | None = None
    """A file or a folder of classes; None for texts that are given, and for standard input."""
    format: str = "text"
    texts: tuple[str, ...] | None = None
    """Texts that are given; None where they are read."""
    is_file: bool = False
    is_folder: bool = False

    @property
    def is_slow(self) -> bool:
        """Whether it may keep one waiting, so that the model is loaded before it is opened."""
        return self.texts is None and not self.is_file and not self.is_folder


@dataclass(frozen=True)
class Target:
    """What stands already where `--output` points to."""

    exists: bool = False
    is_folder: bool = False
    is_file: bool = False

    @property
    def is_special(self) -> bool:
        """Whether it is no file whose suffix would tell a format: a folder, a FIFO, a device."""
        return self.is_folder or (self.exists and not self.is_file)


@dataclass(frozen=True)
class PredictOutput:
    """Inputs whose answers go to one place, one after the other."""

    inputs: tuple[PredictInput, ...]
    path: Path | None
    """None is standard output."""
    format: str


def plan_texts(texts: Sequence[str], *, input_format: str | None = None) -> list[PredictInput]:
    """Return the inputs for texts that were given, of which `-` stands for standard input.

    Raises:
        UsageError: `-` is there twice.
    """
    if texts.count(STDIN) > 1:
        raise UsageError("- stands for standard input, which can be read once.", hint="Give - once.")
    parts = itertools.groupby(texts, key=lambda text: text == STDIN)
    return [
        PredictInput(format=input_format or "text") if is_stdin else PredictInput(texts=tuple(group)) for is_stdin, group in parts
    ]


def plan_output(
    inputs: Sequence[PredictInput], config: PredictConfig, target: Target, *, as_json: bool = False, on_terminal: bool = False
) -> list[PredictOutput]:
    """Return what is written from which inputs, and in which format.

    Args:
        inputs: in order; files and folders, or texts and standard input.
        config: whose output, formats and options for them are checked.
        target: what stands where the output goes.
        as_json: whether all answers become one document.
        on_terminal: whether standard output is a terminal.

    Raises:
        UsageError: an output has no format or no name of its own, or options do not go together.
    """
    if inputs[0].path is None:
        own = next((part.format for part in inputs if part.texts is None), "text")
        format = choose_output_format(config.output, config.format, own, is_special=target.is_special)
        outputs = [PredictOutput(tuple(inputs), config.output, format)]
    else:
        outputs = _plan_files(inputs, config, target)
    _check(outputs, config, as_json=as_json, for_person=on_terminal and is_for_person(config))
    return outputs


def is_for_person(config: PredictConfig) -> bool:
    """Tell whether nothing says where answers go or how they look, so that a terminal gets lines to read."""
    return config.output is None and config.format is None


def _plan_files(inputs: Sequence[PredictInput], config: PredictConfig, target: Target) -> list[PredictOutput]:
    output = config.output
    is_named = output is not None and str(output) != STDIN
    if output is not None and is_named and (target.is_folder or (len(inputs) > 1 and not output.suffix)):
        paths = [output / _name_output(part, config) for part in inputs]
        twice = sorted({path.name for path in paths if paths.count(path) > 1})
        if twice:
            raise UsageError(f"--output {output}: two inputs would be written to {twice[0]}.", hint="Label them one at a time.")
        return [PredictOutput((part,), path, _follow_format(part, config)) for part, path in zip(inputs, paths, strict=True)]
    if output is not None and is_named and not output.suffix and not target.exists and not config.format:
        hint = "Name it, say, labelled.csv; or make the folder first."  # it may be meant as a file or as a folder
        raise UsageError(f"--output {output}: no suffix that tells its format.", hint=hint)
    return [PredictOutput(tuple(inputs), output, _find_format(inputs[0], config, target))]


def _find_format(part: PredictInput, config: PredictConfig, target: Target) -> str:
    to_file = config.output is not None and not target.is_folder and bool(config.output.suffix)
    path = config.output if to_file else None
    return choose_output_format(path, config.format, part.format, is_special=target.is_special)


def _follow_format(part: PredictInput, config: PredictConfig) -> str:
    """Return the format of an output in a folder: as asked for, else the input's, or JSON lines where that is only read."""
    return config.format or (part.format if FORMATS[part.format].is_written else "jsonl")


def _name_output(part: PredictInput, config: PredictConfig) -> str:
    """Return an input's name with the suffix of what is written."""
    assert part.path is not None
    suffix, compression = split_suffix(part.path) if part.is_file else ("", "")
    format = _follow_format(part, config)
    stem = part.path.name[: len(part.path.name) - len(suffix + compression)]
    keeps = suffix in FORMATS[format].suffixes and suffix not in (".neg", ".pos")
    return f"{stem}{suffix if keeps else FORMATS[format].suffixes[0]}{compression}"


def _check(outputs: Sequence[PredictOutput], config: PredictConfig, *, as_json: bool, for_person: bool) -> None:
    """Refuse options that do not go together."""
    if as_json and config.output is not None and str(config.output) != STDIN:
        raise UsageError("--json prints one document on standard output, and --output writes a file.", hint="Give one of them.")
    formats = {output.format for output in outputs}
    if config.explain and not (as_json or for_person or formats == {"jsonl"}):
        raise UsageError("--explain writes to a terminal or as JSON.", hint="Add --format jsonl or --json.")
    if config.escape_formulas and (as_json or for_person or not formats <= set(TABLES)):
        raise UsageError("--escape-formulas is for CSV and TSV.", hint="Add --format csv, or leave it out.")
