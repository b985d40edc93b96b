"""The HTTP client that all libraries use for the Hub: it retries passing faults, and shows that it does.

The libraries have silent, nested retries of their own. They never start, since this client, below them all, gives up with
HubError, which none of them takes for a network fault. Imported only by `hub.connect`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, BinaryIO

import httpx2
from huggingface_hub import constants
from huggingface_hub.utils._http import hf_request_event_hook, parse_ratelimit_headers

from polarity_cli.errors import HubError
from polarity_cli.hub.retries import LATER_HINT, TRIES, TRIES_WITHOUT_A_HUB, UNREACHABLE_HINT, Retries, first_line
from polarity_cli.records import Observer

_CONNECT_S = 5
PIECE_BYTES = 1 << 16
"""Bytes of a file that are written at once, and so the most that a cut connection costs."""
_PASSING = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)
_PASSING_STATUS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)

_reached: set[str] = set()
"""Hosts that have answered this process."""


class RetryingClient(httpx2.Client):
    """Send each request until it is answered, a few times at most.

    Where a body that is read piece by piece breaks, the client pauses, and the reader requests the rest.
    """

    def __init__(self, repo: str, observer: Observer) -> None:
        # The hook blocks requests where HF_HUB_OFFLINE is set, and names each request for the Hub's own log.
        super().__init__(
            event_hooks={"request": [hf_request_event_hook]}, follow_redirects=True, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
        )
        self.repo, self.observer = repo, observer
        self.failure: HubError | None = None
        """The error with which the client gave up; libraries may lose it on the way, or fall back to an older answer."""
        self.receive: Callable[[int], None] = lambda n_bytes: None
        """Called with the number of bytes of each piece of a body."""
        self.sent: Callable[[int], None] = lambda n_bytes: None
        """Called with the number of bytes of each piece of a file that is sent, once for each, however often it is sent again."""
        self._retries: dict[str, Retries] = {}

    def build_request(
        self, method: str, url: httpx2.URL | str, *, data: Any = None, headers: Any = None, **options: Any
    ) -> httpx2.Request:
        """Return a request; a file that is its body can be sent again, from where it stood."""
        if hasattr(data, "seek") and hasattr(data, "read"):
            body = _File(data, self)
            options["content"], data = body, None
            headers = {**dict(headers or {}), "Content-Length": str(body.n_bytes)}  # stores take no body of unknown length
        return super().build_request(method, url, data=data, headers=headers, **options)

    def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Return the answer to a request, whatever its status, retrying statuses and network errors that may pass.

        Raises:
            HubError: the last try failed too.
        """
        if self.failure is not None:  # and a library would begin again
            raise self.failure
        limits = request.extensions.get("timeout", {})
        patience = {name: limits.get(name) or constants.HF_HUB_DOWNLOAD_TIMEOUT for name in ("read", "write", "pool")}
        request.extensions["timeout"] = {**patience, "connect": min(_CONNECT_S, patience["read"])}
        retries = self._retries.setdefault(f"{request.method} {request.url}", Retries(self.repo, self.observer))
        while True:
            try:
                response = super().send(request, stream=stream, **options)
            except _PASSING as error:
                self.wait(retries, error, request)
                continue
            _reached.add(request.url.host)
            if not _may_pass(response.status_code):
                break
            response.close()
            retry_after_s = read_pause(response.headers)
            self._wait(
                retries, f"the Hub answered {response.status_code} ({response.reason_phrase})", retry_after_s=retry_after_s
            )
        if stream and isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Body(response.stream, self, retries, request)
        else:
            retries.restart()
        return response

    def wait(self, retries: Retries, error: httpx2.RequestError, request: httpx2.Request) -> None:
        """Wait until a request that failed may be sent again.

        Raises:
            HubError: it failed too often.
        """
        cause = first_line(error)
        if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout)):
            tries = TRIES if request.url.host in _reached else TRIES_WITHOUT_A_HUB
            self._wait(retries, f"the Hub is out of reach ({cause})", tries=tries, hint=UNREACHABLE_HINT)
        elif isinstance(error, httpx2.TimeoutException):
            patience_s = request.extensions["timeout"]["read"]
            self._wait(retries, f"the Hub sent nothing for {patience_s:g} s")
        else:
            self._wait(retries, f"the connection to the Hub was cut ({cause})")

    def _wait(
        self, retries: Retries, reason: str, *, tries: int = TRIES, retry_after_s: float | None = None, hint: str = LATER_HINT
    ) -> None:
        try:
            retries.wait(reason, tries=tries, retry_after_s=retry_after_s, hint=hint)
        except HubError as error:
            self.failure = error
            raise


class _File:
    """A file, or a part of one, as the body of a request: each time it is read from its beginning."""

    def __init__(self, file: BinaryIO, client: RetryingClient) -> None:
        self._file, self._client, self._start = file, client, file.tell()
        self.n_bytes = file.seek(0, 2) - self._start
        self._furthest = 0
        file.seek(self._start)

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(self._start)
        n_bytes = 0
        while n_bytes < self.n_bytes and (chunk := self._file.read(min(PIECE_BYTES, self.n_bytes - n_bytes))):
            yield chunk
            n_bytes += len(chunk)
            if n_bytes > self._furthest:
                self._client.sent(n_bytes - self._furthest)
                self._furthest = n_bytes


class _Body(httpx2.SyncByteStream):
    """The body of an answer; where the connection breaks, it waits before it raises the error."""

    def __init__(self, stream: httpx2.SyncByteStream, client: RetryingClient, retries: Retries, request: httpx2.Request) -> None:
        self._stream, self._client, self._retries, self._request = stream, client, retries, request

    def __iter__(self) -> Iterator[bytes]:
        n_bytes = 0
        try:
            for chunk in self._stream:
                n_bytes += len(chunk)
                if n_bytes >= PIECE_BYTES:
                    self._retries.restart()
                self._client.receive(len(chunk))
                yield chunk
        except _PASSING as error:
            self._client.wait(self._retries, error, self._request)
            # The one error for which every reader asks for the rest.
            raise httpx2.RemoteProtocolError(str(error)) from error

    def close(self) -> None:
        self._stream.close()


def _may_pass(status: int) -> bool:
    return status in _PASSING_STATUS or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED)


def read_pause(headers: httpx2.Headers) -> float | None:
    """Return the seconds to wait by Retry-After, a number or a date, or by the Hub's rate-limit header; None without either."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        due = parsedate_to_datetime(value).timestamp()
        # By the Hub's own clock, which may differ from this machine's.
        now = parsedate_to_datetime(headers["Date"]).timestamp() if "Date" in headers else time.time()
    except ValueError:
        limits = parse_ratelimit_headers(headers)
        return float(limits.reset_in_seconds) if limits and limits.remaining == 0 else None
    return max(0.0, due - now)
