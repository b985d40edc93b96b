"""A run's state on disk: what the loop carries from step to step, without the trunk. Written by `training/keeper`.

    state-<step>/tensors.safetensors    weights that train, the best ones so far, optimizer, random states
    state-<step>/manifest.json          where the run stands, which run it is, and the tensors' SHA-256
    history.jsonl                       a line for every step and epoch so far

A state is data, never code: safetensors and JSON, each checked before it is used.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from polarity_cli.cache import MANIFEST, hash_file, publish, read_json, write_json
from polarity_cli.records import EpochRecord, StepRecord

TENSORS, HISTORY = "tensors.safetensors", "history.jsonl"
_N_KEPT = 2
"""States that are kept: where the newest is torn, the one before it is whole."""

Record = StepRecord | EpochRecord


@dataclass
class Course:
    """Where a run stands."""

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
    """That the epoch has taken before it was interrupted."""
    best_f1: float = -1.0
    best_log_loss: float = 0.0
    best_epoch: int = 0

    @property
    def best(self) -> tuple[float, float]:
        """The best epoch's rank so far."""
        return self.best_f1, -self.best_log_loss


@dataclass(frozen=True)
class State:
    """A state that was read back."""

    course: Course
    history: list[Record]
    top: dict[str, Tensor]
    best: dict[str, Tensor] | None
    optimizer: dict[str, Any]
    random: dict[str, Tensor]


def write_state(
    folder: Path,
    course: Course,
    tensors: Mapping[str, Mapping[str, Tensor]],
    groups: Sequence[Mapping[str, Any]],
    *,
    n_records: int,
    run: Mapping[str, Any],
) -> None:
    """Write a state beside the earlier ones, in one step, and remove all but the last two.

    Args:
        folder: the run's.
        course: where the run stands.
        tensors: by kind (`top`, `best`, `optimizer`, `random`) and name.
        groups: the optimizer's parameter groups.
        n_records: lines of the history that belong to it.
        run: which run it is, see `describe_run`.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
        CacheError: the cache cannot be written.
    """
    target = folder / f"state-{course.step:09d}"
    shutil.rmtree(target, ignore_errors=True)
    with publish(target) as work:
        flat = {f"{kind}/{name}": t.detach().cpu().contiguous() for kind, part in tensors.items() for name, t in part.items()}
        save_file(flat, work / TENSORS)
        manifest = {
            "course": asdict(course),
            "groups": list(groups),
            "n_records": n_records,
            "run": run,
            "sha256": hash_file(work / TENSORS),
        }
        write_json(work / MANIFEST, manifest)
        for name in (TENSORS, MANIFEST):
            flush(work / name)
    for old in sorted(folder.glob("state-*"))[:-_N_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def flush(path: Path) -> None:
    """Wait until a file is on the disk: a rename may outlive a power cut that its content does not."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def find_states(folder: Path) -> list[Path]:
    """Return the states of a run, the newest first."""
    return sorted(folder.glob("state-*"), reverse=True)


def read_run(state: Path) -> dict[str, Any] | None:
    """Return which run a state belongs to; None where it is torn."""
    manifest: dict[str, Any] | None = read_json(state / MANIFEST)
    return manifest["run"] if manifest is not None and isinstance(manifest.get("run"), dict) else None


def read_state(state: Path) -> State | None:
    """Return a state, or None where it is torn, edited or not one."""
    manifest: dict[str, Any] | None = read_json(state / MANIFEST)
    try:
        if manifest is None or hash_file(state / TENSORS) != manifest["sha256"]:
            return None
        tensors = load_file(state / TENSORS)
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            kind, _, name = key.partition("/")
            parts.setdefault(kind, {})[name] = tensor
        moments: dict[int, dict[str, Tensor]] = {}
        for key, tensor in parts.get("optimizer", {}).items():
            index, _, name = key.partition("/")
            moments.setdefault(int(index), {})[name] = tensor
        return State(
            course=Course(**manifest["course"]),
            history=_read_history(state.parent / HISTORY, manifest["n_records"]),
            top=parts["top"],
            best=parts.get("best"),
            optimizer={"state": moments, "param_groups": manifest["groups"]},
            random=parts["random"],
        )
    except (OSError, KeyError, TypeError, ValueError, SafetensorError):
        return None


def append_history(path: Path, records: Sequence[Record]) -> None:
    """Add records to a history and wait until they are on the disk."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(dump_record(record) for record in records)
    flush(path)


def replace_history(path: Path, records: Sequence[Record]) -> None:
    """Write a history anew, in one step."""
    work = path.with_name(f".{path.name}")
    work.unlink(missing_ok=True)
    append_history(work, records)
    work.replace(path)


def dump_record(record: Record) -> str:
    """Return a record as a line of JSON."""
    return json.dumps({"kind": "step" if isinstance(record, StepRecord) else "epoch", **asdict(record)}) + "\n"


def _read_history(path: Path, n_records: int) -> list[Record]:
    """Return the first records of a history.

    Raises:
        ValueError: there are fewer.
    """
    lines = path.read_text(encoding="utf-8").splitlines()[:n_records] if n_records else []
    if len(lines) < n_records:
        raise ValueError("the history is shorter than the run")
    records = [json.loads(line) for line in lines]
    return [(StepRecord if fields.pop("kind") == "step" else EpochRecord)(**fields) for fields in records]


def get_random_states() -> dict[str, Tensor]:
    """Return the states of torch's random generators, of the processor and of each GPU."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def set_random_states(states: Mapping[str, Tensor]) -> None:
    """Put back what `get_random_states` gave."""
    torch.set_rng_state(states["cpu"])
    on_gpus = [states[name] for name in sorted(states) if name.startswith("cuda")]
    if on_gpus and torch.cuda.device_count() == len(on_gpus):
        torch.cuda.set_rng_state_all(on_gpus)
