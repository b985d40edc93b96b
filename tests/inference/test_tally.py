"""The sentence at the end of a prediction."""

from __future__ import annotations

import pytest

from polarity_cli.formats.on_error import Losses
from polarity_cli.inference.tally import Tally, describe_seconds
from polarity_cli.records import Prediction


def make_tally(seconds: float, **labels: int) -> Tally:
    tally = Tally()
    for label, n in labels.items():
        tally.add([Prediction("" if label == "blank" else label, None)] * n)
    tally.seconds = seconds
    return tally


def test_sentence_counts_labels_and_losses() -> None:
    tally = make_tally(23.0, positive=1310, negative=1102, uncertain=88)
    assert tally.describe(Losses(broken=2), "skip", answered_by="./ckpt in int8") == (
        "2,500 reviews: 1,310 positive, 1,102 negative, 88 uncertain, 0 blank, 2 left out; ./ckpt in int8; 23 s, 109 a second."
    )


def test_broken_records_that_are_kept_are_not_counted_as_blank_too() -> None:
    said = make_tally(2.0, positive=1, blank=5).describe(Losses(broken=2), "keep", answered_by="x")
    assert said == "6 reviews: 1 positive, 0 negative, 0 uncertain, 3 blank, 2 broken; x; 2.0 s, 3.0 a second."


def test_nothing_has_no_speed_and_one_review_is_one() -> None:
    assert make_tally(0.0).describe(Losses(), "fail", answered_by="x").endswith("0 left out; x; 0.0 s.")
    assert make_tally(1.0, negative=1).describe(Losses(), "fail", answered_by="x").startswith("1 review: 0 positive, 1 negative")


def test_time_runs_from_the_first_begin_and_not_without_one() -> None:
    tally = Tally()
    tally.end()
    assert tally.seconds == 0
    tally.begin()
    tally.end()
    first = tally.seconds
    tally.begin()
    tally.end()
    assert 0 < first < tally.seconds < 60


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (119.4, "119 s"), (840, "14 min"), (7199, "120 min"), (11_520, "3.2 h")],
)
def test_seconds_are_said_in_words(seconds: float, words: str) -> None:
    assert describe_seconds(seconds) == words
