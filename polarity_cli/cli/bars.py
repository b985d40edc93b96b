"""Progress bars on a terminal: a share of the work, what was done in its own unit, and a time left that does not jump.

Imports rich, which takes a tenth of a second, so `cli/console` imports this module when a bar is shown.
"""

from __future__ import annotations

from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from polarity_cli.cli.pace import Pace
from polarity_cli.text import make_printable


def make_bars() -> Progress:
    """Return what shows tasks on standard error, a line each, and takes them away when it ends."""
    words = (TextColumn(f"{{task.{name}}}", markup=False) for name in ("description", "fields[count]", "fields[text]"))
    description, count, text = words
    return Progress(description, _Shape(), count, text, _Clock(), console=Console(stderr=True), transient=True)


class Bar:
    """One task's line, which the task calls as it goes on: `records.Advance`."""

    def __init__(self, bars: Progress, task: str, total: int | None, unit: str) -> None:
        """Add a line to `bars`: a bar where it is known how much there is to do, else a spinner."""
        self._bars, self._total, self._unit, self._n, self._pace = bars, total, unit, 0, Pace()
        count = self._describe() if total or unit else ""
        self.task: TaskID = bars.add_task(
            make_printable(task, keep=""), total=1.0 if total else None, count=count, text="", pace=self._pace
        )

    def __call__(self, n: int, /, *, done: float | None = None, text: str = "") -> None:
        """Go on by so many units; `done` is the share of all work where units are unlike each other."""
        self._n += n
        if done is None and self._total:
            done = self._n / self._total
        if done is not None:
            self._pace.note(done)
            self._bars.update(self.task, total=1.0, completed=min(1.0, done))
        count = self._describe() if self._total or self._unit else ""
        self._bars.update(self.task, count=count, text=make_printable(text, keep=""))

    def _describe(self) -> str:
        of = f"/{self._total:,}" if self._total else ""
        return f"{self._n:,}{of} {self._unit}".rstrip()


class _Shape(ProgressColumn):
    """A bar, or a spinner where it is not known how much there is to do."""

    def __init__(self) -> None:
        super().__init__()
        self._bar, self._spinner = BarColumn(), SpinnerColumn()

    def render(self, task: Task) -> object:  # type: ignore[override]  # both are renderables, which have no type in common
        return (self._spinner if task.total is None else self._bar).render(task)


class _Clock(ProgressColumn):
    """The time left, or the time passed where it is not known how much there is to do."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(str(timedelta(seconds=int(task.elapsed or 0))), style="progress.elapsed")
        left = task.fields["pace"].find_left()
        shown = "-:--:--" if left is None else str(timedelta(seconds=round(left)))
        return Text(f"{shown} left", style="progress.remaining")
