"""What `predict` writes where, decided before anything is opened. It looks at no file: what is to be known is passed in."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
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
    relative: Path | None = None
    """Where its answers go below an output folder, before they get a suffix; None takes its name."""
    is_listed: bool = False
    """Whether it was found in a folder or by a pattern."""
    row_groups: tuple[int, int] | None = None
    """The row groups of a Parquet file that are read, from the first up to before the second; None reads all."""

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
    is_in_folder: bool = False
    """Whether it is one of many, named after its input."""


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
    has_folder_name = output is not None and not output.suffix and not target.exists
    # A folder, a pattern and one process of many mean a folder, also where they find a single file this time.
    is_many = len(inputs) > 1 or (config.limit is None and (inputs[0].is_listed or config.shard is not None))
    if output is not None and is_named and (target.is_folder or (is_many and has_folder_name)):
        return [
            PredictOutput((part,), output / name, _follow_format(part, config), is_in_folder=True)
            for part, name in zip(inputs, _name_outputs(inputs, config, output), strict=True)
        ]
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


def _name_outputs(inputs: Sequence[PredictInput], config: PredictConfig, output: Path) -> list[Path]:
    """Return where each input's answers go below the output folder, as the inputs lie below the folders that were named.

    Where two would be the same, they all go by their places below the folder that holds all inputs.

    Raises:
        UsageError: two are the same even so.
    """
    names = [_name_output(part, config, part.relative or Path(part.path.name)) for part in inputs if part.path is not None]
    if len(set(names)) == len(names):
        return names
    absolute = [Path(os.path.abspath(part.path)) for part in inputs if part.path is not None]
    shared = os.path.commonpath([path.parent for path in absolute])
    names = [_name_output(part, config, path.relative_to(shared)) for part, path in zip(inputs, absolute, strict=True)]
    twice = sorted(str(name) for name, n_times in Counter(names).items() if n_times > 1)
    if twice:
        raise UsageError(f"--output {output}: two inputs would be written to {twice[0]}.", hint="Label them one at a time.")
    return names


def _name_output(part: PredictInput, config: PredictConfig, relative: Path) -> Path:
    """Return an input's place with the suffix of what is written."""
    suffix, compression = split_suffix(relative) if part.is_file else ("", "")
    format = _follow_format(part, config)
    stem = relative.name[: len(relative.name) - len(suffix + compression)]
    keeps = suffix in FORMATS[format].suffixes and suffix not in (".neg", ".pos")
    return relative.with_name(f"{stem}{suffix if keeps else FORMATS[format].suffixes[0]}{compression}")


def _check(outputs: Sequence[PredictOutput], config: PredictConfig, *, as_json: bool, for_person: bool) -> None:
    """Refuse options that do not go together."""
    is_document = as_json and not outputs[0].is_in_folder  # of a folder, --json prints what became of its files
    if is_document and not is_stdout(config.output):
        raise UsageError("--json prints one document on standard output, and --output writes a file.", hint="Give one of them.")
    _check_selection(outputs, config)
    formats = {output.format for output in outputs}
    if config.explain and not (is_document or for_person or formats == {"jsonl"}):
        raise UsageError("--explain writes to a terminal or as JSON.", hint="Add --format jsonl or --json.")
    if config.escape_formulas and (is_document or for_person or not formats <= set(TABLES)):
        raise UsageError("--escape-formulas is for CSV and TSV.", hint="Add --format csv, or leave it out.")


def _check_selection(outputs: Sequence[PredictOutput], config: PredictConfig) -> None:
    """Refuse what cannot be right where some of the records are written, or one of many processes writes."""
    where = f"--output {config.output}"
    if config.limit is not None and outputs[0].is_in_folder:
        flag = f"--rank {config.rank}" if config.rank else f"--limit {config.limit}"
        raise UsageError(f"{where}: it is a folder, and {flag} gives one list of all inputs.", hint="Name a file: labelled.csv.")
    if config.shard is None:
        return
    k, n = config.shard
    if outputs[0].inputs[0].path is None:
        problem = "texts and standard input cannot be divided"
        raise UsageError(f"--shard {k}/{n}: {problem}.", hint="Name files that all processes can read, with --input.")
    if config.limit is not None and config.rank is None:
        problem = "the first records of all inputs are one process's work"
        raise UsageError(f"--shard {k}/{n}: {problem}.", hint="Leave out --shard, or --limit.")
    is_own = outputs[0].is_in_folder or is_stdout(config.output)
    if not is_own and n > 1 and k not in map(int, re.findall("[0-9]+", outputs[0].path.name if outputs[0].path else "")):
        raise UsageError(
            f"{where}: each of {n} processes would write it anew.",
            hint=f"Name a folder, or put the number of the shard into the name: labelled-{k}.jsonl.",
        )


def is_stdout(path: Path | None) -> bool:
    """Tell whether an output is standard output."""
    return path is None or str(path) == STDIN
