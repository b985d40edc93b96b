"""What is known of reviews beside their scores, and what it says of them in words. A part of `scoring/checks`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from polarity_cli.scoring.assessment import Assessment, Scored
from polarity_cli.scoring.values import Check

_MUCH_CUT, _MUCH_BLANK, _MUCH_LEFT_OUT = 0.05, 0.5, 0.2
"""Shares of the rows from which on it is said."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What is known of the reviews beside their scores."""

    split: str
    """`test`, `validation`, `train`, `all`, or `out of fold`."""
    truncation: str = "head"
    n_trained: int | None = None
    """Reviews that the model was trained on; None where that is not known."""
    n_seen: int = 0
    """Reviews scored that stood in training exactly."""
    chose_epoch: bool = False
    """Whether the split that is scored chose the epoch, the temperature or the threshold."""
    n_read: int = 0
    """Rows of the source that had a text, used or left out."""
    n_neither: int = 0
    """Those that the label rule left out."""
    blank_columns: Mapping[str, float] = field(default_factory=dict)
    """Share of the rows in which a text column is blank."""
    is_weighted: bool = False
    """Whether the classes were weighted in training, which moves its scores on purpose."""


def check_texts(scored: Scored, assessment: Assessment, about: Circumstances) -> Iterator[Check]:
    """Say how many texts are cut, and which text columns are mostly blank."""
    n, n_cut = len(scored.y_true), int(scored.is_cut.sum())
    if n and n_cut > _MUCH_CUT * n:
        lost = {"head": "lose their end", "tail": "lose their beginning", "head-tail": "lose their middle"}[about.truncation]
        yield Check(
            "cut",
            f"{n_cut:,} of {count_reviews(n)} ({n_cut / n:.0%}) are cut at {scored.max_length} tokens and {lost}.",
            "Give more --max-length where the encoder can read more, or another --truncation.",
            is_warning=False,
        )
    for column, share in about.blank_columns.items():
        if share > _MUCH_BLANK:
            yield Check(
                "blank-column",
                f"The column {column} is blank in {share:.0%} of the rows.",
                "Is it the right one? --text names the columns to read.",
                is_warning=False,
            )


def check_labels(scored: Scored, assessment: Assessment, about: Circumstances) -> Iterator[Check]:
    """Say where the label rule leaves much out."""
    if about.n_read and about.n_neither > _MUCH_LEFT_OUT * about.n_read:
        yield Check(
            "left-out",
            f"The labels leave out {about.n_neither:,} of {about.n_read:,} rows, which are neither negative nor positive.",
            "Such texts will be answered all the same; --positive and --negative say what counts.",
            is_warning=False,
        )


def count_reviews(n: int) -> str:
    """Return a number of reviews in words."""
    return f"{n:,} {'review' if n == 1 else 'reviews'}"
