"""The verb `evaluate`: score a checkpoint on labelled reviews, and list its mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache.entries import Entry
from polarity_cli.cache.hashes import hash_file
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.choose import find_checkpoint
from polarity_cli.checkpoint.classes import describe_guess
from polarity_cli.config import Context, EvaluateConfig
from polarity_cli.data.own_columns import NumberedReviews, SplitWithFiles
from polarity_cli.data.splits import review_key
from polarity_cli.distributed.cache_group import take_turns
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.errors import CheckpointError, UsageError
from polarity_cli.records import LABEL_NAMES
from polarity_cli.evaluation.reviews_to_score import ReviewsToScore, find_files, find_reviews
from polarity_cli.scoring.row_files import check_row_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polarity_cli.data.tokenized import TokenizedSplit

_SIGMOID = "Its head scores each class by itself (sigmoid); the metrics compare the two."


@dataclass(frozen=True)
class EvaluateResult:
    """How a checkpoint did on some reviews."""

    checkpoint: str
    """Its folder, or what it is called on the Hub."""
    source: str
    split: str
    """The split that was scored, or `all`."""
    scored: str
    """What was scored, in words and rows."""
    left_out: dict[str, Any]
    """Rows of the source that were not scored, by why."""
    metrics: dict[str, float | None]
    errors: Path | None
    n_seen_in_training: int | None
    """Reviews scored that stood in the training split; None where no source was named, or the checkpoint does not say."""


def evaluate(config: EvaluateConfig, context: Context, world: World = ALONE) -> EvaluateResult:
    """Score a checkpoint on labelled reviews: of a source its test split or all of it, else those of the training run.

    With several processes all call this, get the same result, and the main one writes the mistakes.

    Raises:
        PolarityError: the checkpoint, the data or the command line is wrong; each kind as its room raises it.
    """
    if world.is_main:
        check_row_file(config.errors, "--errors")
    checkpoint = _find_checkpoint(config, context, world)
    folder = checkpoint.folder
    checkpoint.find_positive(config.positive_class)  # before reviews are read for it
    reviews = take_turns(world, context.cache_dir, lambda: find_reviews(checkpoint, config, context))
    splits = reviews.manifest.splits
    missing = [name for name in reviews.names if name not in splits]
    if missing or not reviews.names:
        raise UsageError(
            f"--split {reviews.split}: {reviews.source} has no such split; it has {', '.join(sorted(splits))}.",
            hint="Choose one of those, or --split all for every row.",
        )
    from polarity_cli.data.tokenized import read_split

    parts = [read_split(reviews.entry.folder / f"{name}.arrow") for name in reviews.names]
    if world.state is not None:
        _check_same(folder, reviews.entry, world)
    n_seen = _count_seen(folder, parts, context) if config.sources else None
    metrics = _score(checkpoint, reviews, parts, config, context, world)
    world.leave()
    n_rows = sum(map(len, parts))
    scored = f"{n_rows:,} {'row' if n_rows == 1 else 'rows'}, {reviews.in_words}"
    left_out = dict(reviews.manifest.left_out)
    return EvaluateResult(checkpoint.name, reviews.source, reviews.split, scored, left_out, metrics, config.errors, n_seen)


def _find_checkpoint(config: EvaluateConfig, context: Context, world: World) -> Checkpoint:
    """Return the checkpoint that the main process finds; on a machine that lacks its folder, the same one from the Hub."""
    mine = find_checkpoint(config.checkpoint, context) if world.is_main else None
    answer = world.broadcast((mine.folder, mine.called) if mine else None)
    if mine is not None or answer is None:
        return mine or find_checkpoint(config.checkpoint, context)
    folder, called = answer
    return Checkpoint.open(folder, called) if folder.is_dir() or called is None else find_checkpoint(called, context)


def _check_same(folder: Path, entry: Entry, world: World) -> None:
    """Refuse to add up what machines find of different checkpoints or reviews."""
    content = [entry.folder.name, *(hash_file(path) for path in sorted(folder.glob("*.safetensors")))]
    if any(other != content for other in world.all_gather(content)):
        raise UsageError(
            f"{folder}: it, or the reviews, are not the same on every machine.", hint="Copy the same files to all of them."
        )


def _score(
    checkpoint: Checkpoint,
    reviews: ReviewsToScore,
    parts: list[TokenizedSplit],
    config: EvaluateConfig,
    context: Context,
    world: World,
) -> dict[str, float | None]:
    import numpy as np

    from polarity_cli.encoder.agreement import load_checkpoint
    from polarity_cli.inference.scores import compute_scores
    from polarity_cli.scoring.metrics import compute_metrics

    with context.observer.track("Loading the checkpoint"):
        loaded = load_checkpoint(checkpoint, positive_class=config.positive_class)
        engine = loaded.make_engine()
    token_ids = [ids for part in parts for ids in part.get_ids(range(len(part)))]
    with context.observer.track("Evaluating", len(token_ids)) as advance:
        logits = engine.compute_logits(token_ids, advance, world=world)
    notes = [describe_guess(loaded.class_names, config.positive_class), *loaded.notes, _SIGMOID if loaded.sigmoid else None]
    for note in notes:
        if note is not None:
            context.observer.note(note)
    y_score = compute_scores(logits)[:, loaded.positive]
    confidence = compute_scores(logits, sigmoid=loaded.sigmoid).max(1)
    y_true = np.concatenate([part.labels for part in parts])
    if config.errors is not None and world.is_main:
        _write_mistakes(config, find_numbered(checkpoint, reviews, parts, config, context), y_true, y_score, confidence)
    return compute_metrics(y_true, y_score)


def _count_seen(folder: Path, parts: list[TokenizedSplit], context: Context) -> int | None:
    """Return how many reviews stood in the checkpoint's training split, and say so where there are some."""
    from polarity_cli.checkpoint.training_texts import find_hashes, read_hashes

    try:
        hashes = read_hashes(folder)
    except CheckpointError as error:
        context.observer.warn(f"{error} Whether reviews stood in training is not looked at.")
        return None
    if hashes is None:
        return None
    n_seen = sum(int(find_hashes(hashes, map(review_key, part.iterate_texts())).sum()) for part in parts)
    if n_seen:
        n_all = sum(map(len, parts))
        context.observer.warn(f"{n_seen:,} of the {n_all:,} reviews scored stood in the training split; their scores say little.")
    return n_seen


