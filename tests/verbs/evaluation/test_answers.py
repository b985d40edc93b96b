"""What is served is what is scored: `evaluate` answers as `predict` does, in each precision, and says which."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import Outcome
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("more", [(), ("--precision", "fp32"), ("--threshold", "0.93")], ids=" ".join)
def test_every_row_has_the_label_and_score_that_predict_gives(
    polarity: Polarity, tiny_checkpoint: Path, reviews_csv: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    assert polarity("evaluate", tiny_checkpoint, reviews_csv, "--predictions", "rows.jsonl", *more).code == 0
    predicted = polarity("predict", "--checkpoint", tiny_checkpoint, "--input", reviews_csv, "--output", "served.jsonl", *more)
    assert predicted.code == 0, predicted.stderr
    rows, served = read_lines(tmp_path / "rows.jsonl"), read_lines(tmp_path / "served.jsonl")
    assert [row["row"] for row in rows] == list(range(1, 61))
    assert [row["title"] for row in rows] == [row["title"] for row in served]
    assert [row["predicted"] for row in rows] == [row["predicted_label"] for row in served]
    for row, answer in zip(rows, served, strict=True):
        assert row[f"{row['predicted']}_score"] == pytest.approx(answer["predicted_score"], abs=2e-5)
        assert row["negative_score"] + row["positive_score"] == pytest.approx(1, abs=2e-6)


def test_precision_is_said_and_what_is_served_stands_beside(polarity: Polarity, tiny_checkpoint: Path, reviews_csv: Path) -> None:
    default = json.loads((tiny_checkpoint / "polarity.json").read_text())["graphs"]["default"]
    other = {"int8": "fp32", "fp32": "int8"}[default]
    usual = json.loads(polarity("evaluate", tiny_checkpoint, reviews_csv, "--json").stdout)
    assert (usual["precision"], usual["served"]) == (default, None)
    for precision in (other, "weights"):
        asked = json.loads(polarity("evaluate", tiny_checkpoint, reviews_csv, "--json", "--precision", precision).stdout)
        assert asked["precision"] == precision
        assert asked["served"]["precision"] == default
        assert asked["served"]["metrics"] == usual["metrics"]


def test_graph_that_is_damaged_gives_way_to_the_weights_with_a_word(
    polarity: Polarity, tiny_checkpoint: Path, reviews_csv: Path, tmp_path: Path
) -> None:
    import shutil

    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    for path in folder.glob("polarity/*.onnx"):
        path.write_bytes(b"no graph")
    outcome = polarity("evaluate", folder, reviews_csv, "--json", "--quiet")
    assert outcome.code == 0, outcome.stderr
    assert "is damaged: it is not as it was written; the weights answer." in outcome.stderr
    assert json.loads(outcome.stdout)["precision"] == "weights"


def test_tables_fit_eighty_columns(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "reviews.csv", make_reviews(60))
    files = ("--errors", "e.csv", "--predictions", "p.csv", "--suspects", "s.csv", "--report", "r.html")
    outcome = polarity("evaluate", tiny_checkpoint, source, "--against", tiny_checkpoint, "--precision", "weights", *files)
    assert outcome.code == 0, outcome.stderr
    *_, below = outcome.stdout.split("\n\n", 1)
    assert all(len(line) <= 80 for line in below.splitlines() if "/" not in line)  # a path may be longer
    for name in ("negative", "positive", "macro", "weighted", "ROC AUC", "calibration error", "verdict", "against", "report"):
        assert name in outcome.stdout


@pytest.mark.parametrize(
    ("rows", "phrase"),
    [
        ([("positive", "great", "superb love")], "1 row"),
        ([("positive", f"great {n}", "superb love") for n in range(9)], "All 9 reviews are positive"),
    ],
    ids=["single", "one class"],
)
def test_hardly_any_review_gives_a_clear_answer(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, rows: list[tuple[str, str, str]], phrase: str
) -> None:
    source = write_csv(tmp_path / "few.csv", rows)
    outcome = polarity("evaluate", tiny_checkpoint, source, "--report", "r.html", "--suspects", "s.csv", "--errors", "e.csv")
    assert outcome.code == 0, outcome.stderr
    assert phrase in outcome.stdout + outcome.stderr
    assert "Warning" not in outcome.stderr
    assert "nan" not in outcome.stdout.lower().replace("tennant", "")
    assert (tmp_path / "r.html").stat().st_size > 1000
