"""Answers with a threshold and a positive class, and the scores out of fold that a run kept in their place."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polarity_cli.checkpoint.out_of_fold import NAME, write_scores
from polarity_cli.config import Context, EvaluateConfig
from polarity_cli.errors import CheckpointError
from polarity_cli.verbs.evaluate import evaluate
from polarity_cli.verbs.evaluation.answers import Answers
from polarity_cli.verbs.evaluation.result import EvaluateResult
from tests.helpers.noting import Noting


def run(config: EvaluateConfig, context: Context) -> EvaluateResult:
    result = evaluate(config, context)
    assert result is not None
    return result


def test_a_score_at_the_threshold_is_positive_and_its_score_is_that_of_the_answer() -> None:
    y_score = np.array([0.2, 0.5, 0.7, 1.0, 0.0])
    shown = np.stack([1 - y_score, y_score], axis=1)
    answers = Answers(y_score=y_score, shown=shown, threshold=0.7, precision="fp32", seconds=1.0)
    assert answers.y_pred.tolist() == [0, 0, 1, 1, 0]
    assert answers.confidence.tolist() == [0.8, 0.5, 0.7, 1.0, 1.0]
    empty = replace(answers, y_score=y_score[:0], shown=shown[:0])
    assert (len(empty.y_pred), len(empty.confidence)) == (0, 0)


def test_another_positive_class_turns_all_round(tiny_checkpoint: Path, new_csv: Path, context: Context) -> None:
    asked = EvaluateConfig(checkpoint=tiny_checkpoint, sources=(str(new_csv),))
    usual, turned = run(asked, context), run(replace(asked, positive_class="negative"), context)
    np.testing.assert_allclose(turned.answers.y_score, 1 - usual.answers.y_score, atol=1e-9)
    assert "below-chance" in {check.name for check in turned.checks}


def copy_folds(checkpoint: Path, to: Path) -> Path:
    shutil.copytree(checkpoint, to / "copy")
    return to / "copy"


def score_folds(checkpoint: Path, cache: Path, **more: str) -> EvaluateResult:
    return run(EvaluateConfig(checkpoint=checkpoint, **more), Context(cache_dir=cache, observer=Noting()))  # type: ignore[arg-type]


@pytest.mark.parametrize("split", [None, "train"])
def test_rows_of_a_run_with_folds_are_scored_out_of_fold(folds_checkpoint: Path, split: str | None) -> None:
    more = {} if split is None else {"split": split}
    result = score_folds(folds_checkpoint, folds_checkpoint.parent / "cache", **more)
    assert result.split == "out of fold"
    assert "out of fold" in result.in_words
    kept = json.loads((folds_checkpoint / "polarity.json").read_text())["metrics"]
    assert "out of fold" in kept
    assert result.metrics["n"] == kept["out of fold"]["n"]
    assert result.metrics["f1"] == pytest.approx(kept["out of fold"]["f1"])
    assert result.metrics["log_loss"] == pytest.approx(kept["out of fold"]["log_loss"], abs=1e-6)
    assert result.answers.seconds == 0
    assert result.assessment.n_near is None  # they are themselves the training rows
    turned = score_folds(folds_checkpoint, folds_checkpoint.parent / "cache", positive_class="negative", **more)
    np.testing.assert_allclose(turned.answers.y_score, 1 - result.answers.y_score)


def test_rows_of_a_run_with_folds_are_answered_where_a_precision_is_asked_for(folds_checkpoint: Path) -> None:
    cache = folds_checkpoint.parent / "cache"
    result = score_folds(folds_checkpoint, cache, precision="weights", split="train")
    assert (result.split, result.answers.precision) == ("train", "weights")
    assert result.answers.seconds > 0


def test_scores_out_of_fold_that_are_gone_are_refused(folds_checkpoint: Path, tmp_path: Path) -> None:
    copy = copy_folds(folds_checkpoint, tmp_path)
    (copy / NAME).unlink()
    with pytest.raises(CheckpointError, match="its scores out of fold are missing"):
        score_folds(copy, folds_checkpoint.parent / "cache")


@pytest.mark.parametrize("change", ["cut", "text", "empty", "longer", "of another run", "beyond 1"])
def test_scores_out_of_fold_that_are_damaged_or_of_another_run_are_refused(
    folds_checkpoint: Path, tmp_path: Path, change: str
) -> None:
    copy = copy_folds(folds_checkpoint, tmp_path)
    scores, content = np.load(copy / NAME), (copy / NAME).read_bytes()
    if change in ("cut", "text", "empty"):
        (copy / NAME).write_bytes({"cut": content[:-7], "text": b"0.5, 0.5\n" * 60, "empty": b""}[change])
    else:
        others = {"longer": np.append(scores, 0.5), "of another run": scores[::-1], "beyond 1": scores + 1}
        write_scores(copy, others[change])
    cache = folds_checkpoint.parent / "cache"
    with pytest.raises(CheckpointError, match="not the scores that the training run wrote"):
        score_folds(copy, cache)
    manifest = json.loads((copy / "polarity.json").read_text())
    del manifest["files"][NAME]  # whoever made the folder did not say which file belongs to it
    (copy / "polarity.json").write_text(json.dumps(manifest))
    if change != "of another run":
        with pytest.raises(CheckpointError, match="not the scores of"):
            score_folds(copy, cache)


def test_folds_are_read_where_the_cache_is_gone(folds_checkpoint: Path, context: Context) -> None:
    result = run(EvaluateConfig(checkpoint=folds_checkpoint), context)
    kept = score_folds(folds_checkpoint, folds_checkpoint.parent / "cache")
    assert result.split == "out of fold"
    assert result.metrics == kept.metrics
    other_rows = run(EvaluateConfig(checkpoint=folds_checkpoint, split="train", rows=30), context)
    assert (other_rows.split, other_rows.metrics["n"]) == ("train", 30)
