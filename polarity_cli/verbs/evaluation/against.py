"""Let another checkpoint answer the same reviews, read as it reads them, and compare the two. Used by the verb `evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.classes import find_positive_class
from polarity_cli.config import Context
from polarity_cli.data.label_values import normalise_label
from polarity_cli.data.own_columns import NumberedReviews
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.errors import CheckpointError, UsageError
from polarity_cli.scoring.circumstances import count_reviews
from polarity_cli.scoring.compare import compare
from polarity_cli.scoring.values import Check, Comparison
from polarity_cli.text import join_text
from polarity_cli.verbs.evaluation.answers import AnswerOptions, Answers, answer_reviews, open_to_answer


@dataclass(frozen=True)
class Contest:
    """Two checkpoints on the same reviews."""

    name: str
    """What the other one is called."""
    comparison: Comparison
    differing: tuple[int, ...]
    """The reviews to which they give different labels, those first on which they are furthest apart."""
    other: Answers
    n_seen: int | None
    """Reviews that stood in the training split of the other one; None where it does not say."""


def share_positive_class(asked: str | None, first: Checkpoint, other: Checkpoint) -> tuple[str | None, str | None]:
    """Return what `--positive-class` says to each of two checkpoints; None where the names of the classes tell by themselves.

    It decides for the first one, unless that has no class of the name and the other one has; and for the other one where
    nothing else tells which of its classes is positive.
    """
    if asked is None:
        return None, None
    by_name = [
        any(normalise_label(name) == normalise_label(asked) for name in one.class_names.values()) for one in (first, other)
    ]
    try:
        find_positive_class(other.class_names, None, other.name)
    except CheckpointError:
        return (None if by_name == [False, True] else asked), asked
    return asked, None


def let_other_answer(
    other: Checkpoint, texts: Sequence[str], options: AnswerOptions, context: Context, *, world: World = ALONE
) -> Answers:
    """Return another checkpoint's answers for the same reviews.

    Args:
        other: that answers.
        texts: the reviews as it reads them; see `read_as_other`.
        options: how it is asked.
        context: who is told.
        world: the processes that share the work.

    Raises:
        CheckpointError: see `open_model`.
    """
    model = open_to_answer(other, options, context, own_texts=texts[:1000])
    token_ids = model.load_tokenizer().encode([text or " " for text in texts])
    return answer_reviews(model, token_ids, context=context, task=f"Evaluating {other.name}", world=world)


def read_as_other(other: Checkpoint, reviews: NumberedReviews, text: Sequence[str], context: Context) -> list[str]:
    """Return the reviews' texts as another checkpoint reads them: from the columns that it was trained on.

    `text` names the columns from which the first checkpoint's texts were made. Where the reviews lack a column of the other
    one, it reads those.

    Raises:
        UsageError: it reads other columns, and the files that hold them are not there.
    """
    if other.text is None or tuple(other.text) == tuple(text):
        return reviews.list_texts()
    own = reviews.read_columns(range(len(reviews)))
    wanted = ", ".join(other.text)
    if not own.rows:
        raise UsageError(
            f"--against {other.name}: it reads {wanted}, and the reviews' files are not there as they were read.",
            hint="Name the reviews: polarity evaluate CHECKPOINT reviews.csv --against OTHER",
        )
    if not set(other.text) <= set(own.columns):
        context.observer.note(
            f"{other.name} was trained on {wanted}, which these reviews lack; it reads what the other one reads."
        )
        return reviews.list_texts()
    context.observer.note(f"{other.name} reads {wanted}, as it was trained.")
    return [join_text(str(own.rows.get(number, {}).get(column) or "") for column in other.text) for number in range(len(reviews))]


def hold_contest(
    y_true: NDArray[np.int64], first: Answers, other: Answers, names: tuple[str, str], *, n_seen: int | None = None
) -> Contest:
    """Return how two checkpoints compare, the second of which is the other one, which saw `n_seen` of the reviews in training."""
    comparison = compare(y_true, first.y_score, other.y_score, thresholds=(first.threshold, other.threshold), names=names)
    apart = np.flatnonzero(first.y_pred != other.y_pred)
    order = apart[np.argsort(-np.abs(first.y_score - other.y_score)[apart], kind="stable")]
    return Contest(names[1], comparison, tuple(order.tolist()), other, n_seen)


def check_contest(contest: Contest) -> tuple[Check, ...]:
    """Return a warning where the other checkpoint was trained on reviews that are scored."""
    if not contest.n_seen:
        return ()
    return (
        Check(
            "seen-by-other",
            f"{contest.name} was trained on {contest.n_seen:,} of {count_reviews(contest.comparison.n)}, which flatters it.",
            "Compare the two on reviews that neither was trained on.",
        ),
    )
