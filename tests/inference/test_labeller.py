"""Predictions of a real, tiny checkpoint: what each word adds, and long texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from polarity_cli.checkpoint.choose import find_checkpoint
from polarity_cli.config import Context, PredictConfig
from polarity_cli.inference.labeller import LONGEST_EXPLAINED, Labeller
from polarity_cli.verbs.open_labeller import open_labeller


@pytest.fixture
def labeller(tiny_checkpoint: Path, tmp_path: Path) -> Labeller:
    config = PredictConfig(checkpoint=tiny_checkpoint, precision="fp32")
    context = Context(cache_dir=tmp_path)
    return open_labeller(find_checkpoint(config.checkpoint, context), config, context)


@pytest.mark.parametrize(("good", "bad"), [("superb", "awful"), ("great", "boring"), ("best", "worst")])
def test_words_that_tell_the_label_weigh_as_they_tell(labeller: Labeller, good: str, bad: str) -> None:
    words = labeller.explain(f"{good} {bad}")
    assert words is not None
    assert [word for word, _ in words] == [good, bad]
    assert words[0][1] > 0 > words[1][1]


def test_weight_is_the_log_odds_lost_without_the_word(labeller: Labeller) -> None:
    import math

    def find_odds(text: str) -> float:
        (found,) = labeller.predict([text])
        assert found.score is not None
        positive = found.score if found.label == "positive" else 1 - found.score
        return math.log(positive / (1 - positive))

    words = labeller.explain("great but boring")
    assert words is not None
    without = ["but boring", "great boring", "great but"]
    expected = [find_odds("great but boring") - find_odds(text) for text in without]
    assert [weight for _, weight in words] == pytest.approx(expected, abs=1e-3)


def test_words_that_the_model_does_not_read_weigh_nothing(labeller: Labeller) -> None:
    words = labeller.explain("awful " + "great " * 3000)
    assert words is not None
    assert len(words) == 3001
    assert words[0][1] != 0.0
    assert set(words[2000:]) == {("great", 0.0)}
    assert labeller.explain("great " * LONGEST_EXPLAINED) is None


def test_blank_texts_have_an_empty_label_and_are_not_explained(labeller: Labeller) -> None:
    found = labeller.start(["", " \t", "great"], explain=True)()
    assert [prediction.label for prediction in found] == ["", "", "positive"]
    assert found[0].words is None
    assert found[2].words is not None
    assert labeller.predict([]) == []
