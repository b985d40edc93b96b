"""Run a graph with ONNX Runtime: token ids in, logits out, without torch. Used by `inference/labeller`.

Only reviews of the same length are run together, so nothing is padded and no mask is needed: a review's answer does not depend on
what came beside it. Each CPU core runs batches of its own, which scales better than sharing every product between them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polarity_cli.distributed.world import ALONE, World
from polarity_cli.errors import CheckpointError
from polarity_cli.inference.onnx_check import check_graph
from polarity_cli.inference.scores import check_finite

if TYPE_CHECKING:
    from polarity_cli.data.tokenizing import TokenIds

Logits = NDArray[np.float64]
INPUT, OUTPUT = "input_ids", "logits"
_LONG = 64
"""Tokens from which on a review is long."""
_BUDGETS = (512, 192)
"""Tokens run together at most, of short reviews and of long ones: enough to fill the processor's units, few enough for its
caches.

Reviews of 165 tokens ran at 17,500 tokens a second in batches of 192, at 16,400 in batches of 512; titles of 10 tokens at 1,600
and 2,000 titles a second (int8, all-MiniLM-L6-v2, two cores).
"""

_AHEAD = 4
"""Batches of a thread that wait to be run, while more are put together."""


class GraphEngine:
    """A graph in memory, with a thread for each CPU core."""

    def __init__(self, graph: bytes, *, name: str, n_threads: int) -> None:
        """Load a graph; `name` stands in messages.

        Raises:
            CheckpointError: it is no graph from token ids `(B, T)` to logits `(B, 2)`, it takes weights from elsewhere, or its
                weights are not numbers.
        """
        import onnxruntime as ort
        from onnxruntime.capi import onnxruntime_pybind11_state as raised

        ort.disable_telemetry_events()  # also where it was imported before this package
        self._errors = (raised.Fail, raised.InvalidArgument, raised.RuntimeException, RuntimeError, MemoryError)
        self._name, self._n_threads = name, n_threads
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Not the runtime's own format, which it would find out by itself and which is not looked into here.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        check_graph(graph, name)
        loading = (raised.EPFail, raised.InvalidGraph, raised.InvalidProtobuf, raised.NoSuchFile, raised.NotImplemented)
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except (*self._errors, *loading) as error:
            raise CheckpointError(f"{name}: no graph that can be run ({_first_line(error)}).") from error
        ends = ([(node.name, node.type) for node in part] for part in (self._session.get_inputs(), self._session.get_outputs()))
        if list(ends) != [[(INPUT, "tensor(int64)")], [(OUTPUT, "tensor(float)")]]:
            raise CheckpointError(f"{name}: expected a graph from {INPUT} to {OUTPUT}.")
        self._pool: ThreadPoolExecutor | None = None
        self._opening = threading.Lock()

    def start(self, token_ids: Sequence[TokenIds]) -> Callable[[], Logits]:
        """Begin to run reviews, and return what waits for their logits `(N, 2)`.

        Raises:
            CheckpointError: when waited for: the graph cannot take them.
            PolarityError: when waited for: a logit is not a finite number.
        """
        batches = plan_equal_lengths([len(ids) for ids in token_ids])
        arrays = [np.stack([token_ids[index] for index in batch]).astype(np.int64) for batch in batches]
        if len(batches) < 2 or self._n_threads < 2:
            answers: list[Callable[[], NDArray[np.float32]]] = [lambda ids=ids: self._run(ids) for ids in arrays]  # type: ignore[misc]
        else:
            pool = self._open_pool()
            futures: list[Future[NDArray[np.float32]]] = [pool.submit(self._run, ids) for ids in arrays]
            answers = [future.result for future in futures]

        def wait() -> Logits:
            logits = np.zeros((len(token_ids), 2))
            for batch, answer in zip(batches, answers, strict=True):
                logits[batch] = answer()
            return check_finite(logits)

        return wait

    def compute_logits(
        self,
        token_ids: Sequence[TokenIds],
        advance: Callable[[int], None] = lambda n: None,
        *,
        world: World = ALONE,
    ) -> Logits:
        """Return the logits `(N, 2)` of many reviews, which processes share if they all call this, and tell how many are done.

        The batches are the same for any number of processes. They run in random order, so that the time left does not jump.

        Raises:
            CheckpointError, PolarityError: as `start` does.
        """
        batches = plan_equal_lengths([len(ids) for ids in token_ids])
        np.random.default_rng(0).shuffle(batches)
        logits = np.zeros((len(token_ids), 2))
        waiting: deque[tuple[list[int], int, Future[NDArray[np.float32]]]] = deque()

        def finish(most: int) -> None:
            while len(waiting) > most:
                batch, n_done, future = waiting.popleft()
                logits[batch] = future.result()
                advance(n_done)

        pool = self._open_pool()
        for batch, n_done in world.shard(batches, len):
            ids = np.stack([token_ids[index] for index in batch]).astype(np.int64)
            waiting.append((batch, n_done, pool.submit(self._run, ids)))
            finish(_AHEAD * self._n_threads)
        finish(0)
        return check_finite(world.all_reduce(logits))

    def _open_pool(self) -> ThreadPoolExecutor:
        with self._opening:  # several threads may ask at once
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._n_threads)
            return self._pool

    def close(self) -> None:
        """Drop what has not begun to run."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _run(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits `(B, 2)` of token ids `(B, T)`."""
        try:
            (logits,) = self._session.run([OUTPUT], {INPUT: input_ids})
        except self._errors as error:
            raise CheckpointError(
                f"{self._name}: the graph cannot take a text of {input_ids.shape[1]} tokens ({_first_line(error)})."
            ) from error
        if logits.shape != (len(input_ids), 2):
            raise CheckpointError(f"{self._name}: its logits are {logits.shape}, expected {(len(input_ids), 2)}.")
        return logits  # type: ignore[no-any-return]


def plan_equal_lengths(lengths: Sequence[int]) -> list[list[int]]:
    """Return batches of reviews of equal length that cover all of them, the longest first."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    batches = []
    for length, group in groupby(order, key=lengths.__getitem__):
        members = list(group)
        most = max(1, _BUDGETS[length >= _LONG] // max(1, length))
        batches += [members[start : start + most] for start in range(0, len(members), most)]
    return batches


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:300]
