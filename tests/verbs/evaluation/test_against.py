"""Two checkpoints on the same reviews: each reads its own columns, and what flatters one of them is said."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.config import Context, EvaluateConfig
from polarity_cli.errors import CheckpointError, UsageError
from polarity_cli.verbs.evaluate import evaluate
from polarity_cli.verbs.evaluation.against import Contest, check_contest, hold_contest, share_positive_class
from polarity_cli.verbs.evaluation.answers import Answers
from polarity_cli.verbs.evaluation.result import EvaluateResult
from tests.helpers.foreign import ANSWERED, build
from tests.helpers.noting import Noting
from tests.helpers.reviews import make_reviews, write_csv


def run(context: Context, checkpoint: Path, *sources: Path, against: Path, **more: object) -> EvaluateResult:
    config = EvaluateConfig(checkpoint=checkpoint, sources=tuple(map(str, sources)), against=str(against), **more)  # type: ignore[arg-type]
    result = evaluate(config, context)
    assert result is not None
    return result


def get_contest(result: EvaluateResult) -> Contest:
    assert result.contest is not None
    return result.contest


@pytest.fixture(scope="module")
def foreign_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config, tokenizer = ANSWERED["distilbert"]()
    return build(tmp_path_factory.mktemp("foreign"), config, tokenizer, names=("BAD", "GOOD"))


def make_answers(y_score: list[float], threshold: float = 0.5) -> Answers:
    scores = np.asarray(y_score)
    shown = np.stack([1 - scores, scores], axis=1)
    return Answers(y_score=scores, shown=shown, threshold=threshold, precision="fp32", seconds=0.0)


def test_those_on_which_they_are_furthest_apart_come_first() -> None:
    y_true = np.array([1, 0, 1, 0])
    first, other = make_answers([0.6, 0.1, 0.9, 0.2]), make_answers([0.4, 0.9, 0.8, 0.6])
    contest = hold_contest(y_true, first, other, ("a", "b"), n_seen=3)
    assert contest.differing == (1, 3, 0)
    assert (contest.name, contest.n_seen, contest.comparison.only_first_right) == ("b", 3, 3)
    (check,) = check_contest(contest)
    assert check.is_warning
    assert check.message == "b was trained on 3 of 4 reviews, which flatters it."
    assert check_contest(hold_contest(y_true, first, other, ("a", "b"))) == ()
    assert check_contest(hold_contest(y_true, first, other, ("a", "b"), n_seen=0)) == ()


def test_each_has_its_own_threshold() -> None:
    contest = hold_contest(np.array([1, 1]), make_answers([0.6, 0.6]), make_answers([0.6, 0.6], 0.7), ("a", "b"))
    assert contest.comparison.only_first_right == 2


def test_no_review_and_one_are_compared() -> None:
    none = hold_contest(np.empty(0, np.int64), make_answers([]), make_answers([]), ("a", "b"))
    assert (none.differing, none.comparison.is_real) == ((), False)
    one = hold_contest(np.array([1]), make_answers([0.9]), make_answers([0.1]), ("a", "b"))
    assert (one.differing, one.comparison.is_real) == ((0,), False)


def test_a_checkpoint_is_no_better_than_itself(tiny_checkpoint: Path, new_csv: Path, context: Context) -> None:
    result = run(context, tiny_checkpoint, new_csv, against=tiny_checkpoint)
    contest = get_contest(result)
    assert contest.differing == ()
    assert contest.other.y_score.tolist() == result.answers.y_score.tolist()
    assert "give the same answers to all 40 reviews" in contest.comparison.verdict
    assert not result.is_worse
    assert contest.n_seen == 0


def test_another_one_reads_its_own_columns(
    tiny_checkpoint: Path, content_checkpoint: Path, new_csv: Path, context: Context, tmp_path: Path
) -> None:
    contest = get_contest(run(context, tiny_checkpoint, new_csv, against=content_checkpoint))
    alone = evaluate(EvaluateConfig(checkpoint=content_checkpoint, sources=(str(new_csv),)), context)
    assert alone is not None
    np.testing.assert_allclose(contest.other.y_score, alone.answers.y_score, atol=1e-6)
    observer = context.observer
    assert isinstance(observer, Noting)
    assert f"{content_checkpoint} reads content, as it was trained." in observer.notes
    rows = [(row["label"], row["content"]) for row in csv.DictReader(new_csv.open())]
    write_csv(tmp_path / "content.csv", rows, ("label", "content"))
    run(context, content_checkpoint, tmp_path / "content.csv", against=tiny_checkpoint)
    assert any("which these reviews lack" in note for note in observer.notes)


def test_columns_that_are_gone_are_refused(folds_checkpoint: Path, content_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(folds_checkpoint.parent, folder)
    source = folds_checkpoint.parent / "reviews.csv"
    hidden = source.rename(source.with_suffix(".away"))
    try:
        context = Context(cache_dir=folder / "cache", observer=Noting())
        with pytest.raises(UsageError, match="it reads content, and the reviews' files are not there as they were read"):
            run(context, folder / "ckpt", against=content_checkpoint)
    finally:
        hidden.rename(source)


def test_one_that_saw_the_reviews_in_training_is_named(
    tiny_checkpoint: Path, content_checkpoint: Path, context: Context, tmp_path: Path
) -> None:
    """The texts are looked for as the other one read them."""
    source = write_csv(tmp_path / "seen.csv", make_reviews(60, seed=5))
    result = run(context, tiny_checkpoint, source, against=content_checkpoint)
    assert get_contest(result).n_seen == 42  # 60 less 12 of the test and 6 of the validation split
    warning = next(check for check in result.checks if check.name == "seen-by-other")
    assert warning.message == f"{content_checkpoint} was trained on 42 of 60 reviews, which flatters it."
    assert result.n_seen_in_training == 0


def test_a_foreign_checkpoint_answers(tiny_checkpoint: Path, foreign_checkpoint: Path, new_csv: Path, context: Context) -> None:
    result = run(context, tiny_checkpoint, new_csv, against=foreign_checkpoint, positive_class="GOOD")
    assert (result.metrics["f1"] or 0) > 0.8
    contest = get_contest(result)
    assert contest.n_seen is None
    assert not result.is_worse
    turned = run(context, foreign_checkpoint, new_csv, against=tiny_checkpoint, positive_class="GOOD")
    assert get_contest(turned).comparison.only_second_right == contest.comparison.only_first_right
    assert turned.is_worse
    with pytest.raises(CheckpointError, match="it is not clear which class is positive"):
        run(context, tiny_checkpoint, new_csv, against=foreign_checkpoint)
    with pytest.raises(CheckpointError, match="has no such class"):
        run(context, tiny_checkpoint, new_csv, against=foreign_checkpoint, positive_class="FINE")


def test_a_positive_class_is_said_to_the_one_that_needs_it(tiny_checkpoint: Path, foreign_checkpoint: Path) -> None:
    own, foreign = Checkpoint.open(tiny_checkpoint), Checkpoint.open(foreign_checkpoint)
    assert share_positive_class(None, own, foreign) == (None, None)
    assert share_positive_class("GOOD", own, foreign) == (None, "GOOD")
    assert share_positive_class("good", foreign, own) == ("good", None)
    assert share_positive_class("BAD", foreign, foreign) == ("BAD", "BAD")
    assert share_positive_class("negative", own, own) == ("negative", None)
