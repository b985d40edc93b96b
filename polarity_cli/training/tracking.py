"""The tracker of a run, through Accelerate: refused before any work, opened for the run, and where its files are. Used by `run`.

Files go to the cache's folder `tracking`. TensorBoard and Trackio keep files alone, so that they work with --offline too; a
tracker that was told of a server, or that has one by itself, may connect and is refused then.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.errors import UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator
    from accelerate.tracking import GeneralTracker

    from polarity_cli.records import Observer

PROJECT = "polarity"
"""What trackers call the runs of this program."""
_LOCAL = ("tensorboard", "trackio")
"""Trackers that make no connection by themselves."""
_SERVERS = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_WEBHOOK_URL")
"""Variables by which a user tells Trackio whom to send a run to."""


def check_tracker(name: str, *, offline: bool) -> None:
    """Refuse a tracker that Accelerate does not know, whose package is missing, or that may connect where `offline` forbids it.

    Raises:
        UsageError: as said.
    """
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    names = sorted(map(_get_name, LOGGER_TYPE_TO_CLASS))
    if name not in names:
        raise UsageError(f"--track {name}: choose one of {', '.join(names)}.")
    if offline:
        _check_offline(name)
    if name not in map(_get_name, get_available_trackers()):
        raise UsageError(f"--track {name}: its package is not installed.", hint=f"Install it: pip install {name}")


@contextmanager
def open_tracker(
    accelerator: Accelerator, name: str, folder: Path, settings: Mapping[str, Any], observer: Observer
) -> Iterator[None]:
    """Let a tracker log inside the block what `Accelerator.log` is given, and tell the observer where.

    Args:
        accelerator: made with this tracker.
        name: of a tracker that `check_tracker` passed.
        folder: where its files go, unless its own variable says otherwise.
        settings: of the run, in plain values.
        observer: hears where the files are.
    """
    if name == "trackio":
        os.environ.setdefault("TRACKIO_DIR", str(folder / name))  # read when it is imported
    # Trackio prints where it logs and when it ends; standard output is for the result.
    with redirect_stdout(io.StringIO()):
        accelerator.init_trackers(PROJECT, config=dict(settings), init_kwargs={"trackio": {"embed": False}})
    if accelerator.is_main_process and name in _LOCAL:
        observer.note(_describe_place(name, folder))
    try:
        yield
    finally:
        with redirect_stdout(io.StringIO()):
            for tracker in accelerator.trackers:
                _finish(tracker)


def _finish(tracker: GeneralTracker) -> None:
    """Let a tracker write what it still has. Trackio's own ending is told, else it ends the run again when the process does."""
    if tracker.name == "trackio" and "trackio" in sys.modules:  # it is imported in the main process alone
        sys.modules["trackio"].finish()
    else:
        tracker.finish()


def _check_offline(name: str) -> None:
    if name not in _LOCAL:
        raise UsageError(
            f"--track {name}: it may connect, and --offline makes no connection.", hint="Use tensorboard or trackio."
        )
    told = [variable for variable in _SERVERS if os.environ.get(variable)]
    if name == "trackio" and told:
        raise UsageError(
            f"--track trackio: {told[0]} has it connect, and --offline makes no connection.", hint=f"unset {' '.join(told)}"
        )


def _describe_place(name: str, folder: Path) -> str:
    """Return where a tracker's files are, and the line that shows them."""
    if name == "tensorboard":
        return f"Tracked in {folder / PROJECT}; look with: tensorboard --logdir {folder / PROJECT}"
    import trackio

    sent = [variable for variable in _SERVERS[:2] if os.environ.get(variable)]
    if sent:
        return f"Tracked where {sent[0]} says: {os.environ[sent[0]]}"
    place = trackio.utils.TRACKIO_DIR
    return f"Tracked in {place}; look with: TRACKIO_DIR={place} trackio show --project {PROJECT}"


def _get_name(tracker: object) -> str:
    """Return a tracker's name, which Accelerate gives as a string or as a member of an enumeration."""
    return str(getattr(tracker, "value", tracker))
