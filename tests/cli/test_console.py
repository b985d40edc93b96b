"""What a person sees while nothing goes on: a countdown on a terminal, one line elsewhere."""

from __future__ import annotations

import io
import time

import pytest

from polarity_cli.cli.console import Console


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


REASON = "some/set: the Hub answered 503 (Service Unavailable)"


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "below a bar"])
def test_terminal_shows_the_seconds_that_are_left(monkeypatch: pytest.MonkeyPatch, inside: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")  # too narrow for the reason
    console = Console(quiet=False)
    started = time.monotonic()
    if inside:
        with console.track("Fetching", 3):
            console.countdown(REASON, 1.5)
    else:
        console.countdown(REASON, 1.5)
    assert 1.5 <= time.monotonic() - started < 3
    shown = terminal.getvalue()
    assert "Trying again in 2 s" in shown
    assert "Trying again in 1 s" in shown
    assert "(Service Unavailable)." in " ".join(shown.split())
    assert ("Fetching" in shown) is inside


@pytest.mark.parametrize("quiet", [False, True])
def test_without_a_terminal_a_pause_is_one_line(capsys: pytest.CaptureFixture[str], quiet: bool) -> None:
    Console(quiet=quiet).countdown(REASON, 0.01)
    assert capsys.readouterr().err == ("" if quiet else f"{REASON}; trying again in 0 s.\n")


def test_quiet_console_still_warns_and_a_silent_one_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    for console, expected in (
        (Console(quiet=False), "a note\na warning\n"),
        (Console(quiet=True), "a warning\n"),
        (Console(quiet=False, silent=True), ""),
    ):
        console.note("a note")
        console.warn("a warning")
        assert capsys.readouterr().err == expected
