"""From an exception to what is printed and the exit code, in one table. What is in no line of it is a bug with a traceback."""

from __future__ import annotations

import errno
import io
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from polarity_cli.distributed.environment import is_main_process
from polarity_cli.distributed.worker_exit import claim_failure, let_others_end
from polarity_cli.errors import InterruptedRunError, LostProcessError, PolarityError, UsageError
from polarity_cli.text import make_printable

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True)
class Ending:
    """What a command line that failed leaves behind."""

    code: int
    text: str = ""
    """Whole lines for standard error."""
    may_speak: Callable[[], bool] = lambda: True
    """Whether this process prints them, of several that fail together."""
    last: Callable[[], None] = lambda: None
    """What it does after that."""
    traces: bool = False
    """Whether --debug shows the traceback in place of all this."""


def find_ending(error: BaseException, line: Sequence[str]) -> Ending | None:
    """Return how a command line ends that raised an exception; None where that is a bug."""
    explain = next((explain for of, explain in _EXPLAIN.items() if isinstance(error, of)), None)
    return explain(error, line) if explain else None


def finish(ending: Ending) -> int:
    """Print what there is to say, and return the exit code."""
    if ending.text and ending.may_speak():
        print(ending.text, end="", file=sys.stderr)
    ending.last()
    return ending.code


def _explain_abort(error: typer.Abort, line: Sequence[str]) -> Ending:
    return Ending(INTERRUPTED)


def _explain_command_line(error: typer.TyperException, line: Sequence[str]) -> Ending:
    """Say what is wrong with the command line, with the command's usage."""
    show = getattr(error, "show", None)
    shown = io.StringIO()
    if show is not None:
        show(shown)
    text = make_printable(shown.getvalue()) if show else _format(str(error))  # it quotes what may come from a script
    return Ending(WRONG_USE, text, lambda: claim_failure(is_same_for_all=True))


def _explain_interruption(error: InterruptedRunError, line: Sequence[str]) -> Ending:
    return Ending(error.exit_code, _format(str(error), _say_again(line, goes_on=error.goes_on)))


def _explain_lost_process(error: LostProcessError, line: Sequence[str]) -> Ending:
    text = _format(str(error), _say_again(line, goes_on=error.goes_on))
    return Ending(error.exit_code, text, is_main_process, let_others_end, traces=True)


def _explain_failure(error: PolarityError, line: Sequence[str]) -> Ending:
    text = _format(str(error), error.hint) if str(error) else ""
    is_same_for_all = isinstance(error, UsageError)
    return Ending(error.exit_code, text, lambda: claim_failure(is_same_for_all=is_same_for_all), traces=True)


def _explain_machine(error: OSError, line: Sequence[str]) -> Ending | None:
    if error.errno is None:
        return None
    where = f"{error.filename}: " if error.filename else ""
    text = _format(f"{where}{str(error.strerror).rstrip('.')}.", _advise(error.errno, line))
    return Ending(FAILED, text, claim_failure, traces=True)


_EXPLAIN: dict[type[BaseException], Callable[[Any, Sequence[str]], Ending | None]] = {
    typer.Abort: _explain_abort,
    typer.TyperException: _explain_command_line,
    InterruptedRunError: _explain_interruption,
    LostProcessError: _explain_lost_process,
    PolarityError: _explain_failure,
    OSError: _explain_machine,
}
"""The first line that fits decides."""
EXPLAINED = tuple(_EXPLAIN)


def _format(message: str, hint: str | None = None) -> str:
    return "".join(f"{make_printable(text)}\n" for text in (f"polarity: {message}", hint) if text)


def _say_again(line: Sequence[str], *, goes_on: bool) -> str:
    """Return the command line to type after a run that was cut off.

    It is the same, but for --fresh, which would start over where the run can go on.
    """
    end = line.index("--") if "--" in line else len(line)
    again = shlex.join(["polarity", *(arg for i, arg in enumerate(line) if arg != "--fresh" or i > end)])
    return f"{'Go on' if goes_on else 'Start again'} with: {again}"


_OUTPUTS = {"train": " or --out", "evaluate": " or --errors", "predict": " or --output"}
"""How a command is told where else to write than in the cache."""
_MACHINE_ERRORS: dict[int, str] = {
    errno.EACCES: "Check its permissions; what is written goes to another folder with {options}.",
    errno.EDQUOT: "Free some of the quota, or choose another disk with {options}.",
    errno.EFBIG: "The file is larger than this process may write (ulimit -f).",
    errno.EIO: "The disk or the stream failed.",
    errno.ENOENT: "Something removed a file or folder that this run was using.",
    errno.ENOSPC: "Free some space, or choose another disk with {options}.",
    errno.EPERM: "Check its permissions; what is written goes to another folder with {options}.",
    errno.EROFS: "Choose a folder that can be written with {options}.",
}


def _advise(number: int, line: Sequence[str]) -> str | None:
    """Return what to do about an error of the system, by the options that the command has."""
    if number == errno.ENOENT and not _has_temporary_folder():
        return "Set TMPDIR to a folder that can be written: libraries put files there for a moment."
    advice = _MACHINE_ERRORS.get(number)
    options = f"--cache-dir{_OUTPUTS.get(line[0] if line else '', '')}"
    return advice and advice.format(options=options)


def _has_temporary_folder() -> bool:
    try:
        return bool(tempfile.gettempdir())
    except OSError:
        return False
