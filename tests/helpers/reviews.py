"""Reviews that the tiny encoder can learn."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path

from tests.helpers.hub import COMMON_WORDS, LABEL_WORDS


def make_reviews(n_rows: int, *, seed: int = 0) -> list[tuple[str, str, str]]:
    """Return rows of label, title and content whose words tell the label, no two alike."""
    generator = random.Random(seed)
    rows = []
    for number in range(n_rows):
        label = number % 2
        words = [*generator.choices(LABEL_WORDS[label], k=3), *generator.choices(COMMON_WORDS, k=generator.randrange(3, 25))]
        generator.shuffle(words)
        rows.append((("negative", "positive")[label], f"{words[0]} {number}", " ".join(words)))
    return rows


def write_csv(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = ("label", "title", "content")) -> Path:
    """Write rows below a header and return the path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path
