"""Run commands as whole processes and measure them as the operating system does."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
"""The allocator settings that spare a rival its page faults."""


@dataclass(frozen=True)
class Run:
    """One process that ended well."""

    seconds: float
    peak_bytes: int
    output: dict[str, Any]
    """The JSON document it printed last."""


def run(command: Sequence[object], *, environment: Mapping[str, str] | None = None, started_flag: bool = False) -> Run:
    """Run a command to its end and return its time, its peak memory and what it printed.

    With `started_flag` the command is told by `--started` when it was started.

    Raises:
        RuntimeError: it failed; the message holds the end of what it wrote to standard error.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.time()
        told = ["--started", started] if started_flag else []
        process = subprocess.Popen(
            [str(part) for part in (*command, *told)], stdout=output, stderr=errors, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.time() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (output, errors):
            file.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}\n{errors.read()[-2000:]}")
        text = output.read()
    last = text.strip().splitlines()[-1] if started_flag else text
    return Run(seconds, usage.ru_maxrss * 1024, json.loads(last))


_MEASURED = """
import json, os, subprocess, sys, time
started = time.time()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([time.time() - started, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status)]))
"""
"""A small process between: the peak memory of a process begins with that of the one that started it."""


def measure(command: Sequence[object], *, stdin: Path | None = None, environment: Mapping[str, str] | None = None) -> Run:
    """Run a command whose output is of no interest, and return its time and peak memory, however large this process is.

    Raises:
        RuntimeError: it failed.
    """
    with open(stdin or os.devnull, "rb") as source:
        done = subprocess.run(
            [sys.executable, "-S", "-c", _MEASURED, *map(str, command)],
            stdin=source,
            capture_output=True,
            env={**os.environ, **(environment or {})},
            check=True,
        )
    seconds, peak_bytes, code = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr.decode()[-2000:]}")
    return Run(seconds, peak_bytes, {})


def polarity(*arguments: object) -> list[str]:
    """Return the command that runs this program with arguments, in this Python."""
    return [sys.executable, "-m", "polarity_cli", *map(str, arguments)]


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return float(statistics.median(values))


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write rows as JSON lines and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
