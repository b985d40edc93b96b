"""Answer labelled reviews with a checkpoint, by what `predict` would answer with. Used by the verb `evaluate`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polarity_cli.cache.hashes import hash_file
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.out_of_fold import NAME as SCORES
from polarity_cli.checkpoint.out_of_fold import read_scores
from polarity_cli.config import AUTO, Context
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.errors import CheckpointError
from polarity_cli.inference.scores import compute_scores
from polarity_cli.scoring.metrics import THRESHOLD
from polarity_cli.verbs.choose_device import choose_device
from polarity_cli.verbs.open_model import WEIGHTS, OpenedModel, open_model

if TYPE_CHECKING:
    from polarity_cli.data.tokenizing import TokenIds

_SIGMOID = "Its head scores each class by itself (sigmoid); the metrics compare the two."


@dataclass(frozen=True)
class Answers:
    """What a checkpoint answered for N reviews."""

    y_score: NDArray[np.float64]
    """`(N,)`: the probability of positive, 0 to 1."""
    shown: NDArray[np.float64]
    """`(N, 2)`: the scores of negative and positive that `predict` shows; of a sigmoid head they do not add up to 1."""
    threshold: float
    """From this probability of positive on the answer is positive."""
    precision: str
    """What answered: `int8` or `fp32`, a graph, `weights`, or `bf16`, the weights in bfloat16."""
    seconds: float
    """That answering took, without loading."""
    device: str = "cpu"
    """Where it answered: `cpu`, or a GPU, `cuda:0`."""

    @property
    def y_pred(self) -> NDArray[np.int64]:
        """`(N,)`: 0 negative, 1 positive."""
        return (self.y_score >= self.threshold).astype(np.int64)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """`(N,)`: the score of the label that was answered."""
        chosen: NDArray[np.float64] = self.shown[np.arange(len(self.shown)), self.y_pred]
        return chosen


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """How a checkpoint is asked."""

    precision: str | None = None
    """None takes what `predict` answers with."""
    positive_class: str | None = None
    threshold: float | None = None
    """From which on the answer is positive; None takes the checkpoint's own, else 0.5."""
    device: str = AUTO
    """Of `--device`."""


def open_to_answer(
    checkpoint: Checkpoint, options: AnswerOptions, context: Context, *, own_texts: Sequence[str] = ()
) -> OpenedModel:
    """Return what answers for a checkpoint: by default its graph, and the weights where it has none or there is a GPU.

    Raises:
        CheckpointError, UsageError: see `open_model`.
    """
    device = choose_device(options.device, options.precision)
    with context.observer.track("Loading the checkpoint"):
        model = open_model(
            checkpoint,
            context,
            precision=options.precision,
            positive_class=options.positive_class,
            threshold=options.threshold,
            own_texts=own_texts,
            makes_graphs=False,
            device=device,
        )
    if model.sigmoid:
        context.observer.note(_SIGMOID)
    return model


def answer_reviews(
    model: OpenedModel,
    token_ids: Sequence[TokenIds],
    *,
    context: Context,
    task: str = "Evaluating",
    world: World = ALONE,
) -> Answers:
    """Return a model's answers for reviews given as token ids, which processes share if they all call this.

    Args:
        model: see `open_to_answer`.
        token_ids: of its tokenizer.
        context: who is shown progress.
        task: what the progress is called.
        world: the processes that share the work.

    Raises:
        CheckpointError, PolarityError: the model cannot read a review, or its answer is not finite.
    """
    started = time.perf_counter()
    with context.observer.track(task, len(token_ids), unit="reviews") as advance:
        logits = model.engine.compute_logits(token_ids, advance, world=world)
    model.engine.close()
    order = [1 - model.positive, model.positive]
    shown = compute_scores(logits, sigmoid=model.sigmoid)[:, order]
    # The two scores of a sigmoid head are compared, as its label is; with a threshold its own score of positive counts.
    y_score = shown[:, 1] if model.threshold is not None else compute_scores(logits)[:, model.positive]
    return Answers(
        y_score=y_score,
        shown=shown,
        threshold=THRESHOLD if model.threshold is None else model.threshold,
        precision=model.precision,
        seconds=time.perf_counter() - started,
        device=model.device,
    )


def read_out_of_fold(checkpoint: Checkpoint, model: OpenedModel, y_true: NDArray[np.int64]) -> Answers:
    """Return the scores that the tops of the folds gave the training rows, `(N,)` of them, as the run kept them.

    Raises:
        CheckpointError: they are missing or damaged, or another run's.
    """
    path, manifest = checkpoint.folder / SCORES, checkpoint.manifest
    kept = manifest.files.get(SCORES) if manifest is not None else None
    if kept is not None and path.is_file() and hash_file(path) != kept:
        raise CheckpointError(
            f"{path}: not the scores that the training run wrote.", hint="Copy the checkpoint again, or train it again."
        )
    y_score = read_scores(checkpoint.folder, n=len(y_true))
    if y_score is None:
        raise CheckpointError(
            f"{checkpoint.name}: its scores out of fold are missing.", hint="Train again, or score other reviews: SOURCE."
        )
    shown = np.stack([1 - y_score, y_score], axis=1)[:, [1 - model.positive, model.positive]]
    return Answers(
        y_score=shown[:, 1],
        shown=shown,
        threshold=THRESHOLD if model.threshold is None else model.threshold,
        precision=WEIGHTS,
        seconds=0.0,
    )
