"""The files and folders that `predict` writes to: looked at, made, and kept apart from what it reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from polarity_cli.config import PredictConfig
from polarity_cli.errors import UsageError
from polarity_cli.verbs.plan_output import PredictOutput, Target, is_stdout


def look_at(output: Path | None) -> Target:
    """Return what stands where an output goes."""
    if output is None or is_stdout(output):
        return Target()
    return Target(exists=output.exists(), is_folder=output.is_dir(), is_file=output.is_file())


def check_apart(outputs: Sequence[PredictOutput]) -> None:
    """Refuse to write over a file that is read: what is left out of the answers would be lost.

    Raises:
        UsageError: an output is an input, by whatever name or link.
    """
    read = [part.path for output in outputs for part in output.inputs if part.path is not None and part.is_file]
    for path in [output.path for output in outputs if output.path is not None and not is_stdout(output.path)]:
        if path.is_file() and any(os.path.samefile(path, source) for source in read):
            raise UsageError(f"--output {path}: that is read here, and would be replaced.", hint="Name another file or folder.")


def make_folders(outputs: Sequence[PredictOutput], config: PredictConfig) -> None:
    """Make the folders of outputs that are named after their inputs.

    Raises:
        UsageError: one cannot be made.
    """
    for folder in sorted({output.path.parent for output in outputs if output.is_in_folder and output.path}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--output {config.output}: {folder} cannot be made ({error.strerror}).") from error
