"""Near copies: exact ones, similar ones, texts that only look alike, short ones, samples, and blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polarity_cli.scoring import near_copies
from polarity_cli.scoring.near_copies import NearCopies, find_near_copies

TEXT = "this little radio sounds far better than its price would make anyone believe it could"


def compute_similarity(one: str, other: str) -> float:
    """Return the Jaccard similarity of the runs of three words, by Python's sets."""
    first, second = (
        {tuple(words[start : start + 3]) for start in range(len(words) - 2)} for words in (one.split(), other.split())
    )
    return len(first & second) / len(first | second)


def list_pairs(found: NearCopies) -> list[tuple[int, int, float]]:
    return list(zip(found.indices.tolist(), found.others.tolist(), found.similarity.tolist(), strict=True))


def draw_texts(n: int, *, seed: int = 0, n_words: int = 30) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{number}" for number in rng.integers(0, 12, n_words)) for _ in range(n)]


def change(text: str, *, n_words: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    words = text.split()
    for place in rng.choice(len(words), n_words, replace=False):
        words[place] = f"x{rng.integers(1000)}"
    return " ".join(words)


def test_exact_copy_is_found_whatever_its_case_and_punctuation() -> None:
    found = find_near_copies(["unlike all the others in every way", TEXT], ["some other text of six words", f"{TEXT.upper()}!!!"])
    assert list_pairs(found) == [(1, 1, 1.0)]
    assert (found.n_looked_at, found.n_others) == (2, 2)


def test_near_copy_has_the_similarity_of_its_runs_of_words() -> None:
    other = TEXT.replace("could", "can")
    found = find_near_copies([TEXT], [other])
    assert found.indices.tolist() == found.others.tolist() == [0]
    assert found.similarity.tolist() == pytest.approx([compute_similarity(TEXT, other)])


def test_least_similarity_counts_and_less_does_not() -> None:
    one, other = "a b c d e f g h i", "a b c d e f g h x"  # six runs in common of eight
    assert compute_similarity(one, other) == 0.75
    assert list_pairs(find_near_copies([one], [other], similarity=0.75)) == [(0, 0, 0.75)]
    assert list_pairs(find_near_copies([one], [other], similarity=0.76)) == []


def test_most_similar_other_is_chosen_and_of_equals_the_first() -> None:
    far, near = change(TEXT, n_words=1, seed=1), TEXT.replace("could", "can")
    assert find_near_copies([TEXT], [far, near, near], similarity=0.3).others.tolist() == [1]
    assert find_near_copies([TEXT], [near, TEXT, TEXT]).others.tolist() == [1]


@pytest.mark.parametrize("blocks", [(5_000, 5_000_000), (7, 100)], ids=["whole", "in small blocks"])
def test_pairs_are_those_of_every_comparison(blocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_copies, "_BLOCK", blocks[0])
    monkeypatch.setattr(near_copies, "_BLOCK_SUMS", blocks[1])
    others = draw_texts(60)
    texts = [change(others[number], n_words=number % 6, seed=number) for number in range(0, 60, 2)] + draw_texts(20, seed=1)
    found = {index: value for index, _, value in list_pairs(find_near_copies(texts, others, similarity=0.5))}
    best = [max(compute_similarity(text, other) for other in others) for text in texts]
    assert found == pytest.approx({index: value for index, value in enumerate(best) if value >= 0.5})
    assert 10 < len(found) < 50


def test_texts_with_the_same_words_in_another_order_are_no_copies() -> None:
    assert list_pairs(find_near_copies([TEXT], [" ".join(reversed(TEXT.split()))])) == []


def test_short_texts_count_when_they_are_exact_and_not_when_they_are_alike() -> None:
    found = find_near_copies(["Works very well indeed.", "Great product!"], ["works very well indeed friends", "great product"])
    assert list_pairs(found) == [(1, 1, 1.0)]


def test_blank_texts_are_no_copies_and_emoji_only_of_themselves() -> None:
    found = find_near_copies(["", "  ", "😀", "!!!", "😡"], ["", "\n", "😀", "???"])
    assert list_pairs(found) == [(2, 2, 1.0)]


@pytest.mark.parametrize(("n_texts", "n_others"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_no_texts_or_others_give_no_copies(n_texts: int, n_others: int) -> None:
    found = find_near_copies(["one text of six words here"] * n_texts, ["and another text of six words"] * n_others)
    assert list_pairs(found) == []
    assert (found.n_looked_at, found.n_others) == (n_texts, n_others)
    assert found.indices.dtype == found.others.dtype == np.int64


def test_samples_are_said_and_give_numbers_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_copies, "MOST_TEXTS", 20)
    monkeypatch.setattr(near_copies, "MOST_OTHERS", 40)
    texts = draw_texts(50)
    found = find_near_copies(texts, texts)
    assert (found.n_looked_at, found.n_others) == (20, 40)
    assert found.indices.tolist() == found.others.tolist()
    assert 10 <= len(found.indices) < 20
    assert found.indices.max() > 20
    again = find_near_copies(texts, texts)
    assert again.indices.tolist() == found.indices.tolist()


def test_texts_made_from_one_form_are_sampled_so_that_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, others = [f"{TEXT} {number}" for number in range(100)], [f"{TEXT} number {number}" for number in range(100)]
    whole = find_near_copies(texts, others)
    assert (whole.n_looked_at, len(whole.indices)) == (100, 100)
    monkeypatch.setattr(near_copies, "_MOST_SUMS", 10_000)
    found = find_near_copies(texts, others)
    assert 0 < found.n_looked_at == len(found.indices) < 20


def test_copies_of_one_text_are_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_copies, "_MOST_SUMS", 0)
    found = find_near_copies([TEXT] * 50, [TEXT] * 50)
    assert (found.n_looked_at, found.others.tolist()) == (50, [0] * 50)


def test_real_test_reviews_have_one_near_copy_in_training(amazon_reviews: Path) -> None:
    import pyarrow.parquet as pq

    train, test = (pq.read_table(amazon_reviews / f"{name}.parquet").to_pydict() for name in ("train", "test"))
    texts, others = (
        [f"{title or ''}. {content}" for title, content in zip(rows["title"], rows["content"], strict=True)]
        for rows in (test, train)
    )
    assert len(find_near_copies(texts, others).indices) == 1
