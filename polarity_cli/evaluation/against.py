"""Let another checkpoint answer the same reviews, read as it reads them, and compare the two. Used by the verb `evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.config import Context
from polarity_cli.data.own_columns import NumberedReviews
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.errors import UsageError
from polarity_cli.evaluation.answers import AnswerOptions, Answers, answer_reviews, open_to_answer
from polarity_cli.scoring.compare import compare
from polarity_cli.scoring.values import Comparison
from polarity_cli.text import join_text


@dataclass(frozen=True)
class Contest:
    """Two checkpoints on the same reviews."""

    name: str
    """What the other one is called."""
    comparison: Comparison
    differing: tuple[int, ...]
    """The reviews to which they give different labels, those first on which they are furthest apart."""
    other: Answers


def let_other_answer(
    other: Checkpoint,
    reviews: NumberedReviews,
    text: Sequence[str],
    context: Context,
    *,
    precision: str | None,
    world: World = ALONE,
) -> Answers:
    """Return another checkpoint's answers for the same reviews, each read from the columns that it was trained on.

    Args:
        other: that answers.
        reviews: all of them.
        text: the columns from which the first checkpoint's texts were made.
        context: who is told.
        precision: what answers, as for the first one.
        world: the processes that share the work.

    Raises:
        UsageError: it reads other columns, and the files that hold them are not there.
    """
    options = AnswerOptions(precision=precision)
    texts = _read_texts(other, reviews, text, context)
    model = open_to_answer(other, options, context, own_texts=texts[:1000])
    token_ids = model.load_tokenizer().encode([text or " " for text in texts])
    return answer_reviews(model, token_ids, context=context, task=f"Evaluating {other.name}", world=world)


def _read_texts(other: Checkpoint, reviews: NumberedReviews, text: Sequence[str], context: Context) -> list[str]:
    """Return the reviews' texts as the other checkpoint reads them."""
    numbers = range(len(reviews))
    if other.text is None or tuple(other.text) == tuple(text):
        return [reviews.get_text(number) for number in numbers]
    own = reviews.read_columns(numbers)
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
        return [reviews.get_text(number) for number in numbers]
    context.observer.note(f"{other.name} reads {wanted}, as it was trained.")
    return [join_text(str(own.rows.get(number, {}).get(column) or "") for column in other.text or ()) for number in numbers]


def hold_contest(y_true: NDArray[np.int64], first: Answers, other: Answers, names: tuple[str, str]) -> Contest:
    """Return how two checkpoints compare, the second of which is the other one."""
    comparison = compare(y_true, first.y_score, other.y_score, thresholds=(first.threshold, other.threshold), names=names)
    apart = np.flatnonzero(first.y_pred != other.y_pred)
    order = apart[np.argsort(-np.abs(first.y_score - other.y_score)[apart], kind="stable")]
    return Contest(names[1], comparison, tuple(order.tolist()), other)
