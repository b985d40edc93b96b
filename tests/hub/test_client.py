"""How long the Hub asks a client to wait."""

from __future__ import annotations

import time
from email.utils import formatdate

import httpx2
import pytest

from polarity_cli.hub.client import read_pause


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": " 7 "}, 7),
        ({"Retry-After": formatdate(1_000_030, usegmt=True), "Date": formatdate(1_000_000, usegmt=True)}, 30),
        ({"Retry-After": formatdate(1_000_000, usegmt=True)}, 0),
        ({"RateLimit": '"api";r=0;t=55'}, 55),
        ({"RateLimit": '"api";r=9;t=55'}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({}, None),
    ],
)
def test_pause_is_read_from_a_number_a_date_or_the_limits(headers: dict[str, str], seconds: float | None) -> None:
    assert read_pause(httpx2.Headers(headers)) == seconds


def test_date_without_the_hubs_clock_is_read_by_this_machines() -> None:
    pause_s = read_pause(httpx2.Headers({"Retry-After": formatdate(time.time() + 100, usegmt=True)}))
    assert pause_s is not None
    assert 90 < pause_s <= 100
