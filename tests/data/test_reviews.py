"""Labelled reviews of files whose first lines say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from polarity_cli.config import DataConfig
from polarity_cli.data.reviews import read_reviews
from polarity_cli.data.sources import Source
from polarity_cli.errors import DataError
from polarity_cli.records import SilentObserver

REVIEW = '{"text": "a good thing", "label": 1}\n'


def refuse(path: Path, content: str, on_error: str = "fail") -> str:
    path.write_text(content)
    with pytest.raises(DataError) as raised:
        read_reviews(Source(path.name, {"train": (path,)}), DataConfig(on_error=on_error), SilentObserver())
    return str(raised.value)


@pytest.mark.parametrize(
    ("content", "on_error", "expected"),
    [
        ("\n", "fail", "no reviews in it"),
        ("\n[1]\n", "fail", "r.jsonl:2: expected a JSON object"),
        ("\n[1]\n", "skip", "no reviews with text and label in it"),
        ("\n" * 150 + REVIEW, "fail", "r.jsonl:151: no columns can be chosen"),
    ],
)
def test_json_lines_that_begin_with_blank_ones_are_refused(tmp_path: Path, content: str, on_error: str, expected: str) -> None:
    assert expected in refuse(tmp_path / "r.jsonl", content, on_error)
