"""Run a checkpoint's weights on a GPU: coarsely and fast, and again in float32 where that might change the answer.

Beside `encoder/torch_engine`, which runs them on a CPU. The same code runs on a CPU too, which is how it is tested.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from polarity_cli.data.batches import plan_equal_batches, plan_like_batches
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.encoder.families import can_be_cut
from polarity_cli.encoder.gpu_runner import Runner
from polarity_cli.encoder.token_budget import choose_token_budget, count_token_bytes, find_free_bytes
from polarity_cli.inference.boundaries import Boundaries
from polarity_cli.inference.scores import check_finite

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from polarity_cli.data.tokenizing import TokenIds

Logits = NDArray[np.float64]
Numbers = NDArray[np.int64]
SAMPLE = 256
"""Reviews that are answered in both precisions, to find how far apart those are."""
_SAFETY = 2.0
"""Times the largest difference found: how near another answer a review is answered again."""
_ENOUGH = 8_192
"""Tokens that keep a GPU busy for longer than the next batch takes to queue."""
_CPU_TOKENS = 2_048
"""Tokens in a batch on a CPU; see `encoder/logits`."""


class GpuEngine:
    """A loaded model on a GPU.

    In bfloat16 a logit has some 8 bits, and near the threshold a review's label would be the rounding's. So the first reviews are
    answered in float32 too, and each later one that is nearer to another answer than twice the largest difference seen.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        pad_id: int,
        device: torch.device,
        dtype: torch.dtype,
        boundaries: Boundaries | None = None,
    ) -> None:
        """Take a model in eval mode and float32; `boundaries` say where its answers change.

        Args:
            model: to run; it is moved to the device.
            pad_id: the token id of padding.
            device: where it runs.
            dtype: in what; anything but float32 is checked against float32, and families that are not known take no other.
            boundaries: by default the likelier class answers.

        Raises:
            PolarityError: the device's memory does not hold the model.
        """
        self._pads = can_be_cut(model.config)  # of another family nobody knows what padding does to its answers
        self.device, self.dtype = device, dtype if self._pads else torch.float32
        self.n_answered = self.n_again = 0
        """Reviews that were answered, and those of them that were answered in float32 since they were near another answer."""
        self.margin = 0.0
        """The distance from another answer, in nats, up to which a review is answered again."""
        self._config, self._boundaries = model.config, boundaries or Boundaries()
        self._coarse: Runner | None = None
        if self.dtype != torch.float32:
            self._coarse = Runner(_copy(model, self.dtype), pad_id=pad_id, device=device)
        self._exact = Runner(model, pad_id=pad_id, device=device)
        self._n_sampled = 0

    @property
    def name(self) -> str:
        """What runs, in words: `bfloat16 on cuda:0`."""
        return f"{str(self.dtype).removeprefix('torch.')} on {self.device}"

    def make_exact(self) -> GpuEngine:
        """Return an engine that answers in float32 with the same weights."""
        exact = copy.copy(self)
        exact._coarse, exact.dtype = None, torch.float32
        return exact

    def compute_logits(
        self,
        token_ids: Sequence[TokenIds],
        advance: Callable[[int], None] = lambda n: None,
        *,
        world: World = ALONE,
    ) -> Logits:
        """Return the logits `(N, 2)` of reviews given as token ids, which processes share if they all call this.

        Raises:
            PolarityError: a logit is not a finite number, or a single review does not fit the memory.
            CheckpointError: the model's code cannot take a text.
        """
        everything, self.n_answered = np.arange(len(token_ids)), self.n_answered + len(token_ids)
        if self._coarse is None or len(token_ids) <= SAMPLE:
            return check_finite(self._share(self._exact, token_ids, everything, world, advance))
        sample = everything[:: len(token_ids) // SAMPLE][:SAMPLE]
        exact = self._share(self._exact, token_ids, sample, world)
        logits = self._share(self._coarse, token_ids, everything, world, advance)
        self._learn(logits[sample], exact[sample])
        is_exact = np.zeros(len(token_ids), dtype=bool)
        while True:  # what is answered again may show a larger difference, and further reviews that are near
            is_exact[sample] = True
            logits[sample] = exact[sample]
            sample = self._find_near(logits, ~is_exact)
            if not len(sample):
                return check_finite(logits)
            self.n_again += len(sample)
            exact = self._share(self._exact, token_ids, sample, world)
            self._learn(logits[sample], exact[sample])

    def start(self, token_ids: Sequence[TokenIds]) -> Callable[[], Logits]:
        """Begin to run reviews, and return what waits for their logits `(N, 2)`, in the order of the calls.

        Raises:
            CheckpointError, PolarityError: as `compute_logits` does, here or when waited for.
        """
        everything, self.n_answered = np.arange(len(token_ids)), self.n_answered + len(token_ids)
        if self._coarse is None:
            wait = self._launch(self._exact, token_ids, everything)
            return lambda: check_finite(wait())
        n_sampled = min(len(token_ids), SAMPLE - self._n_sampled)
        self._n_sampled += n_sampled
        wait_exact = self._launch(self._exact, token_ids, everything[:n_sampled])
        wait_coarse = self._launch(self._coarse, token_ids, everything)

        def finish() -> Logits:
            logits, exact = wait_coarse(), wait_exact()
            self._learn(logits[:n_sampled], exact[:n_sampled])
            logits[:n_sampled] = exact[:n_sampled]
            near = self._find_near(logits, everything >= n_sampled)
            if len(near):
                self.n_again += len(near)
                again = self._launch(self._exact, token_ids, near)()
                self._learn(logits[near], again[near])
                logits[near] = again[near]
            return check_finite(logits)

        return finish

    def close(self) -> None:
        """Do nothing: what is queued on the device ends by itself."""

    def _learn(self, coarse: Logits, exact: Logits) -> None:
        """Widen the margin by what two answers `(N, 2)` for the same reviews differ."""
        apart = self._boundaries.compare(coarse, exact)
        apart = apart[np.isfinite(apart)]
        self.margin = max(self.margin, _SAFETY * float(apart.max(initial=0.0)))

    def _find_near(self, logits: Logits, is_coarse: NDArray[np.bool_]) -> Numbers:
        """Return the reviews whose coarse answer might be another one in float32, or is no number."""
        with np.errstate(invalid="ignore"):
            is_far = self._boundaries.measure(logits) > self.margin
        return np.flatnonzero(is_coarse & ~is_far)

    def _plan(self, token_ids: Sequence[TokenIds], numbers: Numbers, world: World = ALONE) -> list[Numbers]:
        """Return batches of some reviews, the same in all processes."""
        lengths = np.array([len(token_ids[i]) for i in numbers], dtype=np.int64)
        if not len(numbers):
            return []
        budget = min(world.all_gather(self._find_budget(int(lengths.max()))))
        if self._pads:
            batches = plan_like_batches(lengths, budget=budget, enough=min(budget, _ENOUGH))
        else:
            batches = plan_equal_batches(lengths, budget=budget)[::-1]
        return [numbers[batch] for batch in batches]

    def _find_budget(self, longest: int) -> int:
        if self.device.type != "cuda":
            return _CPU_TOKENS
        # In float32 whatever runs, so that a batch may be answered again with another one queued.
        return choose_token_budget(find_free_bytes(self.device), count_token_bytes(self._config, longest=longest, bytes_each=4))

    def _launch(self, runner: Runner, token_ids: Sequence[TokenIds], numbers: Numbers) -> Callable[[], Logits]:
        return runner.launch(token_ids, [(batch, len(batch)) for batch in self._plan(token_ids, numbers)])

    def _share(
        self,
        runner: Runner,
        token_ids: Sequence[TokenIds],
        numbers: Numbers,
        world: World,
        advance: Callable[[int], None] = lambda n: None,
    ) -> Logits:
        """Return the logits `(N, 2)` of some reviews, each computed by one process; 0 of the others."""
        batches = self._plan(token_ids, numbers, world)
        return world.all_reduce(runner.launch(token_ids, world.shard(batches, len), advance)())


def _copy(model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
    """Return a copy of a model in another precision."""
    copied = copy.deepcopy(model)
    nn.Module.to(copied, dtype)
    return copied
