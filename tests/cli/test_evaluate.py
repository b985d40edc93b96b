"""`polarity evaluate` as a person meets it: streams, exit codes, tables that fit, several processes, without torch."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from polarity_cli.cli.scores import WIDTH, format_check, format_confusion, format_coverage, format_scores, format_value
from polarity_cli.scoring.metrics import METRICS
from polarity_cli.scoring.values import Check, Coverage, Interval
from tests.helpers.commands import Outcome, run_polarity
from tests.helpers.foreign import ANSWERED, build
from tests.helpers.reviews import make_reviews, write_csv
from tests.test_torch_line import run_without_torch

Polarity = Callable[..., Outcome]
FILES = ("--errors", "e.csv", "--predictions", "p.jsonl", "--suspects", "s.csv", "--report", "r.html")


@pytest.fixture
def new_csv(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "new.csv", make_reviews(60, seed=77))


def test_widest_figures_fit_the_screen() -> None:
    counts = {f"{truth}_as_{answer}": 12_345_678 for truth in ("negative", "positive") for answer in ("negative", "positive")}
    sizes = {"n": 49_382_712, "negative_n": 24_691_356, "positive_n": 24_691_356}
    metrics: dict[str, float | None] = {**dict.fromkeys(METRICS, 0.987654), **counts, **sizes, "matthews": -0.987654}
    intervals: dict[str, Interval | None] = {**dict.fromkeys(METRICS, (0.912, 0.998)), "matthews": (-1.0, -0.91)}
    lines = [*format_scores(metrics, intervals), *format_confusion(metrics)]
    assert max(map(len, lines)) <= WIDTH
    assert "-0.988 (-1.00 to -0.91)" in "\n".join(lines)
    assert "12,345,678 (50.0%)" in "\n".join(lines)
    header, *rows = lines[:5]
    assert all(row[header.index("recall") :].startswith("0.988 (0.91-1.00)") for row in rows)


def test_what_is_not_known_is_a_dash() -> None:
    assert format_value({"f1": None}, {}, "f1") == format_value({}, {}, "f1") == "-"
    assert format_value({"f1": 0.5}, {"f1": None}, "f1") == "0.500"
    assert format_value({"f1": 0.5}, {"f1": (0.25, 0.75)}, "f1") == "0.500 (0.25-0.75)"
    assert list(format_scores(dict.fromkeys(METRICS), {}))


def test_confidences_that_nothing_reaches_are_left_out() -> None:
    some, none = Coverage(0.9, 3, 0.75, 0.9, 0.9, None), Coverage(0.99, 0, 0.0, None, None, None)
    assert format_coverage([some, none]) == "from 0.9 on 75%, 90.0% right"
    assert format_coverage([none]) == ""
    assert format_check(Check("a", "It is.", "")) == "Check: It is."


@pytest.mark.parametrize("name", ["r.csv", "a long name with many words " * 4 + ".csv", "n" * 180 + ".csv"])
def test_what_is_printed_fits_the_screen_but_for_a_word_that_is_longer(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "ckpt").symlink_to(tiny_checkpoint)
    products = [f"{'lamp' * 30} {index % 2} with a long name of many words" for index in range(120)]
    rows = [("positive" if index % 2 else label, title, content, products[index])
            for index, (label, title, content) in enumerate(make_reviews(240, seed=9)[::2])]  # fmt: skip
    write_csv(tmp_path / name, rows, ("label", "title", "content", "product"))
    outcome = polarity("evaluate", "ckpt", name, "--by", "product", *FILES, "--threshold", 0.6, "--precision", "fp32")
    assert outcome.code == 0, outcome.stderr
    assert "worse on" in outcome.stdout
    long = [line for line in outcome.stdout.splitlines() if len(line) > WIDTH]
    assert all(len(line.split(maxsplit=1)[-1].split()[0]) > 60 for line in long), long
    assert "threshold   positive from 0.6 on" in outcome.stdout


@pytest.mark.parametrize(("content", "phrase"), [(b"", "no reviews in it"), (b"label,title,content\n", "no reviews in it")])
def test_an_empty_file_is_refused_in_words(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, content: bytes, phrase: str
) -> None:
    (tmp_path / "none.csv").write_bytes(content)
    outcome = polarity("evaluate", tiny_checkpoint, "none.csv", *FILES)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert phrase in outcome.stderr
    assert not (tmp_path / "r.html").exists()


def test_a_file_of_one_class_is_told_without_a_traceback_or_a_librarys_warning(tiny_checkpoint: Path, tmp_path: Path) -> None:
    rows = [row for row in make_reviews(60, seed=77) if row[0] == "positive"]
    write_csv(tmp_path / "one.csv", rows)
    outcome = run_polarity("evaluate", tiny_checkpoint, "one.csv", *FILES, cwd=tmp_path, cache=tmp_path / "cache")
    assert outcome.code == 0, outcome.stderr
    assert "Check: All 30 reviews are positive: nothing can be said of the other class." in outcome.stderr
    told = [line for line in outcome.stderr.splitlines() if not line.startswith(("Check: ", "Model: ", "one.csv: "))]
    assert told == ["No baselines stand beside: the reviews that it was trained on are not in this cache."]
    assert "no use" not in outcome.stdout


def test_warnings_stay_under_quiet_and_notes_do_not(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    turned = [("positive" if label == "negative" else "negative", *rest) for label, *rest in make_reviews(60, seed=77)]
    write_csv(tmp_path / "turned.csv", turned)
    outcome = polarity("evaluate", tiny_checkpoint, "turned.csv", "--quiet")
    assert outcome.code == 0
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("Check: It is worse than guessing: ROC AUC 0.")
    loud = polarity("evaluate", tiny_checkpoint, "turned.csv")
    assert "two digits need about" in loud.stderr


def test_the_threshold_moves_labels_and_is_said(polarity: Polarity, tiny_checkpoint: Path, new_csv: Path) -> None:
    found = {}
    for threshold in (0.0001, 0.5, 0.9999):
        document = json.loads(polarity("evaluate", tiny_checkpoint, new_csv, "--threshold", threshold, "--json").stdout)
        assert document["threshold"] == threshold
        found[threshold] = document["metrics"]
    assert found[0.0001]["recall"] == 1
    assert found[0.0001]["negative_recall"] == 0
    assert found[0.9999]["positive_as_positive"] == found[0.9999]["negative_as_positive"] == 0
    assert found[0.0001]["roc_auc"] == found[0.5]["roc_auc"] == found[0.9999]["roc_auc"]
    for wrong in ("0", "1.1", "-0.1", "nan", "half"):
        outcome = polarity("evaluate", tiny_checkpoint, new_csv, "--threshold", wrong)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert "--threshold" in outcome.stderr


def test_exit_code_tells_whether_a_foreign_checkpoint_is_worse(
    polarity: Polarity, tiny_checkpoint: Path, new_csv: Path, tmp_path: Path
) -> None:
    config, tokenizer = ANSWERED["bert"]()
    build(tmp_path / "foreign", config, tokenizer)
    worse = polarity("evaluate", "foreign", new_csv, "--against", tiny_checkpoint, "--fail-if-worse", "--json")
    assert (worse.code, json.loads(worse.stdout)["against"]["is_real"]) == (1, True)
    assert polarity("evaluate", "foreign", new_csv, "--against", tiny_checkpoint).code == 0
    assert polarity("evaluate", tiny_checkpoint, new_csv, "--against", "foreign", "--fail-if-worse").code == 0
    assert polarity("evaluate", tiny_checkpoint, new_csv, "--against", tiny_checkpoint, "--fail-if-worse").code == 0
    gone = polarity("evaluate", tiny_checkpoint, new_csv, "--against", "nowhere/at/all", "--fail-if-worse", "--offline")
    assert (gone.code, gone.stdout) == (2, "")
    assert "nowhere/at/all" in gone.stderr


def test_checkpoint_that_saw_the_reviews_is_named(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "seen.csv", make_reviews(480)[:40])
    config, tokenizer = ANSWERED["bert"]()
    build(tmp_path / "foreign", config, tokenizer)
    outcome = polarity("evaluate", "foreign", "seen.csv", "--against", tiny_checkpoint, "--quiet")
    (line,) = [line for line in outcome.stderr.splitlines() if "was trained on" in line]
    assert line.startswith(f"Check: {tiny_checkpoint} was trained on ")
    assert "of 40 reviews, which flatters it." in line


def test_all_of_it_works_without_torch_where_a_graph_serves(tiny_checkpoint: Path, new_csv: Path, tmp_path: Path) -> None:
    more = (*FILES, "--by", "label", "--against", tiny_checkpoint, "--json")
    outcome = run_without_torch("evaluate", tiny_checkpoint, new_csv, *more, cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["precision"] in ("int8", "fp32")
    assert all((tmp_path / name).is_file() for name in FILES[1::2])


@pytest.mark.parametrize("n_rows", [1, 61])
def test_two_processes_find_what_one_finds(tiny_checkpoint: Path, tmp_path: Path, n_rows: int) -> None:
    write_csv(tmp_path / "rows.csv", make_reviews(n_rows, seed=31))
    found, written = [], []
    for n_processes in (1, 2):
        more = ("--processes", n_processes, "--json", "--predictions", "p.csv", "--against", tiny_checkpoint)
        outcome = run_polarity("evaluate", tiny_checkpoint, "rows.csv", *more, cwd=tmp_path, cache=tmp_path / "cache")
        assert outcome.code == 0, outcome.stderr
        document = json.loads(outcome.stdout)
        found.append({name: document[name] for name in document if name not in ("seconds", "rows_per_second")})
        with (tmp_path / "p.csv").open(newline="") as file:
            written.append(list(csv.reader(file)))
    assert found[0] == found[1]
    assert written[0] == written[1]
    assert len(written[0]) == n_rows + 1
