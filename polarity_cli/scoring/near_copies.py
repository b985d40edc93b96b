"""Texts that stand, as they are or nearly, among other texts: test reviews that a model has seen. The verbs warn of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
MOST_TEXTS = 10_000
MOST_OTHERS = 60_000
"""Of more, a sample with a seed is looked at: so many of 700 characters take 7 seconds and 500 MB, twice as many up to 20."""
_SEED = 42
_MIN_WORDS = 6
_WORD = re.compile(r"\w+")
_N_HASHES = 2**31 - 1
_BLOCK = 5_000
"""Texts that are read together, about 100 MB."""
_MOST_SUMS = 2_000_000_000
"""Grams that are found in common, with repetition: 6 seconds' work, which only texts made from one form need."""
_BLOCK_SUMS = 5_000_000
"""The same, of the texts that are compared together, 100 MB at most."""


@dataclass(frozen=True, slots=True)
class NearCopies:
    """The texts that have a near copy among the others, each with the most similar one."""

    indices: Numbers
    """`(M,)`, in rising order."""
    others: Numbers
    """`(M,)`, the most similar other text; of equally similar ones the first."""
    similarity: NDArray[np.float64]
    """`(M,)`, 1.0 for an exact copy."""
    n_looked_at: int
    """Texts that were looked at: all, or a sample of them."""
    n_others: int
    """Others that they were compared with: all, or a sample of them."""


@dataclass(frozen=True, slots=True)
class _Grams:
    """The runs of three words of `n` texts."""

    matrix: Any
    """`(n, G) float32`, sparse, 1 where a text has a gram."""
    sizes: Numbers
    """`(n,)`, the different grams of each text, also those that have no column."""


def find_near_copies(texts: Sequence[str], others: Sequence[str], *, similarity: float = 0.7) -> NearCopies:
    """Return the texts that stand, as they are or nearly, among others.

    Broder 1997, "On the resemblance of documents": the similarity of two texts is the share of their different runs of three
    words that both have (Jaccard); here counted exactly, and not from a sketch. Case and punctuation do not count. Texts of
    fewer than six words (`good product, works well`) coincide by chance: of them only exact copies count.

    Of 1,242 real reviews one has a near copy among 5,029 others, 0.9 similar; the next is 0.4: 0.7 lies in the gap.

    Args:
        texts: those to look for; of more than `MOST_TEXTS` a sample, and a smaller one where thousands are made from one form.
        others: those to look among; of more than `MOST_OTHERS` a sample.
        similarity: the least that counts, above 0 to 1.
    """
    chosen, among = _sample(len(texts), MOST_TEXTS), _sample(len(others), MOST_OTHERS)
    keys, wanted, hashes = _read_texts([texts[index] for index in chosen])
    first, rows, possible = _read_others(others, among, hashes, similarity=similarity)
    exact = np.array([first.get(key, -1) for key in keys], dtype=np.int64)  # (len(chosen),)
    looked_at = _choose(wanted, possible, exact)
    found = np.flatnonzero(exact[looked_at] >= 0)
    parts = [(looked_at[found], exact[looked_at[found]], np.ones(len(found)))]
    columns = possible.matrix.T.tocsr()  # once: a product would do it for each block
    for block in _divide(looked_at[exact[looked_at] < 0], _count_sums(wanted, possible)):
        some = _Grams(wanted.matrix[block], wanted.sizes[block])
        at, other, value = _compare(some, columns, possible.sizes, similarity=similarity)
        parts.append((block[at], rows[other], value))
    index, other, value = (np.concatenate([part[field] for part in parts]) for field in range(3))
    order = np.argsort(index)
    return NearCopies(chosen[index[order]], other[order], value[order], n_looked_at=len(looked_at), n_others=len(among))


