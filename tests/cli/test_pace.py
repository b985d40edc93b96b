"""The time left of a bar: right at an even speed, steady over batches of unlike lengths, and it sees a machine slow down."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from polarity_cli.cli.pace import Pace
from polarity_cli.data.batches import plan_epoch


class Clock:
    """A time that the test sets, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make_steps(*, slows_at: float = 2.0) -> tuple[list[float], list[float], list[float]]:
    """Return the tokens and the reviews of each batch of two epochs, and its seconds; from `slows_at` on twice as many."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(4.3, 0.7, 8000), 8, 512).astype(np.int64)
    batches = [batch for epoch in (1, 2) for batch in plan_epoch(lengths, batch_size=16, seed=1, epoch=epoch)]
    tokens = [float(lengths[batch].sum()) for batch in batches]
    slower = [1 + (number > slows_at * len(batches)) for number in range(len(batches))]
    seconds = [(0.05 + n / 2000 * random.normal(1, 0.1)) * factor for n, factor in zip(tokens, slower, strict=True)]
    return tokens, [float(len(batch)) for batch in batches], seconds


def follow(work: list[float], seconds: list[float]) -> Iterator[tuple[float, float]]:
    """Yield after each step the seconds that are left by the clock, and by `Pace`."""
    clock, done = Clock(), 0.0
    pace = Pace(clock)
    pace.note(0)
    for gained, passed in zip(work, seconds, strict=True):
        clock.now, done = clock.now + passed, done + gained
        pace.note(min(1.0, done / sum(work)))
        left = pace.find_left()
        assert left is not None
        yield sum(seconds) - clock.now, left


def count_jumps(work: list[float], seconds: list[float]) -> float:
    """Return by how much the time left went up and down in all, beside its count, as a share of the whole time."""
    followed = list(follow(work, seconds))[40:]
    moves = [abs((after - before) - (real_after - real)) for (real, before), (real_after, after) in itertools.pairwise(followed)]
    return sum(moves) / sum(seconds)


def test_time_left_is_exact_at_an_even_speed() -> None:
    for truth, left in follow([1.0] * 50, [2.0] * 50):
        assert left == pytest.approx(truth, abs=1e-6)


def test_time_left_is_known_from_the_second_note_on_and_never_below_zero() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.find_left() is None
    pace.note(0.4)  # what an earlier run did says nothing of the speed
    assert pace.find_left() is None
    clock.now = 10
    pace.note(0.5)
    assert pace.find_left() == pytest.approx(50)
    clock.now = 20
    pace.note(1.0)
    clock.now = 30
    assert pace.find_left() == 0


def test_time_left_is_unknown_where_time_stands_still_or_nothing_was_done() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.note(0)
    pace.note(0.5)
    assert pace.find_left() is None
    clock.now = 5
    pace = Pace(clock)
    pace.note(0.5)
    clock.now = 9
    pace.note(0.5)
    assert pace.find_left() is None


def test_time_left_counts_down_between_notes_and_then_waits() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.note(0)
    for number in range(1, 6):
        clock.now = 10.0 * number
        pace.note(number / 10)
    lefts = []
    for clock.now in (50, 54, 58, 60, 70, 90):
        lefts.append(pace.find_left())
    assert lefts == pytest.approx([50, 46, 42, 40, 40, 40])


def test_time_left_by_tokens_is_steady_over_batches_of_unlike_lengths() -> None:
    tokens, reviews, seconds = make_steps()
    by_tokens = count_jumps(tokens, seconds)
    assert by_tokens < 1
    assert count_jumps(reviews, seconds) > 4 * by_tokens
    errors = [abs(left - truth) / truth for truth, left in follow(tokens, seconds) if truth > 30][40:]
    assert max(errors) < 0.06


def test_machine_that_slows_down_is_noticed() -> None:
    tokens, _, seconds = make_steps(slows_at=0.4)
    followed = list(follow(tokens, seconds))
    truth, left = followed[int(0.41 * len(followed))]
    assert left < 0.7 * truth  # it cannot be known yet
    truth, left = followed[int(0.6 * len(followed))]
    assert left == pytest.approx(truth, rel=0.15)
