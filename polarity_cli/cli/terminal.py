"""Predictions on a terminal, which no text may steer. Beside `formats/results`, whose formats a pipe gets unchanged."""

from __future__ import annotations

import io
from typing import IO, cast

from polarity_cli.formats.decoding import emit
from polarity_cli.formats.record import Record
from polarity_cli.records import Prediction
from polarity_cli.text import escape_unprintable, make_printable

_COLOURS = {"negative": 31, "positive": 32, "uncertain": 33}
_FAINT, _LOUD = 0.1, 0.5
"""Shares of the strongest word's weight from which on a word is coloured, and bold."""
_N_STRONGEST = 6


def format_terminal(record: Record, prediction: Prediction, *, colour: bool) -> str:
    """Return a line for a person: label in colour, score in percent, and the text without control characters."""
    label = f"{prediction.label:<9}"
    if colour and prediction.label:
        label = f"\033[{_COLOURS[prediction.label]}m{label}\033[0m"
    score = "" if prediction.score is None else f"{prediction.score:.0%}"
    text = _show(record.raw if record.error else record.text)
    if prediction.words and colour:
        strongest = max(1e-9, *(abs(weight) for _, weight in prediction.words))
        text = " ".join(_colour_word(word, weight / strongest) for word, weight in prediction.words)
    elif prediction.words:
        loudest = sorted(prediction.words, key=lambda pair: -abs(pair[1]))[:_N_STRONGEST]
        text += "\n" + " " * 16 + ", ".join(f"{_show(word)} {weight:+.2f}" for word, weight in loudest)
    return f"{label} {score:>4}  {text}"


class TerminalWriter:
    """A line for each record, for a person."""

    def __init__(self, sink: IO[bytes], *, colour: bool) -> None:
        self._sink, self._colour = sink, colour

    def write(self, record: Record, prediction: Prediction) -> None:
        """Write one line."""
        emit(self._sink, format_terminal(record, prediction, colour=self._colour) + "\n")

    def finish(self) -> None:
        """Do nothing: every record is written at once."""


def _colour_word(word: str, share: float) -> str:
    """Return a word, green where it speaks for positive and red where it speaks for negative, bold where it speaks loudest."""
    shown = _show(word)
    if abs(share) < _FAINT:
        return shown
    return f"\033[{'1;' if abs(share) >= _LOUD else ''}{_COLOURS['positive' if share > 0 else 'negative']}m{shown}\033[0m"


def _show(text: str) -> str:
    return make_printable(text, instead=" ", keep="")


class Terminal:
    """Standard output where a person reads it."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def make_writer(self, sink: IO[bytes]) -> TerminalWriter:
        """Return what writes a line to read for each record."""
        return TerminalWriter(sink, colour=self._colour)

    def protect(self, sink: IO[bytes], *, as_json: bool) -> IO[bytes]:
        """Return a stream that shows what is written in a format for programs, and lets none of it steer the terminal."""
        return cast(IO[bytes], _Shown(sink, as_json=as_json))


class _Shown(io.RawIOBase):
    """Whole lines of UTF-8 for a terminal: JSON stays the same JSON, other formats get U+FFFD."""

    def __init__(self, stream: IO[bytes], *, as_json: bool) -> None:
        self._stream, self._as_json = stream, as_json

    def writable(self) -> bool:
        return True

    def write(self, lines: bytes) -> int:  # type: ignore[override]
        text = lines.decode("utf-8", "replace")
        shown = escape_unprintable(text) if self._as_json else make_printable(text, keep="\n\t")
        return self._stream.write(shown.encode())

    def flush(self) -> None:
        self._stream.flush()
