"""How files are read where they do not tell it themselves. One of the configs; see `config`."""

from __future__ import annotations

from dataclasses import dataclass

from polarity_cli.errors import require


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How files are read where they do not tell it themselves; None finds it out."""

    delimiter: str | None = None
    """What stands between the cells of a delimited file."""
    header: bool | None = None
    """Whether a table's first row names its columns."""
    encoding: str | None = None
    sheet: str | None = None
    """The sheet of a workbook; None takes the first that holds anything."""

    def __post_init__(self) -> None:
        is_one = self.delimiter is None or (len(self.delimiter) == 1 and self.delimiter not in '"\r\n')
        require(is_one, f"--delimiter {self.delimiter}: expected one character, or comma, semicolon, tab or pipe.")
