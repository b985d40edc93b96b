"""The commands, in this process, with a tiny encoder: results, streams and exit codes."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import Outcome, drop_checks
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]


def train(polarity: Polarity, source: Path, encoder: Path, *more: object) -> Outcome:
    return polarity("train", source, "--encoder", encoder, "--epochs", 1, *more)


def test_prepare_counts_splits_and_answers_again_from_the_cache(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path
) -> None:
    first = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--json")
    again = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--json")
    assert first.code == again.code == 0
    document, second = json.loads(first.stdout), json.loads(again.stdout)
    assert (document.pop("from_cache"), second.pop("from_cache")) == (False, True)
    assert document == second
    assert {name: counts["n_rows"] for name, counts in document["splits"].items()} == {"train": 42, "validation": 6, "test": 12}
    assert all(counts["n_positive"] == counts["n_negative"] for counts in document["splits"].values())
    assert document["text"] == ["title", "content"]


def test_prepare_says_what_it_read(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    outcome = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--rows", 20)
    assert "train       14 reviews (7 positive, 7 negative)" in outcome.stdout
    assert "negative is negative, positive is positive" in outcome.stdout
    assert "Read the first 20 rows" in outcome.stderr


@pytest.mark.parametrize(
    "change",
    [("--seed", 1), ("--max-length", 16), ("--truncation", "tail"), ("--rows", 50), ("--test", 0.3), ("--text", "content")],
)
def test_anything_that_changes_the_tokens_makes_another_entry(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, cache_dir: Path, change: tuple[object, ...]
) -> None:
    polarity("prepare", reviews_csv, "--encoder", tiny_encoder)
    polarity("prepare", reviews_csv, "--encoder", tiny_encoder, *change)
    assert len(list((cache_dir / "data").iterdir())) == 2


def test_changed_file_is_prepared_anew(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, cache_dir: Path) -> None:
    polarity("prepare", reviews_csv, "--encoder", tiny_encoder)
    write_csv(reviews_csv, make_reviews(80))
    polarity("prepare", reviews_csv, "--encoder", tiny_encoder)
    assert len(list((cache_dir / "data").iterdir())) == 2


def test_arrow_file_is_one_that_datasets_reads(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, cache_dir: Path
) -> None:
    import datasets

    polarity("prepare", reviews_csv, "--encoder", tiny_encoder)
    (path,) = (cache_dir / "data").glob("*/train.arrow")
    rows = datasets.Dataset.from_file(str(path))
    assert rows.column_names == ["input_ids", "label", "text", "where", "file", "row"]
    assert len(rows) == 42
    assert rows[0]["where"].startswith("reviews.csv:")


def test_folder_keeps_its_test_file_and_train_loses_its_copies(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    rows = make_reviews(60)
    (tmp_path / "data").mkdir()
    write_csv(tmp_path / "data" / "test.csv", rows[:10])
    write_csv(tmp_path / "data" / "train.csv", rows[8:])
    outcome = polarity("prepare", "data", "--encoder", tiny_encoder, "--json")
    splits = json.loads(outcome.stdout)["splits"]
    assert splits["test"]["n_rows"] == 10
    assert splits["train"]["n_rows"] + splits["validation"]["n_rows"] == 50
    assert "Left out 2 train rows whose review stands in another split" in outcome.stderr


def test_plan_prints_what_would_train_and_reads_no_data(polarity: Polarity, tiny_encoder: Path) -> None:
    outcome = polarity("train", "no-such-file.csv", "--encoder", tiny_encoder, "--unfreeze", 2, "--plan")
    assert outcome.code == 0
    assert "bert.encoder.layer.2, bert.encoder.layer.3, bert.pooler, classifier" in outcome.stdout
    assert "before block 2 of 4" in outcome.stdout


def test_train_publishes_a_checkpoint_and_json_is_alone_on_stdout(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    outcome = train(polarity, reviews_csv, tiny_encoder, "--json")
    assert outcome.code == 0
    result = json.loads(outcome.stdout)
    assert "Epoch 1 of 1" in outcome.stderr
    assert (tmp_path / "ckpt" / "model.safetensors").is_file()
    assert result["freeze_plan"]["cut"] == 2
    assert result["metrics"].keys() == {"validation", "test"}
    assert result["metrics"]["test"]["n"] == 12
    assert Path(result["in_cache"]).is_dir()


def test_quiet_run_says_nothing_on_stderr(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    assert drop_checks(train(polarity, reviews_csv, tiny_encoder, "--quiet").stderr) == ""


def test_article_recipe_keeps_the_articles_values(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    result = json.loads(polarity("train", reviews_csv, "--encoder", tiny_encoder, "--recipe", "article", "--json").stdout)
    values = result["recipe"]["values"]
    assert (values["learning_rate"], values["batch_size"], values["epochs"]) == (2e-5, 16, 1)
    assert (values["weight_decay"], values["unfreeze"], values["warmup"]) == (0.01, 2, 0.0)
    assert result["data"]["text"] == ["content"]
    assert {name: counts["n_rows"] for name, counts in result["data"]["splits"].items()} == {"train": 48, "test": 12}


def test_option_given_overrides_the_recipe(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    outcome = polarity(
        "train",
        reviews_csv,
        "--encoder",
        tiny_encoder,
        "--recipe",
        "article",
        "--unfreeze",
        "all",
        "--learning-rate",
        1e-3,
        "--json",
    )
    result = json.loads(outcome.stdout)
    assert result["recipe"]["values"]["unfreeze"] == "all"
    assert result["recipe"]["values"]["learning_rate"] == 1e-3
    assert result["freeze_plan"]["n_frozen"] == 4 * 32  # the biases of keys, which change no answer


def test_second_run_replaces_the_published_checkpoint(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    train(polarity, reviews_csv, tiny_encoder)
    before = json.loads((tmp_path / "ckpt" / "polarity.json").read_text())
    assert train(polarity, reviews_csv, tiny_encoder, "--seed", 7).code == 0
    after = json.loads((tmp_path / "ckpt" / "polarity.json").read_text())
    assert (before["seed"], after["seed"]) == (42, 7)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("there", ["a file", "a folder of mine", "a checkpoint with a file of mine", "a link"])
def test_out_that_no_run_published_is_refused_before_anything_is_done(
    polarity: Polarity,
    reviews_csv: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    tiny_checkpoint: Path,
    cache_dir: Path,
    there: str,
) -> None:
    out = tmp_path / "ckpt"
    if there == "a file":
        out.write_text("mine")
    elif there == "a folder of mine":
        out.mkdir()
        (out / "thesis.txt").write_text("mine")
    elif there == "a link":
        out.symlink_to(tiny_checkpoint)
    else:
        shutil.copytree(tiny_checkpoint, out)
        (out / "thesis.txt").write_text("mine")
    outcome = train(polarity, reviews_csv, tiny_encoder)
    assert outcome.code == 2
    assert "--out ckpt" in outcome.stderr
    assert out.read_text() == "mine" if there == "a file" else out.exists()
    if "mine" in there and out.is_dir():
        assert (out / "thesis.txt").read_text() == "mine"
    assert not (cache_dir / "checkpoints").exists()


def test_evaluate_without_source_scores_the_test_split_of_training(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path
) -> None:
    trained = json.loads(train(polarity, reviews_csv, tiny_encoder, "--json").stdout)
    reviews_csv.unlink()  # the tokenized reviews are in the cache
    outcome = polarity("evaluate", "ckpt", "--json")
    assert outcome.code == 0
    result = json.loads(outcome.stdout)
    assert result["metrics"]["f1"] == pytest.approx(trained["metrics"]["test"]["f1"])
    assert result["metrics"]["log_loss"] == pytest.approx(trained["metrics"]["test"]["log_loss"], abs=1e-5)
    assert json.loads(polarity("evaluate", "--json").stdout)["metrics"] == result["metrics"]


def test_evaluate_takes_another_file_and_lists_the_mistakes(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    rows = make_reviews(40, seed=5)
    rows[3] = ("negative", *rows[3][1:])  # a positive review with the wrong label is a sure mistake
    source = write_csv(tmp_path / "other.csv", rows)
    outcome = polarity("evaluate", tiny_checkpoint, source, "--split", "all", "--errors", "mistakes.csv", "--json")
    metrics = json.loads(outcome.stdout)["metrics"]
    assert metrics["n"] == 40
    assert metrics["accuracy"] >= 0.9
    with (tmp_path / "mistakes.csv").open(newline="") as file:
        mistakes = list(csv.DictReader(file))
    assert len(mistakes) == metrics["positive_as_negative"] + metrics["negative_as_positive"]
    scores = [float(row["score"]) for row in mistakes]
    assert scores == sorted(scores, reverse=True)
    (wrong,) = [row for row in mistakes if row["row"] == "4"]
    assert (wrong["expected"], wrong["predicted"]) == ("negative", "positive")
    assert (wrong["label"], wrong["title"], wrong["content"]) == rows[3]


def test_evaluate_of_one_class_gives_what_is_defined(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "good.csv", [row for row in make_reviews(20) if row[0] == "positive"])
    metrics = json.loads(polarity("evaluate", tiny_checkpoint, source, "--split", "all", "--json").stdout)["metrics"]
    assert metrics["n"] == 10
    assert metrics["roc_auc"] is None
    assert metrics["recall"] >= 0.8


def test_foreign_checkpoint_of_two_classes_is_evaluated(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    shutil.copytree(tiny_checkpoint, foreign)
    (foreign / "polarity.json").unlink()
    config = json.loads((foreign / "config.json").read_text())
    source = write_csv(tmp_path / "other.csv", make_reviews(40, seed=5))
    scores: dict[str, Any] = {}
    for names in (["LABEL_0", "LABEL_1"], ["NEG", "POS"], ["lemon", "peach"]):
        config |= {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}
        (foreign / "config.json").write_text(json.dumps(config))
        outcome = polarity("evaluate", foreign, source, "--split", "all", "--json")
        scores[names[1]] = json.loads(outcome.stdout)["metrics"]["accuracy"] if outcome.code == 0 else outcome
    assert scores["LABEL_1"] == scores["POS"] >= 0.9
    assert scores["peach"].code == 2
    assert "not clear which class is positive, 'lemon' and 'peach'" in scores["peach"].stderr
    assert "Name it with --positive-class" in scores["peach"].stderr
    named = polarity("predict", "--checkpoint", foreign, "--positive-class", "peach", "great amazing book")
    assert named.code == 0


def test_help_of_every_command_has_examples(polarity: Polarity) -> None:
    for command in ("prepare", "train", "evaluate", "predict"):
        outcome = polarity(command, "--help")
        assert outcome.code == 0
        assert f"  polarity {command}" in outcome.stdout
        for option in ("--cache-dir", "--json", "--quiet", "--offline", "--debug"):
            assert option in outcome.stdout
    assert "polarity train --sample" in polarity("--help").stdout
    assert polarity("--version").stdout.startswith("polarity 0.")
