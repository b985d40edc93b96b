"""The scores out of fold that a run with `--folds` keeps: `evaluate` looks at them where there is no test split.

out_of_fold.npy     `(N,) float32`: the probability of positive of each review of the train split, in its order, from a top
                    that did not see it
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarity_cli.cache.publish import report_unwritable
from polarity_cli.errors import CheckpointError

NAME = "out_of_fold.npy"


def write_scores(folder: Path, y_score: NDArray[np.float64]) -> None:
    """Write the probabilities of positive of the train split, `(N,)`.

    Raises:
        CacheError: the disk refuses.
    """
    with report_unwritable(folder / NAME):
        np.save(folder / NAME, y_score.astype(np.float32), allow_pickle=False)


def read_scores(folder: Path, *, n: int) -> NDArray[np.float64] | None:
    """Return the probabilities of positive of N reviews, `(N,)`; None where the checkpoint has none.

    Raises:
        CheckpointError: the file is none that `write_scores` wrote for as many reviews; it may come from anywhere.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        scores = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path}: not the scores of a run with --folds.") from error
    if scores.shape != (n,) or scores.dtype != np.float32 or not bool(((scores >= 0) & (scores <= 1)).all()):
        raise CheckpointError(f"{path}: not the scores of {n:,} reviews.", hint="Copy the checkpoint again, or train it again.")
    y_score: NDArray[np.float64] = scores.astype(np.float64)
    return y_score
