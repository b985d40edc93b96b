"""Train in a process that kills itself, for `test_resume`.

    python -m tests.training.killed REVIEWS ENCODER OUT CACHE FEATURE_CACHE SECONDS

It ends with SIGKILL so many seconds after its first new state, wherever it is then; with 0 seconds it trains to the end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from polarity_cli.config import Context, DataConfig, TrainConfig
from polarity_cli.records import SilentObserver
from polarity_cli.train import train


class Printing(SilentObserver):
    """Print notes, for the test to see where the run began."""

    def note(self, message: str) -> None:
        """Print."""
        print(message, flush=True)


def main() -> None:
    """Train."""
    reviews, encoder, out, cache, feature_cache, seconds = sys.argv[1:]
    from polarity_cli.training import keeper

    keeper.EVERY_S, keeper._SHARE = 0.02, 1.0
    if float(seconds):
        threading.Thread(target=kill_after, args=(Path(cache), float(seconds)), daemon=True).start()
    config = TrainConfig(
        data=DataConfig(source=reviews, encoder=encoder),
        epochs=30,
        learning_rate=2e-3,
        feature_cache="off" if feature_cache == "off" else "auto",
        graphs=False,
        out=Path(out),
    )
    train(config, Context(cache_dir=Path(cache), observer=Printing()))


def kill_after(cache: Path, seconds: float) -> None:
    """Wait for a state that is not there yet, then some seconds, and end the process without a word."""
    from polarity_cli.training.state import find_states

    def find_newest() -> str:
        return max((state.name for folder in cache.glob("runs/*") for state in find_states(folder)), default="")

    before = find_newest()
    while find_newest() == before:
        time.sleep(0.002)
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
