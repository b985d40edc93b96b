"""What a training bar is told: all reviews, the share of the tokens, epoch and loss; a resumed run begins where it stood."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from polarity_cli.config import Context, DataConfig
from polarity_cli.records import Advance, SilentObserver, StepRecord
from polarity_cli.train_config import TrainConfig
from polarity_cli.training.run import _StepsShown
from polarity_cli.verbs.train import train


class Bars(SilentObserver):
    """Keep what each bar is told."""

    def __init__(self) -> None:
        self.told: dict[str, list[tuple[int, float | None, str]]] = {}
        self.totals: dict[str, tuple[int | None, str]] = {}

    @contextmanager
    def track(self, task: str, total: int | None = None, *, unit: str = "") -> Iterator[Advance]:
        told = self.told.setdefault(task, [])
        self.totals[task] = (total, unit)

        def advance(n: int, /, *, done: float | None = None, text: str = "") -> None:
            told.append((n, done, text))

        yield advance


def test_bar_of_a_run_counts_every_review_and_ends_at_the_whole(reviews_csv: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    bars = Bars()
    data = DataConfig(source=str(reviews_csv), encoder=str(tiny_encoder))
    train(
        TrainConfig(data=data, unfreeze=1, epochs=2, graphs=False, out=tmp_path / "ckpt"),
        Context(cache_dir=tmp_path / "cache", observer=bars),
    )
    told, (total, unit) = bars.told["Training"], bars.totals["Training"]
    assert unit == "reviews"
    assert sum(n for n, _, _ in told) == total
    shares = [done for _, done, _ in told if done is not None]
    assert len(shares) == len(told)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert told[1][2].startswith("epoch 1 of 2, loss 0.")
    assert told[-1][2].startswith("epoch 2 of 2, loss 0.")


def test_resumed_run_begins_at_the_share_of_its_tokens() -> None:
    told: list[tuple[int, float | None, str]] = []

    def advance(n: int, /, *, done: float | None = None, text: str = "") -> None:
        told.append((n, done, text))

    show = _StepsShown(advance, n_tokens=1000, n_epochs=3)
    earlier = [StepRecord(1, 1, 0.7, 1e-3, 4, 200), StepRecord(2, 1, 0.65, 1e-3, 8, 200)]
    show(earlier)
    show([StepRecord(3, 2, 0.6, 1e-3, 2, 100)])
    show([])
    assert [(n, text) for n, _, text in told] == [(12, "epoch 1 of 3, loss 0.650"), (2, "epoch 2 of 3, loss 0.600"), (0, "")]
    assert [done for _, done, _ in told] == pytest.approx([0.4, 0.5, 0.5])
