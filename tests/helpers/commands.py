"""Run a command line as a process of its own, and what it did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    code: int
    stdout: str
    stderr: str


def drop_checks(stderr: str) -> str:
    """Return what a command said, without what it says of figures that are not to be trusted."""
    return "".join(line for line in stderr.splitlines(keepends=True) if not line.startswith("Check: "))


def hear_interrupts() -> None:
    """Let a child process hear SIGINT, which a shell's background jobs are started without (as `preexec_fn`)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start_predict(checkpoint: Path, tmp_path: Path, *arguments: object) -> subprocess.Popen[bytes]:
    """Start `polarity predict` with pipes on all three streams."""
    return subprocess.Popen(
        [sys.executable, "-m", "polarity_cli", "predict", "--checkpoint", str(checkpoint), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "POLARITY_CACHE": str(tmp_path / "cache")},
        preexec_fn=hear_interrupts,
    )


def run_polarity(
    *args: object, cwd: Path, cache: Path, stdin: bytes | None = None, environment: dict[str, str] | None = None
) -> Outcome:
    """Run a command line as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "polarity_cli", *map(str, args)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "POLARITY_CACHE": str(cache), **(environment or {})},
        timeout=600,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
