"""What is known of reviews beside their scores: training rows, copies, and the columns that divide them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.training_texts import NAME
from polarity_cli.config import Context, EvaluateConfig
from polarity_cli.errors import UsageError
from polarity_cli.scoring.values import Slice
from polarity_cli.verbs.evaluate import evaluate
from polarity_cli.verbs.evaluation.known import count_seen, read_training_rows
from polarity_cli.verbs.evaluation.result import EvaluateResult
from tests.helpers.noting import Noting
from tests.helpers.reviews import make_reviews, write_csv


def run(context: Context, checkpoint: Path, source: Path, *by: str) -> EvaluateResult:
    result = evaluate(EvaluateConfig(checkpoint=checkpoint, sources=(str(source),), by=by), context)
    assert result is not None
    return result


def list_slices(result: EvaluateResult, group: str) -> dict[str, Slice]:
    return {one.name: one for one in result.assessment.slices if one.group == group}


def write_rows(path: Path, n_rows: int, product: dict[int, object]) -> Path:
    """Write JSON lines of which those whose number modulo 3 is a key of `product` have the column."""
    rows = []
    for number, (label, title, content) in enumerate(make_reviews(n_rows, seed=8)):
        more = {"product": product[number % 3]} if number % 3 in product else {}
        rows.append({"label": label, "title": title, "content": content, **more})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_texts_that_stood_in_training_are_counted(tiny_checkpoint: Path, context: Context, tmp_path: Path) -> None:
    texts = [f"{title}: {content}" for _, title, content in make_reviews(480)]
    assert count_seen(tiny_checkpoint, texts, context) == 336  # 480 less 96 of the test and 48 of the validation split
    assert count_seen(tiny_checkpoint, [], context) == 0
    assert count_seen(tiny_checkpoint, [text.upper() for text in texts], context) in (0, 336)
    assert count_seen(tmp_path, texts, context) is None
    (tmp_path / NAME).write_bytes(b"123")
    assert count_seen(tmp_path, texts, context) is None
    assert isinstance(context.observer, Noting)
    (warning,) = context.observer.warnings
    assert warning.endswith("Whether reviews stood in training is not looked at.")


def test_training_rows_are_those_of_the_run_while_the_cache_has_them(folds_checkpoint: Path, context: Context) -> None:
    checkpoint, cache = Checkpoint.open(folds_checkpoint), folds_checkpoint.parent / "cache"
    assert read_training_rows(checkpoint, context) is None
    there = Context(cache_dir=cache, observer=Noting())
    rows = read_training_rows(checkpoint, there)
    assert rows is not None
    assert (len(rows.texts), len(rows.labels), rows.folds) == (60, 60, None)
    own = read_training_rows(checkpoint, there, out_of_fold=True)
    assert own is not None
    assert own.folds is not None
    assert sorted({int(fold) for fold in own.folds}) == [0, 1, 2]
    for fold in range(3):
        assert 15 <= int((own.folds == fold).sum()) <= 25


def test_baselines_need_the_training_rows(tiny_checkpoint: Path, new_csv: Path, context: Context, tmp_path: Path) -> None:
    assert run(context, tiny_checkpoint, new_csv).assessment.baselines == ()
    shutil.copytree(tiny_checkpoint.parent / "cache", tmp_path / "copied")
    found = run(Context(cache_dir=tmp_path / "copied", observer=Noting()), tiny_checkpoint, new_csv).assessment
    assert [one.name for one in found.baselines] == ["majority", "tf-idf"]
    assert found.n_near == 0


def test_a_column_that_is_not_there_is_refused_with_those_that_are(
    tiny_checkpoint: Path, new_csv: Path, context: Context
) -> None:
    with pytest.raises(UsageError, match="--by product: the reviews have no such column") as caught:
        run(context, tiny_checkpoint, new_csv, "label", "product")
    assert caught.value.hint == "Their columns: label, title, content."


def test_empty_values_and_rows_without_the_column_are_one_slice(tiny_checkpoint: Path, context: Context, tmp_path: Path) -> None:
    """Of each three rows one has a product, one an empty one, and one none."""
    source = write_rows(tmp_path / "rows.jsonl", 60, {0: "lamp", 1: " "})
    slices = list_slices(run(context, tiny_checkpoint, source, "product"), "product")
    assert {name: one.n for name, one in slices.items()} == {"(empty)": 40, "lamp": 20}
    source = write_rows(tmp_path / "nulls.jsonl", 60, {0: 7, 2: None})
    slices = list_slices(run(context, tiny_checkpoint, source, "product"), "product")
    assert {name: one.n for name, one in slices.items()} == {"(empty)": 40, "7": 20}


def test_a_hundred_values_make_twenty_slices_and_the_others(tiny_checkpoint: Path, context: Context, tmp_path: Path) -> None:
    rows = [(*row, f"product {number % 100}") for number, row in enumerate(make_reviews(210, seed=3))]
    source = write_csv(tmp_path / "many.csv", rows, ("label", "title", "content", "product"))
    slices = list_slices(run(context, tiny_checkpoint, source, "product"), "product")
    assert len(slices) == 21
    assert sum(one.n for one in slices.values()) == 210
    assert slices["product 0"].n == 3
    assert slices["other"].n == 210 - 10 * 3 - 10 * 2


def test_reviews_without_a_title_are_a_slice(tiny_checkpoint: Path, context: Context, tmp_path: Path) -> None:
    rows = [(label, title if number % 4 else "", content) for number, (label, title, content) in enumerate(make_reviews(80))]
    source = write_csv(tmp_path / "titles.csv", rows)
    slices = list_slices(run(context, tiny_checkpoint, source), "title")
    assert {name: one.n for name, one in slices.items()} == {"with title": 60, "without title": 20}


def test_few_reviews_have_no_slices(tiny_checkpoint: Path, context: Context, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "few.csv", make_reviews(39, seed=4))
    assert run(context, tiny_checkpoint, source, "label").assessment.slices == ()
