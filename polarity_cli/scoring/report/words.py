"""Make the reviews of a page safe and short, and mark the words that moved a score. Used by `scoring/report/page`.

Jinja escapes what HTML would run; here go the characters that would turn the line round, and the ten thousandth letter.
"""

from __future__ import annotations

from dataclasses import dataclass

from polarity_cli.scoring.report.numbers import format_signed
from polarity_cli.scoring.values import Mistake
from polarity_cli.text import clean_text, make_printable

MOST_CHARACTERS = 1_200
"""So much of a review is shown."""
_MOST_MARKED = 24
"""So many words of a review are marked: the strongest."""
_LEAST_STRENGTH = 0.1
"""Words that moved the score by less than this, beside the strongest, are not marked."""
_LEAST_STRONGEST = 0.5
"""Log-odds that the strongest word counts for at least, so that words which hardly matter look so."""
_MOST_NAMED = 3
"""So many words for each class are named with their figures."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a review as the page shows it."""

    text: str
    weight: float
    """Log-odds of positive that it adds; 0 for a word that is not marked."""
    strength: float
    """Its size beside the review's strongest word, 0 to 1."""


@dataclass(frozen=True, slots=True)
class MarkedReview:
    """A review whose words are marked, and its strongest words with their figures."""

    words: tuple[Word, ...]
    n_left_out: int
    """Words after the last that is shown."""
    for_positive: tuple[str, ...]
    for_negative: tuple[str, ...]


def show(text: str) -> str:
    """Return a text on one line, without characters that hide or turn round what stands beside them."""
    return make_printable(clean_text(" ".join(text.split())), keep="")


def shorten(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return what `show` does, cut after `most` characters with a note of how many follow."""
    shown = show(text)
    left_out = len(shown) - most
    return shown if left_out <= 0 else f"{shown[:most].rstrip()} … ({left_out:,} more characters)"


def mark_words(mistake: Mistake) -> MarkedReview | None:
    """Return the words of a mistake with their weights, or None where no weights are known."""
    if not mistake.words:
        return None
    ranked = sorted((abs(weight) for _, weight in mistake.words), reverse=True)
    strongest = max(ranked[0], _LEAST_STRONGEST)
    least = max(ranked[min(_MOST_MARKED, len(ranked)) - 1], _LEAST_STRENGTH * strongest)
    words, n_characters = list[Word](), 0
    for text, weight in mistake.words:
        n_characters += len(text) + 1
        if n_characters > MOST_CHARACTERS and words:
            break
        strength = abs(weight) / strongest if abs(weight) >= least else 0.0
        words.append(Word(shorten(text), weight if strength else 0.0, strength))
    by_weight = sorted(words, key=lambda word: word.weight)
    return MarkedReview(
        words=tuple(words),
        n_left_out=len(mistake.words) - len(words),
        for_positive=tuple(_name(word) for word in by_weight[: -_MOST_NAMED - 1 : -1] if word.weight > 0),
        for_negative=tuple(_name(word) for word in by_weight[:_MOST_NAMED] if word.weight < 0),
    )


def _name(word: Word) -> str:
    return f"{shorten(word.text, 40)} {format_signed(word.weight, 2)}"
