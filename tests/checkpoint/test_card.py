"""The model card says what is known of the reviews, and no more."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.checkpoint.card import make_card
from polarity_cli.checkpoint.card_metadata import make_metadata
from polarity_cli.checkpoint.card_words import find_languages


@pytest.fixture
def manifest(tiny_checkpoint: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tiny_checkpoint / "polarity.json").read_text())
    return found


def make_card_of(manifest: dict[str, Any], **data: object) -> str:
    return make_card({**manifest, "data": {**manifest["data"], **data}})


@pytest.mark.parametrize(
    ("source", "revision", "is_known"),
    [
        ("sample", None, True),
        ("amazon_polarity", "0" * 40, True),
        ("fancyzhx/amazon_polarity", "0" * 40, True),
        ("amazon_polarity", None, False),  # a folder of that name
        ("reviews.csv", None, False),
        ("some/critiques", "0" * 40, False),
    ],
)
def test_language_is_said_where_it_is_known_alone(
    manifest: dict[str, Any], source: str, revision: str | None, is_known: bool
) -> None:
    card = make_card_of(manifest, source=source, revision=revision)
    front, body = card.removeprefix("---\n").split("\n---\n", 1)
    assert ("language: en" in front.split("\n")) is is_known
    assert all(front.split("\n"))
    assert ("English" in body) is is_known
    assert ("product reviews" in body) is is_known
    assert (f"reviews of `{source}`; their language was not recorded" in body) is not is_known


def test_card_says_how_labels_were_read(manifest: dict[str, Any]) -> None:
    card = make_card_of(manifest, label="stars", labels={"1": "negative", "3": None, "4": "left out", "5": "positive"})
    expected = "Labels come from the column `stars`: `5` is positive, `1` is negative, `3` was left out, `4` was left out."
    assert expected in card
    many = make_card_of(manifest, label="stars", labels={str(n): "negative" for n in range(100)})
    assert "`11` is negative, and 88 more values." in many


@pytest.mark.parametrize("labels", [None, [], {"rule": {"positive": ["4"]}}, {"a": 7}])
def test_labels_of_another_kind_are_left_out(manifest: dict[str, Any], labels: object) -> None:
    assert "Labels come from the column `stars`." in make_card_of(manifest, label="stars", labels=labels)


def test_card_says_how_far_the_scores_can_be_trusted(manifest: dict[str, Any]) -> None:
    known = {
        "judged_by": {"split": "test", "reviews": "0" * 16},
        "intervals": {"f1": [0.87, 0.94]},
        "calibration": {
            "fitted_on": "validation",
            "temperature": 1.25,
            "calibration_error_before": 0.05,
            "calibration_error_after": 0.02,
        },
        "threshold": {
            "positive": 0.8312,
            "of": "positive",
            "target_precision": 0.95,
            "precision": 0.953,
            "recall": 0.61,
            "n": 503,
            "found_on": "validation",
        },
    }
    card = make_card({**manifest, **known})
    (line,) = (line for line in card.splitlines() if line.startswith("| F1 (positive) |"))
    assert line.endswith("| 0.870 to 0.940 |")
    assert "| 95% interval (test) |" in card
    assert "temperature of 1.250, fitted on validation: calibration error 0.050 before, 0.020 after." in card
    assert "positive from 0.8312 on: 95.3% of the answers" in card
    bare = make_card({**manifest, "judged_by": None, "intervals": None, "calibration": {"reason": "few"}, "threshold": None})
    assert "95% interval (" not in bare.replace("(95% interval)", "")
    assert "Scores are not calibrated: few." in bare


HOSTILE = "a|b`c``\n---\nlicense: mit\n\x1b[31m<script>alert(1)</script>![x](http://evil.example/x.png)\ud800: - {x"
"""What a column, a file or a value may be called."""


def parse_card(card: str, tmp_path: Path) -> Any:
    """Return a card as the Hub's library reads it, which must be as it reads the file."""
    from huggingface_hub import ModelCard, metadata_load

    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    parsed = ModelCard(card)
    assert metadata_load(tmp_path / "README.md") == parsed.data.to_dict()
    return parsed


def test_front_comes_back_from_the_hubs_library_with_each_metric_and_its_interval(
    manifest: dict[str, Any], tmp_path: Path
) -> None:
    from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

    data = {"source": "fancyzhx/amazon_polarity", "revision": "0" * 40}
    known = {**manifest, "license": "mit", "encoder": {**manifest["encoder"], "hub_id": "google-bert/bert-base-uncased"}}
    front = parse_card(make_card_of(known, **data), tmp_path).data
    assert (front.language, front.license, front.base_model) == ("en", "mit", "google-bert/bert-base-uncased")
    assert (front.library_name, front.pipeline_tag) == ("transformers", "text-classification")
    assert front.datasets == ["fancyzhx/amazon_polarity"]
    index = front.to_dict()["model-index"]
    name, results = model_index_to_eval_results(index)
    assert eval_results_to_model_index(name, results) == index
    assert {result.dataset_split for result in results} == {"test"}
    assert {result.dataset_revision for result in results} == {"0" * 40}
    scores, intervals = manifest["metrics"]["test"], manifest["intervals"]
    macro: Any = next(result for result in results if str(result.metric_name).startswith("F1 (macro)"))
    assert macro.metric_value == pytest.approx(scores["f1_macro"], abs=5e-5)
    assert macro.metric_args["average"] == "macro"
    assert macro.metric_args["confidence_interval"] == pytest.approx(intervals["f1_macro"], abs=5e-5)
    assert f"95% interval {intervals['f1_macro'][0]:.3f} to {intervals['f1_macro'][1]:.3f}" in macro.metric_name
    assert {result.metric_type for result in results} == {*front.metrics}


