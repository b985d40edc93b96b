"""Retry passing faults of the Hub after growing pauses that the user sees, and give up after a few. Used by all of `hub`."""

from __future__ import annotations

from polarity_cli.errors import HubError
from polarity_cli.records import Observer

TRIES = 5
"""Tries of one request: their pauses, 1, 2, 4 and 8 s, usually outlast a busy or restarting Hub."""
TRIES_WITHOUT_A_HUB = 2
"""Tries where no connection was ever made: then the network or the address is wrong more often than the Hub is slow."""
TRIES_AT_CONTENT = 3
"""Tries of a file whose content is wrong: three wrong copies come from something that changes it, not from bad luck."""
_FIRST_PAUSE_S = 1
_LONGEST_WAIT_S = 300
"""The most seconds of all pauses together: the Hub counts its rate limits in windows of five minutes."""

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
    """Count the tries of one request, or of one file that must arrive with the right content."""

    def __init__(self, name: str, observer: Observer) -> None:
        self.name = name
        """The repository or file, for messages."""
        self._observer = observer
        self.restart()

    def restart(self) -> None:
        """Reset the count, since the work went on."""
        self._n_failed = 0
        self._waited_s = 0.0

    def wait(self, reason: str, *, tries: int = TRIES, retry_after_s: float | None = None, hint: str = LATER_HINT) -> None:
        """Wait until the next try: `retry_after_s` if the Hub asks for that, else twice as long as before.

        Raises:
            HubError: this was the last of the tries, or the Hub asks for a pause beyond five minutes.
        """
        self._n_failed += 1
        pause_s = _FIRST_PAUSE_S * 2.0 ** (self._n_failed - 1) if retry_after_s is None else max(retry_after_s, _FIRST_PAUSE_S)
        if self._n_failed >= tries:
            times = f", {self._n_failed} times in a row" if self._n_failed > 1 else ""
            raise HubError(f"{self.name}: {reason}{times}.", hint=hint)
        if self._waited_s + pause_s > _LONGEST_WAIT_S:
            raise HubError(f"{self.name}: {reason} and asks for a pause of {pause_s:,.0f} s.", hint=hint)
        self._waited_s += pause_s
        self._observer.countdown(f"{self.name}: {reason}", pause_s)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class if that is empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
