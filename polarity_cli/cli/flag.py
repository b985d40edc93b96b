"""What a flag is: how a field of a config is said on the command line. Listed in `cli/flags`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Flag:
    """How a field of a config is said on the command line."""

    help: str = ""
    metavar: str | None = None
    default: str | None = None
    """What help says where the field's default would say nothing, or the wrong thing."""
    parse: Callable[..., Any] | None = None
    """From what is typed, and the flag's name, to the field's value; None takes the field's own type."""
    names: tuple[str, ...] = ()
    """What is typed, where that is more than the field's name with dashes."""
    is_list: bool = False
    """Whether it may be given several times, or is several arguments."""
    is_argument: bool = False
    envvar: tuple[str, ...] = ()

    @property
    def sides(self) -> list[str]:
        """The names of a switch that can be said both ways, that of True first; none of another flag."""
        return self.names[0].split("/") if self.names and "/" in self.names[0] else []


def name_flag(name: str) -> str:
    """Return the flag that fills a field."""
    return f"--{name.replace('_', '-')}"
