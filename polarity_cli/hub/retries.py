"""The one rule for faults of the Hub that may pass: try again after growing pauses that the user sees, and end in good time."""

from __future__ import annotations

from polarity_cli.errors import HubError
from polarity_cli.records import Observer

TRIES = 5
"""Of one request: the pauses between them, 1, 2, 4 and 8 s, outlast what a busy or restarting Hub usually takes."""
TRIES_WITHOUT_A_HUB = 2
"""Where no connection was ever made, the network or the address is wrong more often than the Hub is late."""
TRIES_AT_CONTENT = 3
"""Of a file whose content is wrong: what comes wrong three times comes from something that changes it, not from bad luck."""
_FIRST_PAUSE_S = 1
_LONGEST_WAIT_S = 300
"""Of all pauses together: the Hub counts its limits in windows of five minutes."""

WITHOUT_THE_HUB = """\
  polarity train reviews.csv --encoder sample        (the packaged encoder)
  polarity train reviews.csv --encoder ./folder-with-an-encoder
  polarity train --sample                            (built-in reviews and encoder)
  polarity evaluate ./ckpt reviews.csv
  the same command with --offline                    (what an earlier run has fetched)"""
UNREACHABLE_HINT = f"Check the network (or HF_ENDPOINT, for a mirror of the Hub), or work without the Hub:\n{WITHOUT_THE_HUB}"
LATER_HINT = f"Run the same command again later: files that came whole are kept. Or work without the Hub:\n{WITHOUT_THE_HUB}"
CONTENT_HINT = "Check what lies between: a proxy, or the mirror that HF_ENDPOINT names. Nothing of it was kept."


class Retries:
    """The tries of one piece of work: a request, or a file that must come with the right content."""

    def __init__(self, name: str, observer: Observer) -> None:
        self.name = name
        """What is fetched, as messages call it."""
        self._observer = observer
        self.restart()

    def restart(self) -> None:
        """Count from the first try again, since the work went on."""
        self._n_failed = 0
        self._waited_s = 0.0

    def wait(self, reason: str, *, tries: int = TRIES, asked_s: float | None = None, hint: str = LATER_HINT) -> None:
        """Wait until the next try is due: as long as the Hub asks (`asked_s`), else twice as long as before.

        Raises:
            HubError: this was the last of the tries, or the Hub asks for a pause beyond five minutes.
        """
        self._n_failed += 1
        pause_s = _FIRST_PAUSE_S * 2.0 ** (self._n_failed - 1) if asked_s is None else max(asked_s, _FIRST_PAUSE_S)
        if self._n_failed >= tries:
            times = f", {self._n_failed} times in a row" if self._n_failed > 1 else ""
            raise HubError(f"{self.name}: {reason}{times}.", hint=hint)
        if self._waited_s + pause_s > _LONGEST_WAIT_S:
            raise HubError(f"{self.name}: {reason} and asks for a pause of {pause_s:,.0f} s.", hint=hint)
        self._waited_s += pause_s
        self._observer.countdown(f"{self.name}: {reason}", pause_s)


def first_line(error: BaseException) -> str:
    """Return an error's first line, or its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
