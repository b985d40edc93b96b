"""What `evaluate` finds beside the metrics: slices, another checkpoint, suspects, the page, scores out of fold."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.commands import Outcome
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]
HEADER = ("label", "title", "content", "shop")


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    """Reviews of three shops, one without a name; those of `bad` have the wrong labels, and every fourth has no title."""
    other = {"negative": "positive", "positive": "negative"}
    rows = []
    for index, (label, title, content) in enumerate(make_reviews(240, seed=3)):
        shop = ("good", "bad", "")[index % 3]
        rows.append((other[label] if shop == "bad" else label, "" if index % 4 == 0 else title, content, shop))
    return write_csv(tmp_path / "shops.csv", rows, header=HEADER)


def test_slices_by_column_and_title_name_what_is_really_worse(polarity: Polarity, tiny_checkpoint: Path, shops: Path) -> None:
    outcome = polarity("evaluate", tiny_checkpoint, shops, "--by", "shop", "--json")
    assert outcome.code == 0, outcome.stderr
    slices = json.loads(outcome.stdout)["slices"]
    by_shop = {one["name"]: one for one in slices if one["group"] == "shop"}
    assert by_shop.keys() == {"good", "bad", "(empty)"}
    assert [name for name, one in by_shop.items() if one["is_worse"]] == ["bad"]
    assert sum(one["n"] for one in by_shop.values()) == 240
    assert {one["name"]: one["n"] for one in slices if one["group"] == "title"} == {"with title": 180, "without title": 60}
    assert "worse on" in polarity("evaluate", tiny_checkpoint, shops, "--by", "shop").stdout


def test_column_that_is_not_there_is_refused_with_those_that_are(polarity: Polarity, tiny_checkpoint: Path, shops: Path) -> None:
    outcome = polarity("evaluate", tiny_checkpoint, shops, "--by", "shop,price")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "--by price: the reviews have no such column." in outcome.stderr
    assert "label, title, content, shop" in outcome.stderr


def test_suspects_are_the_labels_that_were_turned(polarity: Polarity, tiny_checkpoint: Path, shops: Path, tmp_path: Path) -> None:
    outcome = polarity("evaluate", tiny_checkpoint, shops, "--suspects", "labels.csv")
    assert outcome.code == 0, outcome.stderr
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 40
    assert np.mean([row["shop"] == "bad" for row in rows]) > 0.8
    assert [float(row["score"]) for row in rows] == sorted(float(row["score"]) for row in rows)


def test_same_checkpoint_is_no_better_than_itself(polarity: Polarity, tiny_checkpoint: Path, shops: Path) -> None:
    outcome = polarity("evaluate", tiny_checkpoint, shops, "--against", tiny_checkpoint, "--fail-if-worse", "--json")
    assert outcome.code == 0, outcome.stderr
    against = json.loads(outcome.stdout)["against"]
    assert (against["only_first_right"], against["only_second_right"], against["is_real"]) == (0, 0, False)
    assert against["p_value"] == 1


def test_worse_checkpoint_is_said_and_fails_where_that_is_asked_for(
    polarity: Polarity, tiny_checkpoint: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    source = write_csv(tmp_path / "reviews.csv", make_reviews(240, seed=4))
    bad = write_csv(tmp_path / "other.csv", make_reviews(60, seed=9))
    assert polarity("train", bad, "--encoder", tiny_encoder, "--epochs", 1, "--no-graphs", "--out", "bad").code == 0
    outcome = polarity("evaluate", "bad", source, "--against", tiny_checkpoint)
    assert outcome.code == 0, outcome.stderr
    assert "is better than bad" in " ".join(outcome.stdout.split())
    assert polarity("evaluate", "bad", source, "--against", tiny_checkpoint, "--fail-if-worse").code == 1
    assert polarity("evaluate", tiny_checkpoint, source, "--against", "bad", "--fail-if-worse").code == 0
    refused = polarity("evaluate", "bad", source, "--fail-if-worse")
    assert (refused.code, refused.stdout) == (2, "")
    assert "--fail-if-worse needs --against CHECKPOINT." in refused.stderr


def test_other_checkpoint_reads_the_columns_that_it_was_trained_on(
    polarity: Polarity, tiny_checkpoint: Path, tiny_encoder: Path, shops: Path
) -> None:
    train = ("train", shops, "--encoder", tiny_encoder, "--text", "content", "--epochs", 1, "--no-graphs", "--out", "content")
    assert polarity(*train).code == 0
    outcome = polarity("evaluate", tiny_checkpoint, shops, "--against", "content")
    assert outcome.code == 0, outcome.stderr
    assert "content reads content, as it was trained." in outcome.stderr
    assert "content was trained on" in outcome.stderr


def test_page_holds_the_reviews_as_text(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    rows = [(("positive", "negative")[n % 2], "<script>alert(1)</script>", f"great superb love {n}") for n in range(40)]
    source = write_csv(tmp_path / "hostile.csv", rows)
    outcome = polarity("evaluate", tiny_checkpoint, source, "--report", "page.html")
    assert outcome.code == 0, outcome.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "polarity evaluate" in page


@pytest.mark.parametrize("option", ["--errors", "--predictions", "--suspects", "--report"])
def test_file_that_cannot_be_written_is_refused_before_any_work(
    polarity: Polarity, tiny_checkpoint: Path, reviews_csv: Path, tmp_path: Path, option: str
) -> None:
    name = "page.html" if option == "--report" else "rows.csv"
    for path in (f"nowhere/{name}", "."):
        outcome = polarity("evaluate", tiny_checkpoint, reviews_csv, option, path)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert f"{option} {path}" in outcome.stderr
    assert not (tmp_path / "cache" / "data").exists()


@pytest.fixture
def folded(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path) -> Path:
    """A checkpoint with scores out of fold, and no test split."""
    train = ("train", reviews_csv, "--encoder", tiny_encoder, "--folds", 3, "--epochs", 1, "--out", "folded")
    assert polarity(*train).code == 0
    return tmp_path / "folded"


def test_scores_out_of_fold_are_looked_at_where_there_is_no_test_split(polarity: Polarity, folded: Path) -> None:
    outcome = polarity("evaluate", folded, "--json", "--suspects", "labels.csv")
    assert outcome.code == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    manifest = json.loads((folded / "polarity.json").read_text())
    assert (found["split"], found["metrics"]["n"], found["rows_per_second"]) == ("out of fold", 60, None)
    assert found["metrics"]["f1"] == pytest.approx(manifest["metrics"]["out of fold"]["f1"])
    assert {baseline["name"] for baseline in found["baselines"]} == {"majority", "tf-idf"}
    assert json.loads(polarity("evaluate", folded, "--split", "train", "--json").stdout)["split"] == "out of fold"
    asked = json.loads(polarity("evaluate", folded, "--split", "train", "--precision", "fp32", "--json").stdout)
    assert (asked["split"], asked["precision"]) == ("train", "fp32")


@pytest.mark.parametrize("content", [b"", b"no array", np.zeros(3, np.float32).tobytes()], ids=["empty", "text", "raw"])
def test_damaged_scores_out_of_fold_are_refused(polarity: Polarity, folded: Path, content: bytes) -> None:
    (folded / "out_of_fold.npy").write_bytes(content)
    outcome = polarity("evaluate", folded)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "not the scores" in outcome.stderr
    (folded / "out_of_fold.npy").unlink()
    assert "its scores out of fold are missing" in polarity("evaluate", folded).stderr
