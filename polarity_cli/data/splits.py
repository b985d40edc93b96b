"""Which split each review goes to: seeded, stratified by label, one review's copies never on two sides.

Between `data/sources` and `data/tokenized` on the road. Whether a review goes to test depends on its own text and the seed, not
on its place in the file, so a file with rows added or in another order keeps most of its split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from polarity_cli.errors import DataError
from polarity_cli.records import LABEL_NAMES, Review


def review_key(text: str) -> bytes:
    """Return what copies of a review share: its letters and digits in lower case, hashed to 16 bytes."""
    letters = "".join(filter(str.isalnum, text.casefold()))
    # A review of punctuation or emoji alone has no letters; its copies are those that are equal as they stand.
    return hashlib.blake2b((letters or text).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def split_reviews(reviews: Sequence[Review], *, fractions: dict[str, float], seed: int, rest: str) -> dict[str, list[Review]]:
    """Divide reviews among the splits named in `fractions` (each 0 to 1 of the reviews) and `rest`.

    Each split takes its fraction of each label, rounded, and at least one review where the fraction is not 0; a review and its
    copies go together. Reviews keep their order within a split. Where many rows of a label are copies of a few reviews, those
    stay together in `rest` and the other splits in turn, as far as they go.

    Raises:
        DataError: a label has too few reviews to be on every side.
    """
    groups: dict[bytes, list[int]] = {}
    for index, review in enumerate(reviews):
        groups.setdefault(review_key(review.text), []).append(index)
    where = [rest] * len(reviews)
    wanted = {name: fraction for name, fraction in fractions.items() if fraction > 0}
    for label in sorted({review.label for review in reviews}):
        members = [group for group in groups.items() if _label_of(group[1], reviews) == label]
        n_rows = sum(len(indices) for _, indices in members)
        if n_rows <= len(wanted):
            raise DataError(
                f"{len(members)} different {LABEL_NAMES[label]} reviews cannot be split into {rest}, {', '.join(wanted)}.",
                hint="Add reviews, or leave splits out: --test 0 --validation 0 in training, --split all in evaluation.",
            )
        members.sort(key=lambda group: hashlib.blake2b(group[0], key=str(seed).encode()[:64], digest_size=16).digest())
        reached = dict(list(wanted.items())[: len(members) - 1])
        _deal([indices for _, indices in members], reached, where)
    return {name: [r for r, side in zip(reviews, where, strict=True) if side == name] for name in (rest, *fractions)}


def _label_of(indices: list[int], reviews: Sequence[Review]) -> int:
    return round(sum(reviews[index].label for index in indices) / len(indices))


def _deal(groups: list[list[int]], wanted: dict[str, float], where: list[str]) -> None:
    """Give each split in turn groups until it has its share, always leaving one group for every split that follows."""
    n_reviews = sum(map(len, groups))
    position = 0
    for n_given, (name, fraction) in enumerate(wanted.items()):
        target, taken = max(1, round(fraction * n_reviews)), 0
        last = len(groups) - (len(wanted) - n_given)
        while position < last and taken < target:
            for index in groups[position]:
                where[index] = name
            taken += len(groups[position])
            position += 1
