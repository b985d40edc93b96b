"""Which checkpoint answers: the one asked for, by folder or Hub id, or where nobody asks the likeliest. `predict` and `evaluate`
begin here, and say which one it is."""

from __future__ import annotations

import os
from pathlib import Path

from polarity_cli.checkpoint.checkpoint import Checkpoint, find_newest
from polarity_cli.checkpoint.folder_check import is_own_graph, is_path
from polarity_cli.checkpoint.manifest import read_manifest
from polarity_cli.config import Context
from polarity_cli.errors import UsageError

VARIABLE = "POLARITY_CHECKPOINT"
_USUAL = Path("ckpt")
"""Where `train` publishes, unless it is told otherwise."""


def find_checkpoint(option: str | Path | None, context: Context) -> Checkpoint:
    """Return the checkpoint asked for, else that of `POLARITY_CHECKPOINT`, else `./ckpt`, else the newest in the cache.

    The observer is told which one it is.

    Raises:
        CheckpointError: there is none, or it is damaged.
        HubError: it is on the Hub, which is out of reach or has no such model.
        UsageError: its name is empty, or cannot be one.
    """
    name = os.environ.get(VARIABLE) or None if option is None else str(option)
    if name == "":
        raise UsageError("The checkpoint's name is empty.", hint="Leave it out, or name a folder or a Hub id.")
    if name is not None:
        checkpoint = _read_named(name, context)
    elif (_USUAL / "config.json").is_file():
        checkpoint = Checkpoint.open(_USUAL, f"./{_USUAL}")
    else:
        checkpoint = Checkpoint.open(find_newest(context.cache_dir, context.observer))
    context.observer.note(f"Model: {checkpoint.name}")
    return checkpoint


def _read_named(name: str, context: Context) -> Checkpoint:
    if is_path(name):
        return Checkpoint.open(Path(name), name)
    from polarity_cli.checkpoint.locate import fetch_model
    from polarity_cli.hub.files import fetch_files

    folder, revision = fetch_model(name, context)
    manifest = read_manifest(folder)
    graphs = sorted(path for path in manifest.files if is_own_graph(path)) if manifest else []
    if graphs:
        fetch_files(name, revision, graphs, repo_type="model", context=context, part="graphs")
    return Checkpoint.open(folder, name)
