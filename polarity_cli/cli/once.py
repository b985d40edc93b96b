"""What a command does with an option that is given twice: lists add up, everything else is refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

from typer.core import TyperCommand, TyperOption

from polarity_cli.errors import UsageError


class Command(TyperCommand):
    """A command that takes no option twice, of which the parser would take the last without a word."""

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


def _refuse_twice(given: list[TyperOption]) -> None:
    for option, times in Counter(given).items():
        if times > 1 and not option.multiple and not option.count:
            names = [max(names, key=len) for names in (option.opts, option.secondary_opts) if names]
            raise UsageError(f"{'/'.join(names)} is given {'twice' if times == 2 else f'{times} times'}.", hint="Give it once.")