def test_nothing_is_claimed_that_is_not_known(manifest: dict[str, Any], tmp_path: Path) -> None:
    front = parse_card(make_card({**manifest, "metrics": {}, "judged_by": None}), tmp_path).data.to_dict()
    assert front.keys() == {"library_name", "pipeline_tag", "tags"}


@pytest.mark.parametrize(
    ("encoder", "languages"),
    [
        ({"name": "bert-base-uncased", "hub_id": "bert-base-uncased"}, ["en"]),
        ({"name": "sample", "hub_id": "sentence-transformers/all-MiniLM-L6-v2"}, ["en"]),
        ({"name": "bert-base-multilingual-cased", "hub_id": "bert-base-multilingual-cased"}, []),
        ({"name": "bert-base-german-cased", "hub_id": "bert-base-german-cased"}, []),
        ({"name": "/srv/bert-base-uncased", "hub_id": None}, []),  # a folder of that name
        ({"name": "x/y", "hub_id": "x/y", "language": ["de", "fr"]}, ["de", "fr"]),
        ({"name": "x/y", "hub_id": "x/y", "language": ["de", "x: y\n", 7]}, ["de"]),
    ],
)
def test_languages_are_those_of_the_encoder(manifest: dict[str, Any], encoder: dict[str, Any], languages: list[str]) -> None:
    assert find_languages({**manifest, "encoder": {**manifest["encoder"], **encoder}}) == languages


@pytest.mark.parametrize("name", [HOSTILE, "", " ", "'", '"', "%TAG", "yes", "null", "~", "2001-01-01", "\u2028x", "x" * 5000])
def test_hostile_names_break_neither_front_nor_tables(manifest: dict[str, Any], tmp_path: Path, name: str) -> None:
    data = {"source": name, "label": name, "text": [name], "labels": {name: "negative", "x": "positive"}}
    checks = [{"name": "x", "message": name, "advice": name, "is_warning": True}, 7, {"message": 8}]
    scored = {"metrics": {name: manifest["metrics"]["test"]}, "judged_by": {"split": name}}
    calibration = {"reason": name}
    card = make_card_of({**manifest, "checks": checks, **scored, "calibration": calibration, "encoder": {
        **manifest["encoder"], "name": name, "revision": name}}, **data)  # fmt: skip
    parsed = parse_card(card, tmp_path)
    assert "license" not in parsed.data.to_dict()
    assert "\x1b" not in card
    for line in parsed.text.splitlines():
        outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        assert not re.search(r"(?<!\\)[<\[]", outside), line
    tables = [line for line in parsed.text.splitlines() if line.startswith("| ")]
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in tables]
    assert {width for line, width in zip(tables, widths, strict=True) if line.startswith(("| F1", "| Recipe"))} <= {3, 4}


def test_card_names_no_path_of_a_disk(manifest: dict[str, Any]) -> None:
    encoder = {**manifest["encoder"], "name": "/home/somebody/models/my-bert", "hub_id": None}
    for source in ("/home/somebody/secret/reviews.csv", "../secret/reviews.csv", "secret/reviews.csv", "~/secret/reviews.csv"):
        card = make_card_of({**manifest, "encoder": encoder}, source=source, revision=None)
        assert "somebody" not in card
        assert "secret" not in card
        assert "`reviews.csv`" in card
        assert "`my-bert`" in card


def test_card_says_what_trains_and_how_close_the_graphs_are(manifest: dict[str, Any]) -> None:
    figures = {"largest_logit_difference": 0.02, "largest_score_difference": 0.01, "equal_labels": 0.995, "n_texts": 200}
    onnx = {"inputs": ["input_ids"], "fp32": figures, "int8": {**figures, "written": False}}
    card = make_card({**manifest, "onnx": onnx}, repo="me/ours")
    assert "| blocks 0 to 1 | as in the encoder |\n| blocks 2 to 3 | trained |\n| pooler and classifier | trained |" in card
    assert "| `onnx/model.onnx` | Optimum, ONNX Runtime, transformers.js | 99.50% | 0.02 | 200 |" in card
    assert "onnx/model_quantized.onnx" not in card
    assert 'pipeline("text-classification", "me/ours", { dtype: "fp32" })' in card
    assert "dtype" not in make_card(manifest)
    q8 = make_card({**manifest, "onnx": {**onnx, "int8": figures}}, repo="me/ours")
    assert 'dtype: "q8"' in q8
    assert "transformers.js" in make_metadata({**manifest, "onnx": onnx})


def test_confusion_matrix_has_the_intervals_of_precision_and_recall(manifest: dict[str, Any]) -> None:
    scores, intervals = manifest["metrics"]["test"], manifest["intervals"]
    row = next(line for line in make_card(manifest).splitlines() if line.startswith("| negative | "))
    low, high = intervals["negative_recall"]
    expected = f"| {scores['negative_as_negative']} | {scores['negative_as_positive']} |"
    assert row.startswith(f"| negative {expected}")
    assert row.endswith(f"{scores['negative_recall']:.4f} ({low:.3f} to {high:.3f}) |")
