"""From a config's fields and the table of flags to a command: its signature for Typer, and from what was typed its values.

A command says which config it fills and which flags it takes beside that; see `takes`.
"""

from __future__ import annotations

import inspect
import shlex
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from polarity_cli.cli.flag import Flag, name_flag
from polarity_cli.cli.flags import ARGUMENTS, FLAGS
from polarity_cli.make_config import PARTS


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a command line says beside the config of its verb."""

    line: tuple[str, ...] = ()
    """As it was typed, without the program's name."""
    texts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    sample: bool = False
    plan: bool = False
    processes: int | None = None
    yes: bool = False
    cache_dir: Path | None = None
    json: bool = False
    quiet: bool = False
    offline: bool = False
    debug: bool = False


def format_line(line: Sequence[str]) -> str:
    """Return a command line as it can be typed again; empty where it is not known."""
    return f"polarity {shlex.join(line)}" if line else ""


EVERYWHERE = ("cache_dir", "json", "quiet", "offline", "debug")
"""What every command takes."""


@dataclass(frozen=True)
class Setting:
    """A field of a config: its type and its default."""

    type: Any
    default: Any


def list_settings(config: type) -> dict[str, Setting]:
    """Return the fields of a config, and in place of those that are configs themselves theirs."""
    hints = typing.get_type_hints(config)
    settings: dict[str, Setting] = {}
    for part in fields(config):
        if part.name in PARTS:
            settings |= list_settings(PARTS[part.name])
        else:
            settings[part.name] = Setting(hints[part.name], None if part.default is MISSING else part.default)
    return settings


def takes(
    command: str, config: type | None = None, *, also: tuple[str, ...] = ()
) -> Callable[[Callable[[dict[str, Any], Call], int | None]], Callable[..., int | None]]:
    """Make a command of a function of what was typed: the config's values that were given, and the rest of the line.

    Args:
        command: its words.
        config: whose fields are its flags.
        also: fields of `Call` that are its flags too, beside those of every command.
    """
    settings = list_settings(config) if config else {}
    own = {name: setting for name, setting in list_settings(Call).items() if name in (*also, *EVERYWHERE)}
    flags = dict(list_flags(command, settings | own))

    def make(function: Callable[[dict[str, Any], Call], int | None]) -> Callable[..., int | None]:
        def run(context: typer.Context, **typed: Any) -> int | None:
            given = _read(typed, {name: flag for name, (_, flag) in flags.items()})
            for_call = {name: given.pop(name) for name in own if name in given}
            return function(given, Call(line=tuple(context.obj or ()), **for_call))

        parameters = [_make_parameter(name, flag, {**settings, **own}[name], group) for name, (group, flag) in flags.items()]
        first = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        run.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
        run.__doc__ = function.__doc__
        return run

    return make


def list_flags(command: str, settings: Mapping[str, Setting]) -> Iterator[tuple[str, tuple[str, Flag]]]:
    """Yield the fields that have a flag in a command, each with its group and its flag, in the order of the table."""
    for group, flags in {"Arguments": ARGUMENTS, **FLAGS}.items():
        for key, flag in flags.items():
            only, _, name = key.rpartition(".")
            is_other = only != command if only else f"{command}.{name}" in {**ARGUMENTS, **flags}
            if name in settings and not is_other:
                yield name, (group, flag)


def _read(typed: Mapping[str, Any], flags: Mapping[str, Flag]) -> dict[str, Any]:
    """Return what was given, as its fields want it.

    Raises:
        UsageError: a value cannot be read; see `values`.
    """
    given = {}
    for name, flag in flags.items():
        value = typed[name]
        if value is not None and not (flag.is_list and not value):
            given[name] = flag.parse(value, name_flag(name)) if flag.parse else value
    return given


def _make_parameter(name: str, flag: Flag, setting: Setting, group: str) -> inspect.Parameter:
    """Return a flag as Typer reads it from a signature."""
    is_switch = setting.type is bool and not flag.sides
    if flag.is_argument:
        about: Any = typer.Argument(metavar=flag.metavar, help=_describe(flag, setting), show_default=False)
    else:
        about = typer.Option(
            *(flag.names or (name_flag(name),)),
            metavar=flag.metavar,
            help=_describe(flag, setting),
            envvar=list(flag.envvar) or None,
            show_default=False,
            rich_help_panel=group,
        )
    read_as: Any = list[str] if flag.is_list else _simplify(setting.type, flag)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=False if is_switch else None,
        annotation=Annotated[bool if is_switch else read_as | None, about],
    )


def _simplify(hint: Any, flag: Flag) -> Any:
    """Return what Typer reads for a field of a type: a switch, a number or a path, or text, which the flag may parse."""
    own = [part for part in typing.get_args(hint) or (hint,) if part is not types.NoneType]
    is_read = own == [bool] or (flag.parse is None and own in ([int], [float], [Path]))
    return own[0] if is_read else str


def _describe(flag: Flag, setting: Setting) -> str:
    """Return what help says of a flag, with its default in brackets."""
    default = flag.default
    if default is None and flag.sides:
        first = flag.parse(True, "") if flag.parse else True
        default = flag.sides[0 if setting.default == first else 1].removeprefix("--")
    elif default is None and not isinstance(setting.default, bool | tuple | types.NoneType):
        default = str(setting.default)
    return " ".join(part for part in (flag.help, default and f"[default: {default}]") if part)


def paragraphs(text: str) -> str:
    """Return text for `--help` that keeps its line breaks."""
    return "\b\n" + textwrap.dedent(text).strip().replace("\n\n", "\n\n\b\n")
