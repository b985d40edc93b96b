"""Get an entry of a cache in a process of its own, for `cache/test_entries`. Imports nothing heavy, so that many start together.

    python -m tests.helpers.making CACHE LOG SECONDS

Whoever makes the entry adds a line with its process id to LOG and takes so many seconds; notes go to standard error, and the
entry's only file to standard output.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from polarity_cli.cache.entries import Entry, Place
from polarity_cli.cache.new_entry import NewEntry, open_or_begin
from polarity_cli.records import SilentObserver

KEY = {"what": "a poem"}
CONTENT = "Full fathom five thy father lies\n" * 1000


class Noting(SilentObserver):
    """Print notes."""

    def note(self, message: str) -> None:
        """Print."""
        print(message, file=sys.stderr, flush=True)


def place(cache: Path) -> Place:
    """Return where the entry is."""
    return Place(cache, "data", "0123456789abcdef")


def write(work: Path) -> dict[str, object]:
    """Write the entry's file."""
    (work / "poem.txt").write_text(CONTENT)
    return {"author": "Shakespeare"}


def main() -> None:
    """Get the entry."""
    cache, log, seconds = sys.argv[1:]

    entry: Entry | NewEntry = open_or_begin(place(Path(cache)), KEY, Noting())
    if isinstance(entry, NewEntry):
        with entry:
            about = write(entry.folder)
            with Path(log).open("a") as lines:
                lines.write(f"{os.getpid()}\n")
            time.sleep(float(seconds))
            entry = entry.commit(about)
    print((entry.folder / "poem.txt").read_text(), end="")


if __name__ == "__main__":
    main()
