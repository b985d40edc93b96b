"""Split reviews: seeded, stratified by label, and the copies of a review always in one split.

Used by `data/divide`. Whether a review goes to test depends on its own text and the seed, not
on its place in the file, so a file with rows added or in another order keeps most of its split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from polarity_cli.errors import DataError
from polarity_cli.records import LABEL_NAMES, Review


def review_key(text: str) -> bytes:
    """Return a key that copies of a review share: a hash of its letters and digits in lower case, 16 bytes."""
    letters = "".join(filter(str.isalnum, text.casefold()))
    # A review of punctuation or emoji alone has no letters; its copies are those that are equal as they stand.
    return hashlib.blake2b((letters or text).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def split_reviews(reviews: Sequence[Review], *, fractions: dict[str, float], seed: int, rest: str) -> dict[str, list[Review]]:
    """Return the reviews by split: those named in `fractions` (each 0 to 1 of the reviews) and `rest`.

    Each split takes its fraction of each label, rounded, and at least one review where the fraction is not 0; a review and its
    copies go together. Reviews keep their order within a split. Where a label has fewer different reviews than there are splits,
    `rest` gets one first, then the other splits in turn.

    Raises:
        DataError: a label has too few reviews for every split to have one.
    """
    groups: dict[bytes, list[int]] = {}
    for index, review in enumerate(reviews):
        groups.setdefault(review_key(review.text), []).append(index)
    where = [rest] * len(reviews)
    shares = {name: fraction for name, fraction in fractions.items() if fraction > 0}
    for label in sorted({review.label for review in reviews}):
        members = [group for group in groups.items() if _label_of(group[1], reviews) == label]
        n_rows = sum(len(indices) for _, indices in members)
        if n_rows <= len(shares):
            raise DataError(
                f"{len(members)} different {LABEL_NAMES[label]} reviews cannot be split into {rest}, {', '.join(shares)}.",
                hint="Add reviews, or leave splits out: --test 0 --validation 0 in training, --split all in evaluation.",
            )
        members.sort(key=lambda group: hashlib.blake2b(group[0], key=str(seed).encode()[:64], digest_size=16).digest())
        reached = dict(list(shares.items())[: len(members) - 1])
        _assign([indices for _, indices in members], reached, where)
    return {name: [r for r, side in zip(reviews, where, strict=True) if side == name] for name in (rest, *fractions)}


def _label_of(indices: list[int], reviews: Sequence[Review]) -> int:
    return round(sum(reviews[index].label for index in indices) / len(indices))


def _assign(groups: list[list[int]], shares: dict[str, float], where: list[str]) -> None:
    """Write each split's name into `where` for its share of the groups, and leave a group for every split that follows."""
    n_reviews = sum(map(len, groups))
    position = 0
    for number, (name, fraction) in enumerate(shares.items()):
        target, n_rows = max(1, round(fraction * n_reviews)), 0
        last = len(groups) - (len(shares) - number)
        while position < last and n_rows < target:
            for index in groups[position]:
                where[index] = name
            n_rows += len(groups[position])
            position += 1
