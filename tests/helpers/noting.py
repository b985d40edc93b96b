"""An observer that keeps what it is told."""

from __future__ import annotations

from polarity_cli.records import SilentObserver


class Noting(SilentObserver):
    """Keep notes and warnings, in the order in which they come."""

    def __init__(self) -> None:
        """Begin with none."""
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, message: str) -> None:
        """Keep a note."""
        self.notes.append(message)

    def warn(self, message: str) -> None:
        """Keep a warning."""
        self.warnings.append(message)
