"""People's files through the commands: what is scored, what is written, what is said."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.commands import Outcome
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]


def evaluate(polarity: Polarity, checkpoint: Path, *args: object) -> dict[str, object]:
    outcome = polarity("evaluate", checkpoint, *args, "--json")
    assert outcome.code == 0, outcome.stderr
    document: dict[str, object] = json.loads(outcome.stdout)
    return document


def write_upside_down(path: Path, n_rows: int, seed: int) -> Path:
    """Write reviews of which the complaints are labelled 0, and what is praised 1."""
    rows = [(str(int(label == "positive")), title, content) for label, title, content in make_reviews(n_rows, seed=seed)]
    return write_csv(path, rows)


def test_a_file_is_scored_whole_and_said(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "held.csv", [*make_reviews(50, seed=9), ("", "no", "label")])
    result = evaluate(polarity, tiny_checkpoint, "held.csv")
    assert result["metrics"]["n"] == 50  # type: ignore[index]
    assert result["scored"] == "50 rows, all of held.csv"
    assert result["left_out"]["no_label"] == 1  # type: ignore[index]
    assert evaluate(polarity, tiny_checkpoint, "held.csv", "--rows", 10)["scored"] == "10 rows, all of held.csv"
    outcome = polarity("evaluate", tiny_checkpoint, "held.csv", "--quiet")
    assert "50 rows, all of held.csv" in outcome.stdout
    assert "Left out 1 row without label" in outcome.stderr


def test_a_source_is_scored_by_its_own_test_split(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name, n_rows in (("train.csv", 60), ("test.csv", 20), ("dev.csv", 30)):
        write_csv(tmp_path / "d" / name, make_reviews(n_rows, seed=n_rows))
    assert evaluate(polarity, tiny_checkpoint, "d")["scored"] == "20 rows, the test split of d"
    assert evaluate(polarity, tiny_checkpoint, "d", "--split", "validation")["scored"] == "30 rows, the validation split of d"
    assert evaluate(polarity, tiny_checkpoint, "d", "--split", "all")["scored"] == "110 rows, all of d"
    (tmp_path / "d" / "test.csv").write_text("index,title,content\n0,so,so it is\n")
    assert evaluate(polarity, tiny_checkpoint, "d")["scored"] == "30 rows, the validation split of d"


@pytest.mark.slow
def test_what_labels_meant_in_training_is_kept(polarity: Polarity, tiny_encoder: Path, tmp_path: Path) -> None:
    """The program once scored such a file the wrong way round."""
    write_upside_down(tmp_path / "complaints.csv", 240, seed=1)
    more = ("--encoder", tiny_encoder, "--epochs", 10, "--learning-rate", 3e-3, "--no-graphs", "--out", "down")
    outcome = polarity("train", "complaints.csv", "--positive", 0, *more)
    assert outcome.code == 0, outcome.stderr
    assert json.loads((tmp_path / "down" / "polarity.json").read_text())["data"]["rule"]["positive"] == ["0"]
    write_upside_down(tmp_path / "new.csv", 60, seed=2)
    outcome = polarity("evaluate", "down", "new.csv", "--json")
    assert json.loads(outcome.stdout)["metrics"]["f1"] > 0.7
    assert "Labels are read as in training: 1 is negative, 0 is positive." in outcome.stderr
    assert json.loads(polarity("evaluate", "down", "new.csv", "--positive", 1, "--json").stdout)["metrics"]["f1"] < 0.3
    seen = json.loads(polarity("evaluate", "down", "complaints.csv", "--json").stdout)
    assert seen["metrics"]["n"] == 240
    assert seen["n_seen_in_training"] == 168


def test_a_label_that_nobody_knows_is_an_error(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("verdict,text\ngood,love it\ngood,works well\n")
    outcome = polarity("evaluate", tiny_checkpoint, "good.csv", "--label", "verdict", "--positive", "god")
    assert outcome.code == 2
    assert "--positive god" in outcome.stderr
    result = evaluate(polarity, tiny_checkpoint, "good.csv", "--label", "verdict", "--positive", "good")
    assert result["metrics"]["n"] == 2  # type: ignore[index]


def test_mistakes_keep_the_columns_of_their_rows(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    rows = [(f"id{i}", {"positive": "negative", "negative": "positive"}[label], f"{title}\n{content}")
            for i, (label, title, content) in enumerate(make_reviews(8, seed=4), 1)]  # fmt: skip
    write_csv(tmp_path / "r.csv", rows, ("id", "label", "text"))
    for name in ("m.csv", "m.jsonl", "m.xlsx", "m.parquet"):
        assert polarity("evaluate", tiny_checkpoint, "r.csv", "--errors", name).code == 0
    mistakes = list(csv.DictReader(io.StringIO((tmp_path / "m.csv").read_text(), newline="")))
    assert list(mistakes[0]) == ["id", "label", "text", "row", "expected", "predicted", "score", "words"]
    assert {(row["id"], row["text"]) for row in mistakes} <= {(number, text) for number, _, text in rows}
    assert all(row["id"] == f"id{row['row']}" for row in mistakes)
    assert [json.loads(line)["id"] for line in (tmp_path / "m.jsonl").read_text().splitlines()] == [row["id"] for row in mistakes]
    outcome = polarity("evaluate", tiny_checkpoint, "r.csv", "--errors", "m.txt")
    assert outcome.code == 2
    assert "--errors m.txt" in outcome.stderr


def predict(polarity: Polarity, checkpoint: Path, *args: object) -> Outcome:
    outcome = polarity("predict", "--checkpoint", checkpoint, *args)
    assert outcome.code == 0, outcome.stderr
    return outcome


def test_output_follows_the_input(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("\ufeffsep=;\r\nText;Stars\r\na great book;5\r\nso awful;1\r\n".encode())
    predict(polarity, tiny_checkpoint, "--input", "in.csv", "--output", "out.csv")
    assert (tmp_path / "out.csv").read_bytes().splitlines()[:3] == [
        b"\xef\xbb\xbfsep=;",
        b"Text;Stars;label;score",
        (tmp_path / "out.csv").read_bytes().splitlines()[2],
    ]
    assert (tmp_path / "out.csv").read_bytes().splitlines()[2].startswith(b"a great book;5;positive;")


def test_every_format_is_written_and_read_again(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    texts = ["a great book", "so awful, it was boring", 'the "best" film', "=1+1 ünï\tx"]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"n": i, "content": text}) + "\n" for i, text in enumerate(texts)))
    labels = [row["label"] for row in map(json.loads, predict(polarity, tiny_checkpoint, "-i", "in.jsonl").stdout.splitlines())]
    for name in ("o.csv", "o.jsonl", "o.parquet", "o.xlsx", "o.csv.xz", "o.jsonl.zip", "o.tsv"):
        predict(polarity, tiny_checkpoint, "--input", "in.jsonl", "--output", name)
        again = predict(polarity, tiny_checkpoint, "--input", name, "--format", "jsonl").stdout.splitlines()
        rows = list(map(json.loads, again))
        assert [row["content"] for row in rows] == [text.replace("\t", " ") if name == "o.tsv" else text for text in texts]
        assert [row["label"] for row in rows] == [row["predicted_label"] for row in rows] == labels
        assert [int(row["n"]) for row in rows] == [0, 1, 2, 3]


def test_several_inputs_go_to_a_folder_or_one_after_the_other(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    for name, text in (("a.csv", "great"), ("b.csv", "awful")):
        (tmp_path / name).write_text(f"id,content\n{name},{text}\n")
    out = predict(polarity, tiny_checkpoint, "--input", "a.csv", "--input", "b.csv").stdout.splitlines()
    assert [line.split(",")[0] for line in out] == ["id", "a.csv", "b.csv"]
    predict(polarity, tiny_checkpoint, "--input", "*.csv", "--output", "labelled")
    assert sorted(path.name for path in (tmp_path / "labelled").glob("[!.]*")) == ["a.csv", "b.csv"]
    assert (tmp_path / "labelled" / "b.csv").read_text().startswith("id,content,label,score\nb.csv,awful,negative,")
    (tmp_path / "b.csv").write_text("other,content\n1,awful\n")
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "--input", "a.csv", "--input", "b.csv")
    assert outcome.code == 2
    assert "b.csv: its columns are other, content" in outcome.stderr


def test_added_names_are_one_pair_and_can_be_said(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"content": "great", "label": 1}\n{"content": "awful"}\n{"content": "best", "score": 2}\n')
    rows = list(map(json.loads, predict(polarity, tiny_checkpoint, "-i", "r.jsonl").stdout.splitlines()))
    assert all({"predicted_label", "predicted_score"} <= row.keys() for row in rows)
    rows = list(map(json.loads, predict(polarity, tiny_checkpoint, "-i", "r.jsonl", "--prefix", "our_").stdout.splitlines()))
    assert all({"our_label", "our_score"} <= row.keys() for row in rows)
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "-i", "r.jsonl", "--prefix", "")
    assert outcome.code == 2
    assert "--prefix" in outcome.stderr


def test_what_was_lost_is_counted_in_json_too(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(b"id,content\n1,great\n2\n3,caf\xe9\n")
    document = json.loads(predict(polarity, tiny_checkpoint, "-i", "r.csv", "--on-error", "skip", "--json").stdout)
    assert (document["n_records"], document["left_out"]["broken"], document["left_out"]["undecodable"]) == (2, 1, 1)
    assert document["checkpoint"] == str(tiny_checkpoint)
