"""The program: its commands, and what becomes of errors."""

from __future__ import annotations

import errno
import importlib
import io
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from polarity_cli import __version__
from polarity_cli.cli.options import paragraphs
from polarity_cli.cli.parser import Command, Group
from polarity_cli.distributed.environment import is_follower
from polarity_cli.distributed.worker_exit import claim_failure, let_others_end, set_up_process
from polarity_cli.errors import InterruptedRunError, LostProcessError, PolarityError, UsageError
from polarity_cli.text import make_printable

_COMMANDS = ("prepare", "train", "evaluate", "predict", "cache")
_PROGRAM: dict[str, Any] = {
    "name": "polarity",
    "cls": Group,
    "help": "Fine-tune the last blocks of a BERT-like encoder for sentiment, and use it from the shell.",
    "epilog": paragraphs(
        """
        Examples:
          polarity train --sample
          polarity train reviews.csv --unfreeze 2
          polarity evaluate ./ckpt
          polarity predict "great product"
          cat reviews.txt | polarity predict | cut -f1 | sort | uniq -c
        """
    ),
    "no_args_is_help": True,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
_FAILED, _INTERRUPTED = 1, 130


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"polarity {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def make_app(args: Sequence[str] = ()) -> typer.Typer:
    """Return the program with the command that a line begins with; with all of them where it begins otherwise.

    Each command that is there costs some milliseconds, which a prediction is spared.
    """
    app = typer.Typer(**_PROGRAM)
    app.callback()(_options)
    for name in args[:1] if args and args[0] in _COMMANDS else _COMMANDS:
        module = importlib.import_module(f"polarity_cli.cli.{name}")
        if name == "cache":
            app.add_typer(module.app)
        else:
            app.command(name, cls=Command, epilog=module.EXAMPLES)(module.command)
    return app


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code: 0 done, 1 failed, 2 wrong use or data, 130 interrupted."""
    if sys.stdout is None or sys.stderr is None:
        return _FAILED  # closed: there is nobody to tell
    debug = "--debug" in args or os.environ.get("POLARITY_DEBUG", "0").lower() in ("1", "true", "yes", "on")
    try:
        if args[:1] in (["train"], ["evaluate"]):
            set_up_process()
        code = make_app(args)(list(args), prog_name="polarity", standalone_mode=False, obj=list(args))
        sys.stdout.flush()
        if code == _INTERRUPTED:
            print("polarity: interrupted.", file=sys.stderr)
        return code if isinstance(code, int) else 0
    except (BrokenPipeError, SystemExit) as error:
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        _close_quietly()
        return 0
    except typer.Abort:
        return _INTERRUPTED
    except typer.TyperException as error:
        if claim_failure(is_same_for_all=True):
            _show_usage_error(error)
        return 2
    except InterruptedRunError as error:
        _print_error(str(error), _say_again(args, goes_on=error.goes_on))
        return error.exit_code
    except PolarityError as error:
        if debug:
            raise
        if isinstance(error, LostProcessError):
            if not is_follower():
                _print_error(str(error), _say_again(args, goes_on=error.goes_on))
            let_others_end()
        elif str(error) and claim_failure(is_same_for_all=isinstance(error, UsageError)):
            _print_error(str(error), error.hint)
        return error.exit_code
    except OSError as error:
        if debug or error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        if claim_failure():
            _print_error(f"{where}{str(error.strerror).rstrip('.')}.", _advise(error.errno, args))
        return 1


def _say_again(args: Sequence[str], *, goes_on: bool) -> str:
    """Return the command line to type after a run that was cut off.

    It is the same, but for --fresh, which would start over where the run can go on.
    """
    end = args.index("--") if "--" in args else len(args)
    line = shlex.join(["polarity", *(arg for i, arg in enumerate(args) if arg != "--fresh" or i > end)])
    return f"{'Go on' if goes_on else 'Start again'} with: {line}"


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


def _advise(number: int, args: Sequence[str]) -> str | None:
    """Return what to do about an error of the system, by the options that the command has."""
    if number == errno.ENOENT and not _has_temporary_folder():
        return "Set TMPDIR to a folder that can be written: libraries put files there for a moment."
    advice = _MACHINE_ERRORS.get(number)
    options = f"--cache-dir{_OUTPUTS.get(args[0] if args else '', '')}"
    return advice and advice.format(options=options)


def _has_temporary_folder() -> bool:
    try:
        return bool(tempfile.gettempdir())
    except OSError:
        return False


def _show_usage_error(error: typer.TyperException) -> None:
    """Print what is wrong with the command line, with the command's usage, on standard error."""
    show = getattr(error, "show", None)
    if show is None:
        _print_error(str(error), None)
        return
    shown = io.StringIO()
    show(shown)
    print(make_printable(shown.getvalue()), end="", file=sys.stderr)  # it quotes what may come from a script


def _print_error(message: str, hint: str | None) -> None:
    print(make_printable(f"polarity: {message}"), file=sys.stderr)
    if hint:
        print(make_printable(hint), file=sys.stderr)


def _close_quietly() -> None:
    """Point standard output nowhere, so that the interpreter's last flush does not complain of the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
