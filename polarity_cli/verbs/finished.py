"""Which outputs of a folder are finished, so that the same command, run again, labels only what is left. Used by `predict`.

Beside the outputs, in a hidden folder, a small JSON file for each says what it was made from and with. Each is written by rename
after its output has its name, so that many processes may write to the same folder, and one that is killed loses its file alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from polarity_cli import __version__
from polarity_cli.cache.hashes import hash_files
from polarity_cli.cache.layout import fingerprint
from polarity_cli.cache.publish import read_json
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.config import PredictConfig
from polarity_cli.errors import CheckpointError, UsageError
from polarity_cli.formats.class_folders import list_classes
from polarity_cli.verbs.plan_output import PredictInput, PredictOutput

HIDDEN = ".polarity"
_NO_ANSWER = {"input", "output", "checkpoint", "precision", "shard", "limit", "rank", "format"}
"""Fields of the config that do not decide what an output of a folder holds, or are kept otherwise."""
_OF_MODEL = (".json", ".model", ".onnx", ".safetensors", ".txt")

Identity = dict[str, Any]


class Finished:
    """What is known of the outputs of a folder."""

    def __init__(self, folder: Path, settings: Identity) -> None:
        """Take the folder, and all that decides the answers beside the inputs and the precision."""
        self._folder, self._settings = folder, settings

    def settle_precision(self, precision: str | None = None) -> str | None:
        """Return the precision of all outputs made with these settings: the first one that a process gave; None without one.

        Left open, it is chosen by some of the texts, which would be others for each process and after an interruption.
        """
        place = self._folder / HIDDEN / f"answers-{fingerprint(self._settings)}.json"
        if precision is not None:
            work = _write(place.with_name(f".{place.name}.{secrets.token_hex(4)}"), {"precision": precision})
            try:
                with contextlib.suppress(FileExistsError):
                    os.link(work, place)
            except OSError:  # a file system without links: the last one wins
                work.replace(place)
            work.unlink(missing_ok=True)
        found = (read_json(place) or {}).get("precision")
        return found if isinstance(found, str) else precision

    def find_change(self, output: PredictOutput, precision: str) -> str | None:
        """Return why an output is to be made: in words, or empty where it was never made by us; None where it is finished."""
        record = read_json(self._place(output))
        if record is None:
            return ""
        assert output.path is not None
        there = _look(output.path)
        if there is None:
            return "was removed"
        if record.get("output") != there:
            return "was changed by another program"
        if record.get("input") != identify(output.inputs[0]):
            return "has another input"
        settings, own = record.get("settings"), self._describe(output, precision)
        if settings == own:
            return None
        before = settings if isinstance(settings, dict) else {}
        return f"was made with another {' and '.join(name for name in own if own[name] != before.get(name))}"

    def keep(self, output: PredictOutput, identity: Identity | None, precision: str) -> None:
        """Note that an output is finished, made from an input as it was when it was opened."""
        if identity is None or output.path is None:
            return
        with open(output.path, "rb") as file:
            os.fsync(file.fileno())  # the note must not outlive what it says
        place = self._place(output)
        note = {"output": _look(output.path), "input": identity, "settings": self._describe(output, precision)}
        work = _write(place.with_name(f".{place.name}.{secrets.token_hex(4)}"), note)
        work.replace(place)

    def _place(self, output: PredictOutput) -> Path:
        assert output.path is not None
        relative = output.path.relative_to(self._folder)
        return self._folder / HIDDEN / relative.with_name(f"{relative.name}.json")

    def _describe(self, output: PredictOutput, precision: str) -> Identity:
        return {**self._settings, "format": output.format, "precision": precision}


def open_finished(config: PredictConfig, checkpoint: Checkpoint, cache_dir: Path) -> Finished:
    """Return what is known of the outputs of the folder `config.output`.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    assert config.output is not None
    settings = {name: value for name, value in asdict(config).items() if name not in _NO_ANSWER}
    plain: Identity = json.loads(json.dumps(settings, default=str))
    read = plain.pop("read", {})
    return Finished(
        config.output, {"checkpoint": _identify_model(checkpoint, cache_dir), "version": __version__, **plain, **read}
    )


def identify(part: PredictInput) -> Identity | None:
    """Return where an input is and what tells that it changed: its size and when it was written; None for a pipe."""
    if part.path is None or not (part.is_file or part.is_folder):
        return None
    identity: Identity = {"path": os.path.realpath(part.path), "row_groups": list(part.row_groups) if part.row_groups else None}
    if part.is_folder:
        texts = [(label, text.name, _look(text)) for label, texts in list_classes(part.path).items() for text in texts]
        return {**identity, "texts": fingerprint(texts)}
    return {**identity, **(_look(part.path) or {})}


def _look(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _identify_model(checkpoint: Checkpoint, cache_dir: Path) -> str:
    folder = checkpoint.folder
    names: Sequence[str] = sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix in _OF_MODEL)
    notes = cache_dir / "seen" / f"folder--{fingerprint(str(folder.resolve()))}.json"
    try:
        return fingerprint(hash_files(folder, names, notes))
    except OSError as error:
        raise CheckpointError(f"{checkpoint.name}: cannot be read ({error.strerror}).") from error


def _write(path: Path, value: object) -> Path:
    """Write a value as JSON to a file of its own, and return it.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            json.dump(value, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"--output: {path.parent} cannot be written ({error.strerror}).") from error
    return path
