"""Words that decided, found by runs first: as one by one where a text is short, and those that matter where it is long."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from polarity_cli.data.tokenizing import ReviewTokenizer, TokenIds
from polarity_cli.inference.labeller import LONGEST_EXPLAINED, Labeller
from polarity_cli.inference.occlusion import find_deciding_words

WORDS = {"[UNK]": 0, "good": 1, "bad": 2, "plain": 3}
ODDS = {1: 2.0, 2: -3.0}


class SumEngine:
    """Answers with the sum of what each token adds, and counts the texts that it was asked for."""

    def __init__(self) -> None:
        self.n_asked = 0

    def start(self, token_ids: Sequence[TokenIds]) -> Callable[[], NDArray[np.float64]]:
        assert all(len(ids) for ids in token_ids)
        self.n_asked += len(token_ids)
        odds = [sum(ODDS.get(int(token), 0.0) for token in ids) for ids in token_ids]
        return lambda: np.array([[0.0, own] for own in odds])

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def engine() -> SumEngine:
    return SumEngine()


@pytest.fixture
def labeller(engine: SumEngine) -> Labeller:
    backend = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return Labeller(engine, ReviewTokenizer(backend, max_length=600), positive=1)


def test_short_text_is_explained_word_by_word(labeller: Labeller) -> None:
    text = "plain good plain bad"
    assert find_deciding_words(labeller, text) == labeller.explain(text)
    assert find_deciding_words(labeller, text) == (("plain", 0.0), ("good", 2.0), ("plain", 0.0), ("bad", -3.0))


def test_words_of_a_long_text_that_weigh_are_found_in_few_passes(labeller: Labeller, engine: SumEngine) -> None:
    words = ["plain"] * 300
    words[17], words[140], words[299] = "good", "bad", "bad"
    found = find_deciding_words(labeller, " ".join(words))
    assert found is not None
    assert [word for word, _ in found] == words
    assert {index: weight for index, (_, weight) in enumerate(found) if weight} == {17: 2.0, 140: -3.0, 299: -3.0}
    assert engine.n_asked < 100


@pytest.mark.parametrize("text", ["good", "good " * 26, "\u4e2d\u6587", "a\nb\tc"])
def test_every_word_has_a_weight(labeller: Labeller, text: str) -> None:
    found = find_deciding_words(labeller, text.strip())
    assert found is not None
    assert [word for word, _ in found] == text.split()


def test_very_long_text_is_not_explained(labeller: Labeller, engine: SumEngine) -> None:
    assert find_deciding_words(labeller, "x" * (LONGEST_EXPLAINED + 1)) is None
    assert engine.n_asked == 0
