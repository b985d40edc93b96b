"""The files that an evaluation writes: mistakes, predictions, suspects."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from polarity_cli.config import Context, EvaluateConfig
from polarity_cli.errors import UsageError
from polarity_cli.verbs.evaluate import evaluate
from polarity_cli.verbs.evaluation import answers
from polarity_cli.verbs.evaluation.result import EvaluateResult
from tests.helpers.reviews import make_reviews, write_csv

OTHER = {"negative": "positive", "positive": "negative"}


def run(context: Context, checkpoint: Path, *sources: Path, **more: object) -> EvaluateResult:
    config = EvaluateConfig(checkpoint=checkpoint, sources=tuple(map(str, sources)), **more)  # type: ignore[arg-type]
    result = evaluate(config, context)
    assert result is not None
    return result


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def wrong_csv(tmp_path: Path) -> Path:
    """A file of 120 reviews, every tenth of which has the wrong label."""
    rows = make_reviews(120, seed=41)
    labelled = [(OTHER[label] if number % 10 == 0 else label, *texts) for number, (label, *texts) in enumerate(rows)]
    return write_csv(tmp_path / "wrong.csv", labelled)


def test_predictions_hold_every_row_once_and_in_order(
    tiny_checkpoint: Path, wrong_csv: Path, context: Context, tmp_path: Path
) -> None:
    path = tmp_path / "predictions.csv"
    result = run(context, tiny_checkpoint, wrong_csv, predictions=path)
    rows, own = read_csv(path), read_csv(wrong_csv)
    assert [int(row["row"]) for row in rows] == list(range(1, 121))
    assert [(row["label"], row["title"], row["content"]) for row in rows] == [tuple(row.values()) for row in own]
    assert [row["expected"] for row in rows] == [row["label"] for row in own]
    y_score = result.answers.y_score.tolist()
    assert [float(row["positive_score"]) for row in rows] == pytest.approx(y_score, abs=1e-6)
    assert [float(row["negative_score"]) for row in rows] == pytest.approx([1 - score for score in y_score], abs=1e-6)
    assert [row["predicted"] for row in rows] == [("negative", "positive")[score >= 0.5] for score in y_score]


def test_predictions_of_several_files_say_where_each_stands(tiny_checkpoint: Path, context: Context, tmp_path: Path) -> None:
    """The second file's rows are longer, and one has no label; the other columns of each are kept."""
    first = write_csv(tmp_path / "a.csv", [(*row, "x") for row in make_reviews(5, seed=1)], ("label", "title", "content", "mine"))
    second = write_csv(tmp_path / "b.csv", [*make_reviews(4, seed=2), ("", "no", "label")])
    path = tmp_path / "p.jsonl"
    run(context, tiny_checkpoint, first, second, predictions=path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["row"] for row in rows] == [1, 2, 3, 4, 5, 1, 2, 3, 4]
    assert [row.get("mine") or "" for row in rows] == ["x"] * 5 + [""] * 4
    assert [Path(row["where"].split(":")[0].split(",")[0]).name for row in rows] == ["a.csv"] * 5 + ["b.csv"] * 4


def test_mistakes_stand_by_how_sure_they_are_with_the_words_that_decided(
    tiny_checkpoint: Path, wrong_csv: Path, context: Context, tmp_path: Path
) -> None:
    path = tmp_path / "mistakes.csv"
    result = run(context, tiny_checkpoint, wrong_csv, errors=path)
    rows = read_csv(path)
    assert len(rows) == result.n_mistakes >= 12
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert all(row["predicted"] == OTHER[row["expected"]] for row in rows)
    assert set(range(1, 121, 10)) <= {int(row["row"]) for row in rows}
    for row in rows:
        for part in row["words"].split(", "):
            word, weight = part.rsplit(" ", 1)
            assert word in f"{row['title']}: {row['content']}"
            assert float(weight) != 0 or weight in ("+0.00", "-0.00")
    assert any(row["words"] for row in rows)


def test_no_mistake_is_an_empty_table_without_looking_for_words(
    tiny_checkpoint: Path, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = [row for row in make_reviews(12, seed=13) if row[0] == "positive"][:3]
    source, paths = write_csv(tmp_path / "right.csv", right), [tmp_path / f"{name}.csv" for name in ("e", "s")]
    monkeypatch.setattr("polarity_cli.verbs.evaluation.findings.explain", None)
    result = run(context, tiny_checkpoint, source, errors=paths[0], suspects=paths[1])
    assert (result.n_mistakes, result.suspects) == (0, ())
    for path in paths:
        assert read_csv(path) == []
        assert path.read_text().strip()


def test_suspects_are_the_labels_that_the_scores_contradict(
    tiny_checkpoint: Path, wrong_csv: Path, context: Context, tmp_path: Path
) -> None:
    path = tmp_path / "suspects.csv"
    result = run(context, tiny_checkpoint, wrong_csv, suspects=path)
    rows = read_csv(path)
    assert result.suspects is not None
    assert [int(row["row"]) for row in rows] == [suspect.number + 1 for suspect in result.suspects]
    found = {int(row["row"]) for row in rows}
    assert len(found & set(range(1, 121, 10))) >= 10
    assert len(found - set(range(1, 121, 10))) <= 6
    assert all(float(row["score"]) < 0.5 for row in rows)
    y_score = result.answers.y_score
    for suspect in result.suspects:
        positive = float(y_score[suspect.number])
        assert suspect.score == pytest.approx(positive if suspect.label == "positive" else 1 - positive)


@pytest.mark.parametrize("flag", ["errors", "predictions", "suspects", "report"])
def test_files_that_cannot_be_written_are_refused_before_any_work(
    tiny_checkpoint: Path, new_csv: Path, context: Context, tmp_path: Path, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polarity_cli.verbs.evaluate.find_checkpoint", None)  # which is the first work
    suffix = "html" if flag == "report" else "csv"
    (tmp_path / f"folder.{suffix}").mkdir()
    for name in (f"nowhere/x.{suffix}", f"folder.{suffix}", f"new.csv/x.{suffix}"):
        with pytest.raises(UsageError, match=f"--{flag} .*: it is a folder, or its folder does not exist"):
            run(context, tiny_checkpoint, new_csv, **{flag: tmp_path / name})
    with pytest.raises(UsageError, match=f"--{flag} "):
        run(context, tiny_checkpoint, new_csv, **{flag: tmp_path / "x.doc"})


def test_reviews_are_never_written_over(
    tiny_checkpoint: Path, new_csv: Path, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program once replaced a file of reviews by its mistakes."""
    before = new_csv.read_bytes()
    (tmp_path / "link.csv").symlink_to(new_csv)
    monkeypatch.setattr(answers, "answer_reviews", None)
    for sources in ([new_csv], [tmp_path / "n*w.csv"]):
        for name in ("new.csv", "link.csv", "../" + tmp_path.name + "/new.csv"):
            with pytest.raises(UsageError, match="the reviews are read from it"):
                run(context, tiny_checkpoint, *sources, errors=tmp_path / name)
    assert new_csv.read_bytes() == before
    with pytest.raises(UsageError, match=r"--errors .*: --suspects is written there too"):
        run(context, tiny_checkpoint, new_csv, errors=tmp_path / "a.csv", suspects=tmp_path / f"../{tmp_path.name}/a.csv")
