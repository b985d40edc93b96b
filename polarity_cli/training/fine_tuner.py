"""A model cut in two on the run's device: logits of reviews from kept features or from tokens, and one step of training.

Next on the road: `training/loop`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polarity_cli.data.batches import Batch, pad
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.distributed.world import ALONE, World, report_lost
from polarity_cli.encoder.fast.linear import use_packed_linears
from polarity_cli.encoder.logits import fill_logits, get_token_budget
from polarity_cli.encoder.trunk import Trunk, replace_modules
from polarity_cli.features.store import Features
from polarity_cli.inference.scores import compute_scores
from polarity_cli.scoring.metrics import compute_metrics

if TYPE_CHECKING:
    from accelerate import Accelerator


Metrics = dict[str, float | None]
MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class Examples:
    """One split's reviews, with their features where they are kept."""

    split: TokenizedSplit
    features: Features | None = None

    def __len__(self) -> int:
        return len(self.split)


@dataclass
class FineTuner:
    """A model cut in two, on the run's device, and how to run it."""

    trunk: Trunk | None
    top: nn.Module
    accelerator: Accelerator
    pad_id: int
    world: World = ALONE
    seed: int = 0

    def __post_init__(self) -> None:
        self._wrapped_top: nn.Module | None = None
        self._class_weights: Tensor | None = None
        if self.trunk is not None:
            self.trunk.to(self.accelerator.device)
        self.top.to(self.accelerator.device)
        self._packed: Trunk | None = None

    def prepare(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Let Accelerate take the top and its optimizer, and return the optimizer that it gives.

        With several processes the top begins with the main one's weights, and `train_step` takes the mean of all gradients.
        """
        with report_lost():
            if self._wrapped_top is not None:  # of an earlier fold, whose optimizer is let go
                self.accelerator.free_memory()
                return self.accelerator.prepare(optimizer)  # type: ignore[no-any-return]
            self._wrapped_top, prepared = self.accelerator.prepare(self.top, optimizer)
        return prepared  # type: ignore[no-any-return]

    def weigh_classes(self, weights: str | None, labels: NDArray[np.int64]) -> None:
        """Let each review's loss count by its class from now on: `balanced` gives both classes the same sum, None each review.

        Args:
            weights: `balanced` or None.
            labels: `(N,)`, of the reviews that are trained on; both classes are among them.
        """
        self._class_weights = None
        if weights is not None:
            counts = np.bincount(labels, minlength=2)
            shares = len(labels) / (2 * counts)
            self._class_weights = torch.tensor(shares, dtype=torch.float32, device=self.accelerator.device)

    def seed_step(self, step: int) -> None:
        """Seed a step's dropout by its number and the rank, where there are several processes.

        So each drops out values of its own, and a state to resume from need not hold every rank's generator.
        """
        if self.world.size > 1:
            sequence = np.random.SeedSequence([self.seed, step, self.world.rank])
            torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0]))

    def train_step(self, examples: Examples, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        """Take one optimizer step on a batch and return its mean loss before the step, in nats, on the device.

        Each process takes a part of the batch; the loss and the gradient are those of the whole.
        """
        loss = self._backward(examples, batch)
        self.accelerator.clip_grad_norm_(self.top.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    def _backward(self, examples: Examples, batch: Batch) -> Tensor:
        """Add the gradient of a batch to the weights that train, and return its mean loss."""
        n, index = self.world.size, self.world.rank
        part = batch[index::n]  # a batch is sorted by length, so all parts have about as many tokens
        weight = len(part) / len(batch)
        if not len(part):
            part = batch[:1]  # all must take part in adding up
        labels = torch.from_numpy(examples.split.labels[part]).to(self.accelerator.device)  # (B,)
        with report_lost():
            loss = self._compute_loss(self.forward(examples, part, top=self._wrapped_top), labels) * weight
            self.accelerator.backward(loss * n)  # the gradients' mean over processes is taken
            total: Tensor = self.accelerator.reduce(loss.detach(), "sum")
        return total

    def _compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy of logits `(B, 2)`, each review's times the weight of its class."""
        if self._class_weights is None:
            return nn.functional.cross_entropy(logits, labels)
        losses = nn.functional.cross_entropy(logits, labels, reduction="none")  # (B,)
        return (losses * self._class_weights[labels]).mean()

    def forward_trunk(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Return the hidden states at the cut for token ids and mask `(B, T)`; the ids themselves where there is no trunk."""
        if self.trunk is None:
            return input_ids
        if self._packed is None:
            # The packed weights are float32, and take no states of another precision.
            packed = use_packed_linears(self.trunk) if self.accelerator.mixed_precision == "no" else {}
            self._packed = replace_modules(self.trunk, packed)
        with self.accelerator.autocast():
            hidden: Tensor = self._packed(input_ids, mask)
        return hidden

    def free_packed_trunk(self) -> None:
        """Free the trunk's packed weights, which `forward_trunk` makes again when it needs them."""
        self._packed = None

    def forward(self, examples: Examples, batch: Batch, *, top: nn.Module | None = None) -> Tensor:
        """Return the logits `(B, 2) float32` of some reviews; `top` is the top as Accelerate wraps it for training."""
        device = self.accelerator.device
        if examples.features is None:
            ids, mask = (torch.from_numpy(array).to(device) for array in pad(examples.split.get_ids(batch), pad_id=self.pad_id))
            hidden = self.forward_trunk(ids, mask)  # (B, T, H)
            mask = mask[:, : hidden.shape[1]]
        else:
            features, mask = examples.features.read(batch)
            hidden, mask = features.to(device).float(), mask.to(device)  # (B, T, H)
        with self.accelerator.autocast():
            logits: Tensor = (top or self.top)(hidden, mask)  # (B, 2)
        return logits.float()

    def compute_metrics(self, examples: Examples, logits: NDArray[np.float64]) -> Metrics:
        """Return the metrics of a split from its logits `(N, 2)`."""
        return compute_metrics(examples.split.labels, compute_scores(logits)[:, 1])

    def compute_logits(
        self,
        examples: Examples,
        numbers: Batch,
        *,
        world: World | None = None,
        advance: Callable[[int], None] = lambda n: None,
    ) -> NDArray[np.float64]:
        """Return the logits `(N, 2)` of some reviews of a split, as `fill_logits` gives them, and tell how many are done."""
        logits = np.zeros((len(numbers), 2))
        for n_done in self.fill_logits(logits, examples, numbers, world=world):
            advance(n_done)
        return logits

    def fill_logits(
        self, logits: NDArray[np.float64], examples: Examples, numbers: Batch | None = None, *, world: World | None = None
    ) -> Iterator[int]:
        """Fill `logits (N, 2)` with those of the reviews of these numbers, by default all of a split, in eval mode.

        Yields after each batch how many more reviews are done. All processes share the work, unless `world` says who does.
        """
        if numbers is None:
            numbers = np.arange(len(examples))
        self.top.eval()
        yield from fill_logits(
            logits,
            lambda batch: self.forward(examples, numbers[batch]),
            examples.split.lengths[numbers],
            budget=get_token_budget(self.accelerator.device),
            world=world or self.world,
        )

    def get_top(self) -> dict[str, Tensor]:
        """Return the weights that train, not copied."""
        return {name: p.detach() for name, p in self.top.named_parameters() if p.requires_grad}

    def copy_top(self) -> dict[str, Tensor]:
        """Return a copy of the weights that train."""
        return {name: weight.clone() for name, weight in self.get_top().items()}

    def restore_top(self, weights: dict[str, Tensor]) -> None:
        """Put back weights that `copy_top` gave."""
        with torch.no_grad():
            for name, parameter in self.top.named_parameters():
                if name in weights:
                    parameter.copy_(weights[name])