def _sample(n: int, most: int) -> Numbers:
    """Return all numbers below `n`, or `most` of them, in rising order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(_SEED).choice(n, most, replace=False))


def _read(texts: Sequence[str]) -> tuple[list[str], Any]:
    """Return the key of each text, equal where they are exact copies, and its grams: `(n, _N_HASHES) float32`, sparse."""
    from sklearn.feature_extraction import FeatureHasher

    words = [_WORD.findall(text.lower()) for text in texts]
    keys = [" ".join(found) or text.strip() for text, found in zip(texts, words, strict=True)]  # emoji have no words
    grams = (map(" ".join, zip(found, found[1:], found[2:], strict=False) if len(found) >= _MIN_WORDS else ()) for found in words)
    return keys, FeatureHasher(_N_HASHES, input_type="string", dtype=np.float32, alternate_sign=False).transform(grams)


def _read_texts(texts: Sequence[str]) -> tuple[list[str], _Grams, NDArray[np.int32]]:
    """Return the key of each text, its grams, and the hashes that their columns stand for, in rising order."""
    from scipy.sparse import vstack

    blocks = [_read(texts[start : start + _BLOCK]) for start in range(0, len(texts), _BLOCK)]
    hashes = np.unique(np.concatenate([grams.indices for _, grams in blocks] or [np.zeros(0, dtype=np.int32)]))
    numbered = [_number(grams, hashes) for _, grams in blocks] or [_make_empty(len(hashes))]
    matrix, sizes = vstack([block.matrix for block in numbered], "csr"), np.concatenate([block.sizes for block in numbered])
    return [key for keys, _ in blocks for key in keys], _Grams(matrix, sizes), hashes


def _read_others(
    others: Sequence[str], among: Numbers, hashes: NDArray[np.int32], *, similarity: float
) -> tuple[dict[str, int], Numbers, _Grams]:
    """Return the first text with each key, and those that may be similar to a text with these grams: their numbers and grams."""
    from scipy.sparse import vstack

    first: dict[str, int] = {}
    kept, rows = [_make_empty(len(hashes))], [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(among), _BLOCK):
        block = among[start : start + _BLOCK]
        keys, hashed = _read([others[index] for index in block])
        is_first = [first.setdefault(key, index) == index for key, index in zip(keys, block.tolist(), strict=True)]
        grams = _number(hashed, hashes)
        # A text shares at least so many of its own grams with one that is similar; few share as many with all texts together.
        share = grams.matrix.getnnz(axis=1) / np.maximum(grams.sizes, 1)
        may_be = np.flatnonzero(is_first & (share >= similarity - 1e-9))
        kept.append(_Grams(grams.matrix[may_be], grams.sizes[may_be]))
        rows.append(block[may_be])
    first.pop("", None)  # a blank text is no copy of another
    matrix, sizes = vstack([block.matrix for block in kept], "csr"), np.concatenate([block.sizes for block in kept])
    return first, np.concatenate(rows), _Grams(matrix, sizes)


def _make_empty(n_columns: int) -> _Grams:
    from scipy.sparse import csr_matrix

    return _Grams(csr_matrix((0, n_columns), dtype=np.float32), np.zeros(0, dtype=np.int64))


def _number(grams: Any, hashes: NDArray[np.int32]) -> _Grams:
    """Return grams by their place among `hashes`, without those that are not there."""
    from scipy.sparse import csr_matrix

    places = np.searchsorted(hashes, grams.indices)
    is_known = np.append(hashes, -1)[places] == grams.indices
    starts = np.concatenate([[0], np.cumsum(is_known)])[grams.indptr]
    columns = places[is_known]
    shape = (grams.shape[0], len(hashes))
    return _Grams(csr_matrix((np.ones(len(columns), dtype=np.float32), columns, starts), shape), np.diff(grams.indptr))


def _count_sums(wanted: _Grams, possible: _Grams) -> Numbers:
    """Return how many grams in common a comparison with all others counts, for each text."""
    counts = np.asarray(possible.matrix.sum(axis=0, dtype=np.float64)).ravel()
    return np.asarray(wanted.matrix @ counts).astype(np.int64)


def _choose(wanted: _Grams, possible: _Grams, exact: Numbers) -> Numbers:
    """Return the texts to look at, in rising order: all, or a sample whose comparison ends in time."""
    sums = np.where(exact >= 0, 0, _count_sums(wanted, possible))
    order = np.random.default_rng(_SEED).permutation(len(exact))
    return np.sort(order[np.cumsum(sums[order]) <= _MOST_SUMS])


def _divide(texts: Numbers, sums: Numbers) -> list[Numbers]:
    """Return the texts in blocks whose comparison fits in memory."""
    blocks = np.cumsum(sums[texts]) // _BLOCK_SUMS
    return [block for block in np.split(texts, np.flatnonzero(np.diff(blocks)) + 1) if len(block)]


def _compare(wanted: _Grams, columns: Any, sizes: Numbers, *, similarity: float) -> tuple[Numbers, Numbers, NDArray[np.float64]]:
    """Return the texts that have a similar other, the most similar one of each, and how similar it is.

    Args:
        wanted: of `n` texts.
        columns: `(G, m) float32`, sparse, the grams of the others.
        sizes: `(m,)`, their different grams.
        similarity: the least that counts.
    """
    common = (wanted.matrix @ columns).tocoo()
    n_common = common.data.astype(np.float64)
    values = n_common / (wanted.sizes[common.row] + sizes[common.col] - n_common)
    near = np.flatnonzero(values >= similarity)
    near = near[np.lexsort((common.col[near], -values[near], common.row[near]))]
    at, starts = np.unique(common.row[near], return_index=True)
    best = near[starts]
    return at.astype(np.int64), common.col[best].astype(np.int64), values[best]
