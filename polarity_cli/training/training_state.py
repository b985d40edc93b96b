"""What training changes: the top's weights, the optimizer, the progress and the best weights so far. Changed by `training/loop`.

Whenever the loop yields, all of it belongs to the same step, so that it can be saved, and restored to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from polarity_cli.records import EpochRecord, StepRecord
from polarity_cli.train_config import TrainConfig
from polarity_cli.training.fine_tuner import FineTuner, Metrics
from polarity_cli.training.optim import make_optimizer
from polarity_cli.training.state import Progress, Record, SavedState


class TrainingState:
    """A run's top, optimizer, progress, history and best weights; a new one stands before the first step."""

    def __init__(self, fine_tuner: FineTuner, config: TrainConfig) -> None:
        """Make the optimizer; with several processes, all do so at the same time."""
        adamw = make_optimizer(fine_tuner.top, learning_rate=config.learning_rate, weight_decay=config.weight_decay)
        self.fine_tuner = fine_tuner
        self.optimizer = fine_tuner.prepare(adamw)
        self.progress = Progress()
        self.history: list[Record] = []
        self._best: dict[str, Tensor] | None = None

    def record_steps(self, records: Sequence[StepRecord], *, seconds: float) -> None:
        """Count the steps taken; the epoch has taken `seconds` so far."""
        progress = self.progress
        progress.step = records[-1].step
        progress.position += len(records)
        for record in records:
            progress.total_loss += record.loss * record.n_reviews
            progress.n_reviews += record.n_reviews
        progress.seconds = seconds
        self.history += records

    def record_epoch(self, metrics: Metrics | None, *, seconds: float) -> EpochRecord:
        """Return the record of the epoch that ends, copy the weights if they are the best so far, and begin the next epoch.

        Args:
            metrics: of the validation split; without one the last epoch is the best.
            seconds: that the epoch took.
        """
        progress = self.progress
        is_best = metrics is None or _rank(metrics) > (progress.best_f1, -progress.best_log_loss)
        if metrics is not None and is_best:
            progress.best_f1, progress.best_log_loss = metrics["f1"] or 0.0, metrics["log_loss"] or 0.0
            progress.best_epoch, self._best = progress.epoch, self.fine_tuner.copy_top()
        record = EpochRecord(progress.epoch, progress.total_loss / max(1, progress.n_reviews), metrics, seconds, is_best)
        progress.epoch, progress.position = progress.epoch + 1, 0
        progress.total_loss, progress.n_reviews, progress.seconds = 0.0, 0, 0.0
        self.history.append(record)
        return record

    def use_best(self) -> None:
        """Put the best epoch's weights into the top, if epochs were compared."""
        if self._best is not None:
            self.fine_tuner.restore_top(self._best)

    @property
    def is_consistent(self) -> bool:
        """Whether the weights and the optimizer are those of the last step recorded: not so where a step broke off after it."""
        steps = {int(moments["step"]) for moments in self.optimizer.state_dict()["state"].values()}
        return steps == {self.progress.step}

    def export(self) -> SavedState:
        """Return all of it in plain values and tensors, which are not copied."""
        return SavedState(
            progress=self.progress,
            history=self.history,
            top=self.fine_tuner.get_top(),
            best=self._best,
            optimizer=self.optimizer.state_dict(),
            random=get_random_states(),
        )

    def restore(self, saved: SavedState) -> None:
        """Stand where `saved` stood, the random generators included."""
        self.fine_tuner.restore_top(saved.top)
        self.optimizer.load_state_dict(saved.optimizer)
        set_random_states(saved.random)
        self.progress, self.history, self._best = saved.progress, list(saved.history), saved.best


def _rank(metrics: Metrics) -> tuple[float, float]:
    """Return what an epoch is compared by: F1, and where that is equal, log loss."""
    return metrics["f1"] or 0.0, -(metrics["log_loss"] or 0.0)


def get_random_states() -> dict[str, Tensor]:
    """Return the states of torch's random generators, of the CPU and of each GPU."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda{index:03d}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def set_random_states(states: Mapping[str, Tensor]) -> None:
    """Put back what `get_random_states` gave; a run that goes on beside another number of GPUs draws anew on them."""
    torch.set_rng_state(states["cpu"])
    on_gpus = [states[name] for name in sorted(states) if name.startswith("cuda")]
    if on_gpus and torch.cuda.device_count() == len(on_gpus):
        torch.cuda.set_rng_state_all(on_gpus)
