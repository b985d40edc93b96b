"""The errors that a user can act on, with their exit codes. Raised everywhere; printed by `cli/` alone."""

from __future__ import annotations

from collections.abc import Callable


class PolarityError(Exception):
    """Something failed for a reason the user can act on.

    `hint` is the next step to take, printed on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint is not None:
            self.add_note(hint)  # which a traceback shows, to those who use the library

    def __reduce__(self) -> tuple[Callable[..., PolarityError], tuple[object, ...]]:
        """Return what makes it again in another process, whatever its own arguments are."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(of: type[PolarityError], args: tuple[object, ...], state: dict[str, object]) -> PolarityError:
    error = of.__new__(of, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(PolarityError):
    """An option or argument has a value that cannot be used."""

    exit_code = 2


class DataError(PolarityError):
    """A file of reviews is wrong; the message names the file and, where there is one, the line."""

    exit_code = 2


class CheckpointError(PolarityError):
    """A folder is not an encoder or checkpoint that this program can use."""

    exit_code = 2


class ExportError(PolarityError):
    """A model cannot be exported to a graph with the same predictions; torch can still predict with it."""


class DivergedError(PolarityError):
    """Training reached values that are infinite or NaN; going on from the same state would repeat that."""


class RequirementError(PolarityError):
    """A checkpoint is not as good as was required, and is not published."""


class InterruptedRunError(PolarityError):
    """A signal ended a training run; with `goes_on` the same command resumes it.

    `kept` says in a sentence what was saved.
    """

    def __init__(self, number: int, *, kept: str, goes_on: bool) -> None:
        super().__init__(f"interrupted. {kept}.")
        self.exit_code = 128 + number
        self.goes_on = goes_on


class LostProcessError(PolarityError):
    """Another process of the same run has ended, and this one cannot go on without it.

    With `goes_on` the same command resumes the run.
    """

    exit_code = 76
    """Tells `distributed/launch` that this process is not the one that failed first."""

    def __init__(self, message: str, *, goes_on: bool = False) -> None:
        super().__init__(message)
        self.goes_on = goes_on


class WorkerError(PolarityError):
    """A process that this one started failed; the message is empty where that process printed its own."""

    def __init__(self, message: str, *, exit_code: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class HubError(PolarityError):
    """The Hub cannot be reached, or lacks a repository or file."""


class CacheError(PolarityError):
    """The cache directory cannot be read or written."""


def require(condition: bool, message: str, *, hint: str | None = None) -> None:
    """Raise UsageError unless a condition is true."""
    if not condition:
        raise UsageError(message, hint=hint)
