"""What is known of reviews and of a checkpoint beside scores: the training rows, copies, columns that divide the reviews."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.training_texts import find_hashes, read_hashes
from polarity_cli.config import Context
from polarity_cli.data.folds import divide_into_folds
from polarity_cli.data.own_columns import NumberedReviews
from polarity_cli.data.prepared import PreparedManifest
from polarity_cli.data.splits import review_key
from polarity_cli.data.tokenized import read_split
from polarity_cli.errors import CacheError, CheckpointError, UsageError
from polarity_cli.scoring.assessment import TrainingRows
from polarity_cli.scoring.circumstances import Circumstances
from polarity_cli.verbs.prepare import find_prepared

_MOST_READ_AGAIN = 100_000
"""Reviews whose files are read once more to see which have a title."""


def read_training_rows(checkpoint: Checkpoint, context: Context, *, out_of_fold: bool = False) -> TrainingRows | None:
    """Return the reviews that a checkpoint was trained on, while the cache has them; else None, and the observer is told.

    With `out_of_fold` they are what is scored, and have the folds of the run.
    """
    trained = checkpoint.manifest.data if checkpoint.manifest else None
    entry = find_prepared(context.cache_dir, trained.fingerprint) if trained else None
    if entry is None:
        if trained is not None:
            context.observer.note("No baselines stand beside: the reviews that it was trained on are not in this cache.")
        return None
    try:
        split = read_split(entry.folder / "train.arrow")
    except CacheError:
        return None
    n_folds = checkpoint.manifest.n_folds if checkpoint.manifest and out_of_fold else None
    folds = None
    if n_folds is not None and trained is not None:
        folds = divide_into_folds(split.texts, split.labels, n_folds=n_folds, seed=trained.seed)
    return TrainingRows(texts=split.texts, labels=split.labels, folds=folds)


def count_seen(folder: Path, texts: Iterable[str], context: Context) -> int | None:
    """Return how many texts stood in the training split of the checkpoint in a folder; None where it does not say.

    The texts are made of the columns that it reads, as those that it was trained on.
    """
    try:
        hashes = read_hashes(folder)
    except CheckpointError as error:
        context.observer.warn(f"{error} Whether reviews stood in training is not looked at.")
        return None
    if hashes is None:
        return None
    return int(find_hashes(hashes, map(review_key, texts)).sum())


def describe_circumstances(
    manifest: PreparedManifest, *, split: str, truncation: str, training: TrainingRows | None, n_seen: int, is_weighted: bool
) -> Circumstances:
    """Return what the checks need to know of how reviews were read."""
    n_used = sum(counts.n_rows for counts in manifest.splits.values())
    neither = manifest.left_out.get("neither")
    n_neither = sum(n for n in neither.values() if type(n) is int) if isinstance(neither, dict) else 0
    return Circumstances(
        split=split,
        truncation=truncation,
        n_trained=len(training.texts) if training is not None else None,
        n_seen=n_seen,
        chose_epoch=split == "validation",
        n_read=n_used + n_neither,
        n_neither=n_neither,
        is_weighted=is_weighted,
        blank_columns={column: n / max(1, n_used) for column, n in manifest.blank.items()},
    )


def read_groups(reviews: NumberedReviews, by: Sequence[str], text: Sequence[str]) -> dict[str, list[str]]:
    """Return what divides the reviews beside their length: a name for each review, by group.

    These are the columns `by`, and, where several columns make the text, whether the first of them is blank.

    Raises:
        UsageError: a column of `by` is not there, or the files are not.
    """
    titles = text[:-1] if len(reviews) <= _MOST_READ_AGAIN else ()
    if not by and not titles:
        return {}
    own = reviews.read_columns(range(len(reviews)))
    missing = [column for column in by if column not in own.columns]
    if missing:
        there = ", ".join(own.columns) if own.columns else "none, since their files are not there as they were read"
        raise UsageError(f"--by {missing[0]}: the reviews have no such column.", hint=f"Their columns: {there}.")
    rows = [own.rows.get(number, {}) for number in range(len(reviews))]
    groups = {column: [_name(row.get(column)) for row in rows] for column in by}
    for column in [column for column in titles if column in own.columns and column not in groups]:
        groups[column] = [f"{'without' if not _name(row.get(column)) else 'with'} {column}" for row in rows]
    return groups


def _name(value: object) -> str:
    return "" if value is None else str(value).strip()