def find_numbered(
    checkpoint: Checkpoint, reviews: ReviewsToScore, parts: list[TokenizedSplit], config: EvaluateConfig, context: Context
) -> NumberedReviews:
    """Return the reviews with the files that they were read from, where those are there as they were."""
    files = find_files(checkpoint, reviews, context)
    return NumberedReviews(
        [SplitWithFiles(part, files.get(name, ())) for name, part in zip(reviews.names, parts, strict=True)], config.read
    )


def _write_mistakes(
    config: EvaluateConfig,
    reviews: NumberedReviews,
    y_true: NDArray[np.int64],
    y_score: NDArray[np.float64],
    confidence: NDArray[np.float64],
) -> None:
    """Write the mistakes to the file that is asked for, the most confident first."""
    import numpy as np

    from polarity_cli.scoring.row_files import write_rows

    assert config.errors is not None  # else nobody asks
    y_pred = (y_score >= 0.5).astype(np.int64)
    wrong = np.flatnonzero(y_pred != y_true)
    numbers = wrong[np.argsort(-confidence[wrong], kind="stable")].tolist()
    added = [
        {
            "expected": LABEL_NAMES[int(y_true[number])],
            "predicted": LABEL_NAMES[int(y_pred[number])],
            "score": round(float(confidence[number]), 6),
        }
        for number in numbers
    ]
    write_rows(config.errors, reviews, numbers, added, flag="--errors", escaped=config.escape_formulas)
