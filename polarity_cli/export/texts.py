"""Which texts a checkpoint's graphs are checked on. Used by the verbs `train` and `export`; next: `export/export`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sized

Split = TypeVar("Split", bound="Sized")
_N_CHECKED = 1000
"""Most reviews on which graphs are compared with the model: enough to see whether int8 turns 0.5% of the labels."""


def choose_texts(splits: Mapping[str, Split]) -> tuple[Split, NDArray[np.int64]]:
    """Return the split whose texts graphs are checked on, and the numbers of these texts, evenly apart.

    It is the validation split, or fewer training reviews where there is none: the model has seen those, and is surer of them.
    """
    name, most = ("validation", _N_CHECKED) if "validation" in splits else ("train", _N_CHECKED // 4)
    split = splits[name]
    return split, np.arange(0, len(split), -(-len(split) // most))
