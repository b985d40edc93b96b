"""Train in processes that kill themselves, for `test_resume`.

    python -m tests.helpers.killed

Reads a JSON object a line (see `Order`) and answers each with the exit code and what the run said. Each run is a process of its
own, forked from this one, which has imported the libraries and computed nothing: so a run starts in a moment.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from polarity_cli.config import Context, DataConfig
from polarity_cli.records import SilentObserver
from polarity_cli.train_config import FeatureCache, TrainConfig

N_EPOCHS = 12


@dataclass(frozen=True)
class Order:
    """What to train, and when to die."""

    reviews: str
    encoder: str
    out: str
    cache: str
    feature_cache: FeatureCache
    seconds: float
    """After the run's first new state; 0 trains to the end."""
    patience: int | None = None


class Printing(SilentObserver):
    """Print notes, for the test to see where the run began."""

    def note(self, message: str) -> None:
        """Print."""
        print(message, flush=True)


def main() -> None:
    """Run what is ordered."""
    preload()
    for line in sys.stdin:
        order = Order(**json.loads(line))
        with tempfile.TemporaryFile("w+") as said:
            child = os.fork()
            if child == 0:
                run(order, said.fileno())
            _, status = os.waitpid(child, 0)
            said.seek(0)
            print(json.dumps([os.waitstatus_to_exitcode(status), said.read()]), flush=True)


def preload() -> None:
    """Import what a run imports."""
    import sklearn.metrics  # noqa: F401
    import transformers.models.bert.modeling_bert
    import transformers.models.bert.tokenization_bert  # noqa: F401

    import polarity_cli.checkpoint.checkpoint
    import polarity_cli.features.store
    import polarity_cli.training.examples
    import polarity_cli.training.loop
    import polarity_cli.training.resume
    import polarity_cli.training.runtime  # noqa: F401


def run(order: Order, said: int) -> NoReturn:
    """Train, in the forked process."""
    os.dup2(said, 1)
    os.dup2(said, 2)
    try:
        train(order)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def train(order: Order) -> None:
    """Train; with a state as often as can be where the run will be killed."""
    from polarity_cli.training import resume
    from polarity_cli.verbs.train import train

    if order.seconds:
        resume.SAVE_EVERY_S, resume.SAVE_SHARE = 0.02, 1.0
        threading.Thread(target=kill_after, args=(Path(order.cache), order.seconds), daemon=True).start()
    config = TrainConfig(
        data=DataConfig(source=order.reviews, encoder=order.encoder),
        epochs=N_EPOCHS,
        learning_rate=2e-3,
        patience=order.patience,
        feature_cache=order.feature_cache,
        graphs=False,
        out=Path(order.out),
    )
    train(config, Context(cache_dir=Path(order.cache), observer=Printing()))


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
