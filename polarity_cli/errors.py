"""What can go wrong, and the exit code of each kind. The command line prints them; nothing else does."""

from __future__ import annotations


class PolarityError(Exception):
    """Something failed for a reason the user can act on.

    `hint` is the next step to take, printed on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(PolarityError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class DataError(PolarityError):
    """A file of reviews is wrong; the message names the file and, where there is one, the line."""

    exit_code = 2


class CheckpointError(PolarityError):
    """A folder is no encoder or checkpoint that this program can use."""

    exit_code = 2


class ExportError(PolarityError):
    """A model has no graph that answers as it does; the message says why, and torch can answer in the graph's place."""


class DivergedError(PolarityError):
    """Training came to values that are not finite; going on would bring them again."""


class InterruptedRunError(PolarityError):
    """A signal ended a training run; with `goes_on` the same command does not start over."""

    def __init__(self, number: int, *, kept: str, goes_on: bool) -> None:
        super().__init__(f"interrupted. {kept}.")
        self.exit_code = 128 + number
        self.goes_on = goes_on


class LostProcessError(PolarityError):
    """Another process of the same run is gone, and this one cannot go on without it.

    With `goes_on` the same command does not start over.
    """

    exit_code = 76
    """Of a process that is not to blame, see `distributed/launch`."""

    def __init__(self, message: str, *, goes_on: bool = False) -> None:
        super().__init__(message)
        self.goes_on = goes_on


class WorkerError(PolarityError):
    """A process that this one started failed; the message is empty where it has said so itself."""

    def __init__(self, message: str, *, exit_code: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class HubError(PolarityError):
    """The Hub cannot be reached, or does not have what was asked."""


class CacheError(PolarityError):
    """The cache directory cannot be read or written."""


def require(holds: bool, message: str, *, hint: str | None = None) -> None:
    """Raise UsageError unless something holds."""
    if not holds:
        raise UsageError(message, hint=hint)
