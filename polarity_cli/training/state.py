"""The states of a run on disk, from which it is resumed. Written and read by `training/resume`.

    state-<step>-<serial>/tensors.safetensors    weights that train, the best ones so far, optimizer, random states
    state-<step>-<serial>/history.jsonl          a line for every step and epoch so far
    state-<step>-<serial>/manifest.json          where the run stands, which run it is, the SHA-256 of both files, and its own

A state is data, never code: safetensors and JSON, each checked before it is used.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from polarity_cli.cache.hashes import hash_file
from polarity_cli.cache.layout import MANIFEST, fingerprint
from polarity_cli.cache.publish import publish, read_json, write_json
from polarity_cli.errors import CacheError
from polarity_cli.records import EpochRecord, StepRecord

TENSORS, HISTORY = "tensors.safetensors", "history.jsonl"
_NAME = re.compile(r"state-(\d{9})-(\d{6})")
_ASIDE = "aside"
_N_KEPT = 2
"""States that are kept: where the newest is torn, the one before it is whole."""

Record = StepRecord | EpochRecord


@dataclass
class Progress:
    """How far a run is, and its best epoch so far."""

    step: int = 0
    """Optimizer steps taken."""
    epoch: int = 1
    """The epoch being run, counted from 1."""
    position: int = 0
    """Batches of that epoch that are done."""
    total_loss: float = 0.0
    """Of the epoch's reviews so far, in nats."""
    n_reviews: int = 0
    seconds: float = 0.0
    """That the epoch has taken, before it was interrupted too."""
    best_f1: float = -1.0
    best_log_loss: float = 0.0
    best_epoch: int = 0


@dataclass(frozen=True)
class SavedState:
    """A training state in plain values and tensors, as it is written and read."""

    progress: Progress
    history: list[Record]
    """A record of each step and epoch so far."""
    top: dict[str, Tensor]
    """The weights that train, by name."""
    best: dict[str, Tensor] | None
    """Those of the best epoch; None before there is one."""
    optimizer: dict[str, Any]
    """As torch gives it: `state` and `param_groups`."""
    random: dict[str, Tensor]
    """The states of torch's random generators."""


def write_state(folder: Path, state: SavedState, run: Mapping[str, Any]) -> None:
    """Write a state beside the earlier ones, in one step, and then remove all but the last two.

    Args:
        folder: the run's.
        state: to resume from.
        run: which run it is.

    Raises:
        OSError, SafetensorError: the disk is full, say.
        CacheError: the cache cannot be written.
    """
    serial = max((int(match[2]) for match in map(_match, find_states(folder)) if match), default=0) + 1
    target = folder / f"state-{state.progress.step:09d}-{serial:06d}"
    moments = _flatten_moments(state.optimizer["state"])
    parts = {"top": state.top, "best": state.best or {}, "optimizer": moments, "random": state.random}
    tensors = {f"{part}/{name}": t.detach().cpu().contiguous() for part, named in parts.items() for name, t in named.items()}
    with publish(target) as work:
        save_file(tensors, work / TENSORS)
        (work / HISTORY).write_text("".join(map(dump_record, state.history)), encoding="utf-8")
        hashes = {name: hash_file(work / name) for name in (TENSORS, HISTORY)}
        groups = list(state.optimizer["param_groups"])
        manifest = {"course": asdict(state.progress), "groups": groups, "run": run, "files": hashes}
        write_json(work / MANIFEST, {**manifest, "checksum": fingerprint(manifest)})
        for name in (TENSORS, HISTORY, MANIFEST):
            _flush(work / name)
    for old in find_states(folder)[_N_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    """Wait until a file is on the disk: a rename may outlive a power cut that its content does not."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _match(path: Path) -> re.Match[str] | None:
    return _NAME.fullmatch(path.name)


def find_states(folder: Path) -> list[Path]:
    """Return the states of a run, the newest first."""
    if not folder.is_dir():
        return []  # something removed it while the run was going on
    states = [(match, path) for path in folder.iterdir() if (match := _match(path)) and path.is_dir() and not path.is_symlink()]
    return [path for _, path in sorted(states, key=lambda pair: (int(pair[0][2]), int(pair[0][1])), reverse=True)]


def clear_states(folder: Path) -> None:
    """Remove the states of a run, and the one that was set aside."""
    for path in (*find_states(folder), folder / _ASIDE):
        shutil.rmtree(path, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a process left that was killed while it wrote; the run's lock must be held."""
    for path in folder.glob(".state-*"):
        shutil.rmtree(path, ignore_errors=True)


def set_state_aside(state: Path) -> None:
    """Rename a state that cannot be used, so that it is not looked at again; the one set aside before goes."""
    aside = state.parent / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    state.rename(aside)


def read_run(state: Path) -> dict[str, Any] | None:
    """Return which run a state belongs to; None where it does not say."""
    manifest = _read_manifest(state)
    return manifest["run"] if manifest is not None and isinstance(manifest.get("run"), dict) else None


def _read_manifest(state: Path) -> dict[str, Any] | None:
    """Return a state's manifest as it was written, or None."""
    manifest: dict[str, Any] | None = read_json(state / MANIFEST)
    if manifest is None or manifest.pop("checksum", None) != fingerprint(manifest):
        return None
    return manifest


def read_state(state: Path) -> SavedState | None:
    """Return a state, or None where it is torn, edited or not one.

    Raises:
        CacheError: the disk does not give it.
    """
    manifest = _read_manifest(state)
    try:
        if manifest is None or any(hash_file(state / name) != manifest["files"][name] for name in (TENSORS, HISTORY)):
            return None
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in load_file(state / TENSORS).items():
            part, _, name = key.partition("/")
            parts.setdefault(part, {})[name] = tensor
        lines = (state / HISTORY).read_text(encoding="utf-8").splitlines()
        progress = Progress(**manifest["course"])
        _check_types(progress)
        return SavedState(
            progress=progress,
            history=[_load_record(json.loads(line)) for line in lines],
            top=parts["top"],
            best=parts.get("best"),
            optimizer={"state": _unflatten_moments(parts.get("optimizer", {})), "param_groups": manifest["groups"]},
            random=parts["random"],
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CacheError(f"{state}: cannot be read ({error.strerror}).", hint="Try again, or start over with --fresh.") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, SafetensorError):
        return None


def _check_types(progress: Progress) -> None:
    """Raise TypeError where a value is of another type than the field, as JSON from elsewhere may hold."""
    for name, default in asdict(Progress()).items():
        value = getattr(progress, name)
        if not isinstance(value, type(default)) or isinstance(value, bool):
            raise TypeError(name)


def _flatten_moments(state: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return an optimizer's moments and step counts under the names `<parameter>/<moment>`."""
    return {f"{index}/{name}": value for index, moments in state.items() for name, value in moments.items()}


def _unflatten_moments(named: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in named.items():
        index, _, name = key.partition("/")
        moments.setdefault(int(index), {})[name] = tensor
    return moments


def dump_record(record: Record) -> str:
    """Return a record as a line of JSON."""
    return json.dumps({"kind": "step" if isinstance(record, StepRecord) else "epoch", **asdict(record)}) + "\n"


def _load_record(fields: dict[str, Any]) -> Record:
    return (StepRecord if fields.pop("kind") == "step" else EpochRecord)(**fields)
