"""The rule for faults of the Hub: how long each pause is, and when the tries end."""

from __future__ import annotations

import pytest

from polarity_cli.errors import HubError
from polarity_cli.hub.retries import TRIES, Retries
from polarity_cli.records import SilentObserver


class Pauses(SilentObserver):
    """Note the pauses in place of waiting."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.reasons: list[str] = []

    def countdown(self, reason: str, seconds: float) -> None:
        """Note."""
        self.seconds.append(seconds)
        self.reasons.append(reason)


def test_pauses_grow_and_the_last_try_ends_in_an_error_with_the_next_step() -> None:
    pauses = Pauses()
    retries = Retries("some/set", pauses)
    for _ in range(TRIES - 1):
        retries.wait("the Hub answered 503")
    with pytest.raises(HubError, match=r"some/set: the Hub answered 503, 5 times in a row\.") as caught:
        retries.wait("the Hub answered 503")
    assert pauses.seconds == [1, 2, 4, 8]
    assert set(pauses.reasons) == {"some/set: the Hub answered 503"}
    assert "again later" in str(caught.value.hint)


def test_work_that_goes_on_starts_the_count_anew() -> None:
    pauses = Pauses()
    retries = Retries("some/set", pauses)
    for _ in range(20):
        retries.wait("cut")
        retries.restart()
    assert pauses.seconds == [1] * 20


def test_what_the_hub_asks_is_kept_up_to_five_minutes_together() -> None:
    pauses = Pauses()
    retries = Retries("some/set", pauses)
    retries.wait("busy", retry_after_s=0)
    retries.wait("busy", retry_after_s=200)
    with pytest.raises(HubError, match=r"asks for a pause of 200 s"):
        retries.wait("busy", retry_after_s=200)
    assert pauses.seconds == [1, 200]
    with pytest.raises(HubError, match=r"asks for a pause of 3,600 s"):
        Retries("some/set", pauses).wait("busy", retry_after_s=3600)
    assert len(pauses.seconds) == 2
