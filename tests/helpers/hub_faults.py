"""Faults of the small Hub in `tests/hub`: which requests they strike, how often, and what becomes of the answer."""

import re
import threading
from dataclasses import dataclass, field
from http import HTTPStatus

Answer = tuple[HTTPStatus, dict[str, str], bytes]  # status, headers, body

EVER = 1_000_000
GATED = {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this repository is restricted."}


@dataclass
class Fault:
    """What goes wrong with the next `times` answers to paths that hold `pattern`."""

    pattern: str
    """A regular expression, searched in the path, unquoted and without the query."""
    times: int = 1
    spared: int = 0
    """Such requests that are answered well before."""
    method: str = "GET"
    status: int = 0
    """Answered in place of the true one; 0 leaves that."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of an answer with another status."""
    cut_after: int | None = None
    """Bytes of the body after which the connection is closed."""
    stall_s: float = 0.0
    """Seconds in which nothing comes before that."""
    corrupt: bool = False
    """Whether every byte of the body is another one."""
    cut_body_after: int | None = None
    """Bytes of what is sent to the Hub after which the connection is closed, without an answer."""
    is_done: bool = False
    """Whether what was asked is done all the same, and the answer alone is another one."""

    @property
    def is_lost_before(self) -> bool:
        """Whether nothing of what was asked is done."""
        return bool(self.status) and not self.is_done

    def change(self, status: HTTPStatus, headers: dict[str, str], body: bytes) -> Answer:
        """Return the answer that is sent in place of the true one."""
        if self.status:
            return HTTPStatus(self.status), self.headers, b'{"error": "a fault"}'
        return status, headers, bytes(byte ^ 0xFF for byte in body) if self.corrupt else body


class Faults:
    """The faults that are yet to strike."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self._lock = threading.Lock()

    def plan(self, *faults: Fault) -> None:
        """Let these faults strike, and no others that were planned before."""
        with self._lock:
            self._planned = list(faults)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault for a request, which then has one time less to strike."""
        with self._lock:
            for fault in self._planned:
                if fault.times > 0 and fault.method == method and re.search(fault.pattern, path):
                    if fault.spared > 0:
                        fault.spared -= 1
                        return None
                    fault.times -= 1
                    return fault
        return None

    @property
    def n_left(self) -> int:
        """How often the planned faults have yet to strike."""
        return sum(fault.times for fault in self._planned)
