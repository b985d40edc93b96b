"""Divide the reviews of a split into folds: seeded, stratified by label, and the copies of a review always in one fold.

Used by the verb `train` for `--folds`, and again by `evaluate`, which finds the same folds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from polarity_cli.data.splits import review_key
from polarity_cli.errors import DataError
from polarity_cli.records import LABEL_NAMES


def divide_into_folds(texts: Iterable[str], labels: NDArray[np.int64], *, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each review, `(N,) int64` from 0 to `n_folds - 1`.

    Which fold a review is in depends on its own text, its label, and the others of its label; not on where it stands in the file.

    Args:
        texts: of the N reviews.
        labels: `(N,)`: 0 negative, 1 positive.
        n_folds: how many there are.
        seed: of the order in which they are dealt out.

    Raises:
        DataError: a label has fewer different reviews than there are folds.
    """
    groups: dict[bytes, list[int]] = {}
    for index, text in enumerate(texts):
        groups.setdefault(review_key(text), []).append(index)
    folds = np.zeros(len(labels), dtype=np.int64)
    by_label: dict[int, list[tuple[bytes, list[int]]]] = {}
    for key, indices in groups.items():
        by_label.setdefault(round(float(labels[indices].mean())), []).append((key, indices))
    n_all = [0] * n_folds
    salt = str(seed).encode()[:64]
    for label, members in sorted(by_label.items()):
        if len(members) < n_folds:
            raise DataError(
                f"{len(members)} different {LABEL_NAMES[label]} reviews cannot be divided into {n_folds} folds.",
                hint=f"Add reviews, or give --folds {max(2, len(members))}.",
            )
        members.sort(key=lambda group: hashlib.blake2b(group[0], key=salt, digest_size=16).digest())
        n_rows = [0] * n_folds
        for _, indices in members:
            fold = min(range(n_folds), key=lambda fold: (n_rows[fold], n_all[fold]))
            folds[indices] = fold
            n_rows[fold] += len(indices)
            n_all[fold] += len(indices)
    return folds
