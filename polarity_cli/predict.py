"""The verb `predict`: a prediction for each record of a stream, in order, as soon as it is known."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

from polarity_cli.config import Context, PredictConfig
from polarity_cli.encoder.checkpoint import CheckpointInfo, find_newest, read_checkpoint
from polarity_cli.records import Prediction
from polarity_cli.serving.predictor import Predictor
from polarity_cli.serving.readers import Record

WINDOW = 512
"""Most records predicted together: enough to sort by length, few enough to answer soon."""


def find_checkpoint(config: PredictConfig, context: Context) -> CheckpointInfo:
    """Return the checkpoint asked for, or the newest in the cache.

    Raises:
        CheckpointError: there is none.
    """
    return read_checkpoint(config.checkpoint or find_newest(context.cache_dir))


def predict(records: Iterable[Record], predictor: Predictor) -> Iterator[list[tuple[Record, Prediction]]]:
    """Yield windows of records with their predictions, in order.

    Records are read by a thread of their own. What has come in is predicted together, up to `WINDOW` records, so a fast stream is
    read in full windows and a slow one is answered line by line.

    Raises:
        DataError: a record is broken; those before it have been yielded.
    """
    for window in _collect(records):
        yield list(zip(window, predictor.predict([record.text for record in window]), strict=True))


def _collect(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield what the reading thread has ready, at least one record at a time; a failure of its is raised in its place."""
    ready: queue.Queue[Record | BaseException | None] = queue.Queue(maxsize=2 * WINDOW)
    threading.Thread(target=_read_all, args=(records, ready), daemon=True).start()
    while True:
        window: list[Record] = []
        item = ready.get()
        while isinstance(item, Record):
            window.append(item)
            if len(window) == WINDOW:
                break
            try:
                item = ready.get_nowait()
            except queue.Empty:
                break
        if window:
            yield window
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item


def _read_all(records: Iterable[Record], ready: queue.Queue[Record | BaseException | None]) -> None:
    try:
        for record in records:
            ready.put(record)
    except BaseException as error:  # whatever it is, the thread that waits for records must hear of it
        ready.put(error)
    else:
        ready.put(None)
