"""Cross-validation over one pass through the trunk: a top for each fold, trained without the reviews that it then scores.

Next on the road: `training/outcome`, which makes of the scores what the manifest says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polarity_cli.inference.scores import compute_scores
from polarity_cli.scoring.metrics import compute_metrics
from polarity_cli.training.fine_tuner import FineTuner
from polarity_cli.training.training_state import get_random_states, set_random_states

if TYPE_CHECKING:
    from polarity_cli.training.resume import ResumableRun
    from polarity_cli.training.run import Run


def cross_validate(run: Run, folds: NDArray[np.int64], resumable: ResumableRun | None) -> NDArray[np.float64]:
    """Return the logits `(N, 2)` of the train split, each review's from a top that did not see it.

    Each fold's top begins with the same weights, those that the run began with, and is trained as the whole run is, for as many
    epochs; the best epoch is not looked for, since nothing that is scored may choose. The run's weights and random states are as
    before when it returns, so that the model of all rows is the one that would have been without folds.

    Args:
        run: whose train split is divided; all of its processes call this.
        folds: `(N,)`, the fold of each review.
        resumable: the main process's states, of which each fold has its own.

    Raises:
        RunStoppedError, DivergedError, UsageError, CacheError: as `Run.fit`.
    """
    train, n_folds = run.examples["train"], int(folds.max()) + 1
    logits = np.zeros((len(train), 2))
    with _begin_again(run.fine_tuner) as initial:
        for fold in range(n_folds):
            held_out, rows = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            run.fine_tuner.restore_top(initial)
            run.fine_tuner.weigh_classes(run.config.class_weights, train.split.labels[rows])
            torch.manual_seed(int(np.random.SeedSequence([run.config.data.seed, fold]).generate_state(1, np.uint64)[0]))
            states = resumable.open_fold(fold + 1) if resumable is not None else None
            name = f"Fold {fold + 1} of {n_folds}"
            run.fit_plan(run.plan_epochs(rows), states, validation=None, fold=name)
            logits[held_out] = run.fine_tuner.compute_logits(train, held_out)
            metrics = compute_metrics(train.split.labels[held_out], compute_scores(logits[held_out])[:, 1])
            run.context.observer.note(f"{name}: F1 {metrics['f1'] or 0.0:.4f} on {len(held_out):,} reviews that it did not see")
    return logits


@contextmanager
def _begin_again(fine_tuner: FineTuner) -> Iterator[dict[str, Tensor]]:
    """Give the weights that the top has now; put them and the random states back after the block, and drop its optimizers."""
    initial, random = fine_tuner.copy_top(), get_random_states()
    yield initial
    fine_tuner.restore_top(initial)
    set_random_states(random)
