"""How long the Hub asks a client to wait, and files that are sent again."""

from __future__ import annotations

import random
import time
from email.utils import formatdate
from pathlib import Path

import httpx2
import pytest

from polarity_cli.hub.client import RetryingClient, read_pause
from polarity_cli.records import SilentObserver


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


class Cutting(httpx2.BaseTransport):
    """Read some of what is sent, then cut the connection, until it takes all of it."""

    def __init__(self, *n_bytes: int) -> None:
        self._left = list(n_bytes)
        self.received: list[bytes] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Keep what was read of the body."""
        assert isinstance(request.stream, httpx2.SyncByteStream)
        read = b""
        for chunk in request.stream:
            read += chunk
            if self._left and len(read) >= self._left[0]:
                self._left.pop(0)
                self.received.append(read)
                raise httpx2.WriteError("cut")
        self.received.append(read)
        assert request.headers["Content-Length"] == str(len(read))
        assert "Transfer-Encoding" not in request.headers
        return httpx2.Response(200)


class Patient(SilentObserver):
    """Wait for nothing."""

    def countdown(self, reason: str, seconds: float) -> None:
        """Return at once."""


@pytest.mark.parametrize("start", [0, 100_000])
def test_file_is_sent_again_from_where_it_stood_and_counted_once(tmp_path: Path, start: int) -> None:
    content = random.Random(0).randbytes(300_000)
    (tmp_path / "file").write_bytes(content)
    client = RetryingClient("me/x", Patient())
    client._transport = transport = Cutting(70_000, 140_000, 1)
    counts: list[int] = []
    client.sent = counts.append
    with (tmp_path / "file").open("rb") as file:
        file.seek(start)
        assert client.put("http://127.0.0.1/x", data=file).status_code == 200  # type: ignore[arg-type]
    assert [len(each) for each in transport.received[:3]] == [131_072, 196_608, 65_536]
    assert transport.received[-1] == content[start:]
    assert sum(counts) == len(content) - start


def test_empty_file_has_a_length(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    client = RetryingClient("me/x", Patient())
    client._transport = transport = Cutting()
    with (tmp_path / "file").open("rb") as file:
        assert client.put("http://127.0.0.1/x", data=file).status_code == 200  # type: ignore[arg-type]
    assert transport.received == [b""]
