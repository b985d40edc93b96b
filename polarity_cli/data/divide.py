"""Divide labelled reviews into train, validation and test: a source's own splits, and shares of its train rows for the rest.

After `data/reviews`, by the rules of `data/splits`. Next: `data/tokenized`.
"""

from __future__ import annotations

from polarity_cli.config import DataConfig
from polarity_cli.data.labels import check_both_classes
from polarity_cli.data.reviews import LabelledReviews
from polarity_cli.data.splits import review_key, split_reviews
from polarity_cli.errors import DataError
from polarity_cli.records import LABEL_NAMES, NEGATIVE, POSITIVE, Review


def divide_reviews(reviews: LabelledReviews, config: DataConfig) -> tuple[dict[str, list[Review]], list[str]]:
    """Return train, validation and test, and notes for the user; no review has copies in two splits.

    Raises:
        DataError: a split cannot be made, since a class has no reviews or too few.
    """
    splits: dict[str, list[Review]] = {}
    notes: list[str] = []
    held_out: set[bytes] = set()
    for name in ("test", "validation", "train"):  # the first that has a review keeps it
        members = reviews.splits.get(name, [])
        splits[name] = [review for review in members if review_key(review.text) not in held_out] if held_out else members
        if len(splits[name]) < len(members):
            n_lost = len(members) - len(splits[name])
            notes.append(f"Left out {n_lost:,} {name} rows whose review stands in another split too.")
        held_out |= {review_key(review.text) for review in members}
    train = splits.pop("train")
    notes += [f"The {name} file has no reviews of its own." for name in reviews.splits if name != "train" and not splits[name]]
    splits = {name: members for name, members in splits.items() if members}
    fractions = {"test": config.test, "validation": config.validation}
    missing = {name: fraction for name, fraction in fractions.items() if name not in splits}
    if not train:
        return splits, notes
    if len({review.label for review in train}) == 1 and any(missing.values()):
        _refuse_one_class(train, config)
    divided = {**split_reviews(train, fractions=missing, seed=config.seed, rest="train"), **splits}
    return divided, [*notes, *_note_missing_classes(divided, missing)]


def _note_missing_classes(splits: dict[str, list[Review]], shares: dict[str, float]) -> list[str]:
    """Return notes on splits that have no review of a class, since too many rows are copies of each other."""
    notes = []
    for label, name in enumerate(LABEL_NAMES):
        without = [split for split, share in shares.items() if share and not any(r.label == label for r in splits[split])]
        if without:
            n_different = len({review_key(r.text) for members in splits.values() for r in members if r.label == label})
            notes.append(
                f"Only {n_different} of the {name} reviews differ, the others are copies; none is in the {' or '.join(without)} "
                "split, whose scores say little."
            )
    return notes


def _refuse_one_class(reviews: list[Review], config: DataConfig) -> None:
    counts = {label: sum(review.label == label for review in reviews) for label in (NEGATIVE, POSITIVE)}
    check_both_classes(counts, config.source)
    raise DataError(f"{config.source}: reviews of one class only.")
