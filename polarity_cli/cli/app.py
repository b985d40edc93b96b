"""The program: its commands, and how a command line runs and ends."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from polarity_cli import __version__
from polarity_cli.cli.errors import EXPLAINED, FAILED, INTERRUPTED, find_ending, finish
from polarity_cli.cli.options import paragraphs
from polarity_cli.cli.parser import Command, Group
from polarity_cli.distributed.worker_exit import set_up_process

_COMMANDS = ("prepare", "train", "evaluate", "predict", "export", "cache")
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


def _print_version(is_given: bool) -> None:
    if is_given:
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
        return FAILED  # closed: there is nobody to tell
    debug = "--debug" in args or os.environ.get("POLARITY_DEBUG", "0").lower() in ("1", "true", "yes", "on")
    try:
        return _run(args)
    except (BrokenPipeError, SystemExit) as error:
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        _close_quietly()
        return 0
    except EXPLAINED as error:
        ending = find_ending(error, args)
        if ending is None or (debug and ending.traces):
            raise
        return finish(ending)


def _run(args: Sequence[str]) -> int:
    if args[:1] in (["train"], ["evaluate"]):
        set_up_process()
    code = make_app(args)(list(args), prog_name="polarity", standalone_mode=False, obj=list(args))
    sys.stdout.flush()
    if code == INTERRUPTED:
        print("polarity: interrupted.", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _close_quietly() -> None:
    """Point standard output nowhere, so that the interpreter's last flush does not complain of the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
