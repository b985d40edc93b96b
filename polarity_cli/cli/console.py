"""What a person sees while a verb works: notes, and progress bars with the time left, on standard error."""

from __future__ import annotations

import json
import math
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from polarity_cli.api.context import settle_process
from polarity_cli.cli.options import Call
from polarity_cli.context import Context, find_cache_dir
from polarity_cli.records import Advance, ignore_progress
from polarity_cli.text import clean_text, escape_unprintable, make_printable


class Console:
    """Show notes and progress on standard error, bars on a terminal alone; when quiet, warnings alone."""

    def __init__(self, *, quiet: bool, silent: bool = False) -> None:
        """Show what a person wants to see; `silent` shows nothing at all, in a process that another speaks for."""
        self._quiet, self._silent = quiet or silent, silent
        self._bars: Any = None

    def note(self, message: str) -> None:
        """Print a sentence, unless quiet."""
        if not self._quiet:
            self.warn(message)

    def warn(self, message: str) -> None:
        """Print a sentence."""
        if self._silent:
            return
        message = make_printable(message)
        if self._bars is not None:
            self._bars.console.print(message, markup=False, highlight=False)
        else:
            print(message, file=sys.stderr, flush=True)

    @property
    def shows_progress(self) -> bool:
        """Whether anybody sees a bar."""
        return not self._quiet and sys.stderr.isatty()

    @contextmanager
    def track(self, task: str, total: int | None = None, *, unit: str = "") -> Iterator[Advance]:
        """Show a bar (or, as long as nothing says how much there is to do, a spinner) while the block runs."""
        if not self.shows_progress:
            yield ignore_progress
            return
        from polarity_cli.cli.bars import Bar, make_bars

        outer = self._bars
        with make_bars() if outer is None else nullcontext(outer) as self._bars:
            bar = Bar(self._bars, task, total, unit)
            try:
                yield bar
            finally:
                self._bars.remove_task(bar.task)
                self._bars = outer

    def countdown(self, reason: str, seconds: float) -> None:
        """Print why nothing goes on and wait so many seconds; on a terminal, count them below what is printed."""
        if not self.shows_progress:
            self.note(f"{reason}; trying again in {seconds:.0f} s.")
            time.sleep(seconds)
            return
        self.note(f"{reason}.")
        ends = time.monotonic() + seconds
        with self.track(""):
            number = self._bars.task_ids[-1]
            while (left := ends - time.monotonic()) > 0:
                self._bars.update(number, description=f"Trying again in {math.ceil(left)} s")
                time.sleep(min(left, 0.2))


def make_context(call: Call, *, silent: bool = False) -> Context:
    """Return where a command works and who shows its progress; offline, no library of this process makes a connection.

    With `silent` nobody is told anything: another process speaks for this one.
    """
    console = Console(quiet=call.quiet, silent=silent)
    return settle_process(Context(cache_dir=call.cache_dir or find_cache_dir(), offline=call.offline, observer=console))


def print_json(value: object) -> None:
    """Print one JSON document; on a terminal, what would steer it is escaped."""
    text = clean_text(json.dumps(value, indent=2, ensure_ascii=False))
    print(escape_unprintable(text) if sys.stdout.isatty() else text)


def print_pairs(pairs: dict[str, str], *, width: int | None = None) -> None:
    """Print names and values in two columns; with a `width`, lines of so many columns, but for words that are longer."""
    indent = max(map(len, pairs)) + 2
    for name, value in pairs.items():
        text = f"{name:<{indent}}{make_printable(value, keep='')}"
        if width is not None:
            text = textwrap.fill(
                text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
            )
        print(text)


def format_metrics(metrics: dict[str, float | None]) -> dict[str, str]:
    """Return metrics as text: fractions to four decimals, counts whole, `-` where one is not defined."""
    return {name: "-" if v is None else f"{v:,}" if isinstance(v, int) else f"{v:.4f}" for name, v in metrics.items()}
