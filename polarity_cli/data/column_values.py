"""Tell texts from labels by a column's first values, for columns whose names say nothing. Used by `data/columns`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from polarity_cli.data.label_forms import looks_like_labels
from polarity_cli.data.label_values import as_number, normalise_label, strip_prefix
from polarity_cli.formats.column_names import is_identifier

_WORD = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\\W\\d_][^\\W_]*(?:['\u2019-][^\\W_]+)*"
)
"""A word, or a character of a script without spaces: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+$")
_FEWEST_WORDS = 3
_LEAST_LETTERS = 0.6
"""Fraction of a text's characters, without spaces, that are letters."""
_LONGEST_READ = 2000
"""Characters of a value that are looked at."""
_MOST_LABELS = 10


def has_texts(values: Sequence[object]) -> bool:
    """Return whether most values are texts: several words, mostly letters, no addresses, and mostly different."""
    filled = [value for value in values if not _is_blank(value)]
    texts = [value for value in filled if isinstance(value, str) and _is_text(value[:_LONGEST_READ])]
    return len(texts) * 2 > len(filled) and len(set(texts)) * 2 > len(texts)


def has_words(name: str, values: Sequence[object]) -> bool:
    """Return whether nine of ten values hold a word, however short, and are neither labels nor identifiers of rows."""
    filled = [value for value in values if not _is_blank(value)]
    if is_identifier(name) or not filled or has_labels(name, values):
        return False
    words = [value for value in filled if isinstance(value, str) and _WORD.search(value) and not _ADDRESS.match(value.strip())]
    return len(words) * 10 >= len(filled) * 9


def has_labels(name: str, values: Sequence[object]) -> bool:
    """Return whether a column holds a few different labels of one usual form, two at least, and does not number the rows."""
    if is_identifier(name) or any(isinstance(value, list | dict | tuple | set) for value in values):
        return False
    labels = [strip_prefix(label) for value in values if (label := normalise_label(value))]
    distinct = set(labels)
    if not 1 < len(distinct) <= _MOST_LABELS or not looks_like_labels(distinct):
        return False
    are_numbers = all(as_number(value) is not None for value in distinct)
    return not (are_numbers and 2 < len(labels) == len(distinct))


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value) or (isinstance(value, str) and not value.strip())


def _is_text(value: str) -> bool:
    if _ADDRESS.match(value.strip()) or as_number(normalise_label(value)) is not None:  # stars in words
        return False
    characters = "".join(value.split())
    n_letters = sum(character.isalpha() or "\u0300" <= character <= "\u0eff" for character in characters)
    return n_letters >= _LEAST_LETTERS * len(characters) and len(_WORD.findall(value)) >= _FEWEST_WORDS
