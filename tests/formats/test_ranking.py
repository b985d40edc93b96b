"""The records that rank highest, against sorting all of them."""

from __future__ import annotations

import random

import pytest

from polarity_cli.formats.ranking import RankingWriter
from polarity_cli.formats.record import Record
from polarity_cli.records import Prediction


class Keeping:
    """Keep what is written."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str]] = []
        self.is_finished = False

    def write(self, record: Record, prediction: Prediction) -> None:
        self.rows.append((record.row, prediction.label))

    def finish(self) -> None:
        self.is_finished = True


def answer(positive: float, threshold: float) -> Prediction:
    return Prediction("positive", positive) if positive >= threshold else Prediction("negative", 1 - positive)


def rank(
    scores: list[float | None], how: str, limit: int, *, threshold: float | None = None, **options: float
) -> list[tuple[int, str]]:
    """Return the rows that are written, counted from 0, for probabilities of positive; None is a blank record."""
    kept = Keeping()
    writer = RankingWriter(kept, how, limit, threshold=threshold, **options)  # type: ignore[arg-type]
    for row, score in enumerate(scores):
        writer.write(Record(None, "", "", row), Prediction("", None) if score is None else answer(score, threshold or 0.5))
    assert kept.rows == []
    assert len(writer._kept) <= limit
    writer.finish()
    assert kept.is_finished
    return kept.rows


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("how", ["negative", "positive", "uncertain"])
def test_ranked_rows_are_those_of_a_stable_sort(how: str, seed: int) -> None:
    generator = random.Random(seed)
    threshold = generator.choice([None, 0.25, 0.75])
    scores = [None if generator.random() < 0.2 else generator.randrange(0, 17) / 16 for _ in range(300)]
    full = [(row, score) for row, score in enumerate(scores) if score is not None]
    keys = {
        "positive": lambda pair: -pair[1],
        "negative": lambda pair: pair[1],
        "uncertain": lambda pair: abs(pair[1] - (threshold or 0.5)),
    }
    limit = generator.choice([1, 7, 100, 1000])
    expected = [row for row, _ in sorted(full, key=keys[how])][:limit]
    assert [row for row, _ in rank(scores, how, limit, threshold=threshold)] == expected


def test_doubted_answers_are_ranked_by_what_they_would_have_been() -> None:
    assert rank([0.9, 0.4, 0.05], "negative", 3, min_confidence=0.8) == [(2, "negative"), (1, "uncertain"), (0, "positive")]


def test_no_answer_at_all_writes_nothing_but_ends() -> None:
    assert rank([None, None], "positive", 5) == []
