"""How command lines are parsed and `--help` is shown: lists add up, everything else is refused twice, and help has groups."""

from __future__ import annotations

from collections import Counter
from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption

from polarity_cli.errors import UsageError

_WIDEST = 30
"""Characters of a flag beside which its description still begins on the same line."""
_LAST_GROUP = "Run"
"""Where `--help` itself stands."""


class Command(TyperCommand):
    """A command that takes no option twice, of which the parser would take the last without a word; its help has groups."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse a command line.

        Raises:
            UsageError: an option that is no list is given twice. What environment variables say does not count.
        """
        if not ctx.resilient_parsing:  # not while a shell completes a line
            _, _, given = self.make_parser(ctx).parse_args(args=list(args))
            options = [option for option in given if isinstance(option, TyperOption)]
            if not any(option.is_eager for option in options):  # --help, which is to be had whatever else is there
                _refuse_twice(options)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and the options, a section for each group, in columns that all sections share."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None:
                is_argument = parameter.param_type_name == "argument"
                group = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or _LAST_GROUP
                name = row[0].partition(" <")[0] if is_argument else row[0]  # without Python's word for its type
                sections.setdefault(group, []).append((name, row[1]))
        width = min(_WIDEST, max(len(first) for rows in sections.values() for first, _ in rows))
        for group, rows in sections.items():
            with formatter.section(group):
                formatter.write_dl([(first.ljust(width), second) for first, second in rows], col_max=width)


class Group(TyperGroup):
    """Commands whose descriptions are shown whole."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the first sentence of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in commands if command and not command.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _refuse_twice(given: list[TyperOption]) -> None:
    for option, times in Counter(given).items():
        if times > 1 and not option.multiple and not option.count:
            names = [max(names, key=len) for names in (option.opts, option.secondary_opts) if names]
            raise UsageError(f"{'/'.join(names)} is given {'twice' if times == 2 else f'{times} times'}.", hint="Give it once.")
