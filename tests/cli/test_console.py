"""What a person sees while nothing goes on: a countdown on a terminal, one line elsewhere."""

from __future__ import annotations

import io
import re
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


def be_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make standard error a terminal of 100 columns. No fixture: pytest would take standard error back after it."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    return terminal


def test_bar_shows_its_unit_what_is_said_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = be_terminal(monkeypatch)
    with Console(quiet=False).track("Training", 8000, unit="reviews") as advance:
        advance(0, done=0.0)
        time.sleep(0.12)
        advance(1234, done=0.5, text="epoch 2 of 4, loss 0.312")
        time.sleep(0.25)
    shown = terminal.getvalue()
    assert re.search("Training .* 1,234/8,000 reviews epoch 2 of 4, loss 0.312 0:00:00 left", shown)


def test_bar_comes_once_it_is_known_how_much_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = be_terminal(monkeypatch)
    with Console(quiet=False).track("Labelling", unit="reviews") as advance:
        advance(7)
        time.sleep(0.25)
        assert "7 reviews" in terminal.getvalue()
        assert "left" not in terminal.getvalue()
        advance(1, done=0.25)
        time.sleep(0.25)
        assert "8 reviews" in terminal.getvalue()
        assert "-:--:-- left" in terminal.getvalue()


def test_task_within_a_task_is_a_line_below_it_and_what_is_said_stands_above(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = be_terminal(monkeypatch)
    console = Console(quiet=False)
    with console.track("Outer", 10) as advance:
        advance(3)
        with console.track("Inner"):
            time.sleep(0.25)
            console.note("A note.")
        time.sleep(0.15)
        console.warn("A warning.")
    shown = terminal.getvalue()
    assert re.search("Outer [^\n]* 3/10 [^\n]*\n[^\n]*Inner", shown)
    assert "Inner" not in shown.split("A warning.")[-1]
    assert shown.index("A note.") < shown.index("A warning.")
    console.note("Afterwards.")
    assert terminal.getvalue().endswith("Afterwards.\n")


def test_nobody_sees_a_bar_without_a_terminal_or_when_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = be_terminal(monkeypatch)
    assert Console(quiet=False).shows_progress
    for console in (Console(quiet=True), Console(quiet=False, silent=True)):
        assert not console.shows_progress
        with console.track("Training", 10, unit="reviews") as advance:
            advance(5, done=0.5, text="epoch 1 of 2")
    assert terminal.getvalue() == ""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert not Console(quiet=False).shows_progress


def test_task_and_its_text_do_not_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = be_terminal(monkeypatch)
    with Console(quiet=False).track("Reading \x1b]0;x\x07 [red]", 10) as advance:
        advance(1, text="\x1b[2J[bold]")
        time.sleep(0.15)
    assert "\x07" not in terminal.getvalue()
    assert "[red]" in terminal.getvalue()
    assert "\ufffd[2J[bold]" in terminal.getvalue()
