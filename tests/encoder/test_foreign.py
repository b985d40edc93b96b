"""Strangers' checkpoints: each gives the label and score of transformers' own pipeline, in both verbs, or is refused in words."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from polarity_cli.checkpoint.choose import find_checkpoint
from polarity_cli.config import Context, PredictConfig
from polarity_cli.inference import precision
from polarity_cli.inference.graphs import GRAPHS, GraphFolder, open_cached_graphs
from polarity_cli.verbs.open_labeller import open_labeller
from tests.helpers.commands import Outcome, drop_checks
from tests.helpers.foreign import (
    ANSWERED,
    BERT_TOKENS,
    REFUSED,
    TEXTS,
    build,
    list_pieces,
    make_bert_tokenizer,
    make_roberta_tokenizer,
    transformers,
)

Polarity = Callable[..., Outcome]
Answers = list[tuple[str, float]]
POSITIVE_NAMES = ("pos", "positive", "label_1", "1", "peach")


@pytest.fixture(autouse=True)
def check_on_few_reviews(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare graphs on a few of the built-in reviews: the small models know none of their words."""
    monkeypatch.setattr("polarity_cli.verbs.open_model._MOST_CHECKED", 24)


def make(folder: Path, family: str = "bert", **values: Any) -> Path:
    """Write a small model with some values of its config changed; None takes one out."""
    build(folder, *ANSWERED[family]())
    return change(folder, "config.json", **values)


def change(folder: Path, name: str, **values: Any) -> Path:
    stored = {**json.loads((folder / name).read_text()), **values}
    (folder / name).write_text(json.dumps({key: value for key, value in stored.items() if value is not None}))
    return folder


def ask_pipeline(folder: Path, **more: Any) -> Answers:
    """Return what transformers' pipeline says of each text, one at a time, in full precision."""
    pipeline = transformers.pipeline("text-classification", model=str(folder), dtype=torch.float32, device="cpu")
    found = [pipeline(text, truncation=True, **more)[0] for text in TEXTS]
    labels = [str(answer["label"]).lower() in POSITIVE_NAMES for answer in found]
    assert len(set(labels)) == 2  # else a test could not tell a class from the other
    return [(("negative", "positive")[label], answer["score"]) for label, answer in zip(labels, found, strict=True)]


def check_both_verbs(polarity: Polarity, folder: Path, expected: Answers, *more: str) -> str:
    """Compare both verbs with what is expected, and return what the second one said; evaluated, every label is a mistake."""
    work = folder.parent
    (work / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    files = ("--input", work / "in.jsonl", "--output", work / "out.jsonl")
    outcome = polarity("predict", "--checkpoint", folder, "--precision", "fp32", *files, *more)
    assert outcome.code == 0, outcome.stderr
    predicted = [json.loads(line) for line in (work / "out.jsonl").read_text().splitlines()]
    assert [row["label"] for row in predicted] == [label for label, _ in expected]
    assert [row["score"] for row in predicted] == pytest.approx([score for _, score in expected], abs=1e-4)
    turned = {"negative": "positive", "positive": "negative"}
    with (work / "in.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [(turned[label], text) for (label, _), text in zip(expected, TEXTS, strict=True)]
        csv.writer(file).writerows([("label", "text"), *rows])
    outcome = polarity("evaluate", folder, work / "in.csv", "--split", "all", "--errors", work / "wrong.jsonl", "--json", *more)
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["checkpoint"] == str(folder)
    wrong = {row["text"].strip(): row for row in map(json.loads, (work / "wrong.jsonl").read_text().splitlines())}
    found = [wrong[text.strip()] for text in TEXTS]
    assert [row["predicted"] for row in found] == [label for label, _ in expected]
    assert [row["score"] for row in found] == pytest.approx([score for _, score in expected], abs=1e-4)
    return drop_checks(outcome.stderr)


def check_refused(polarity: Polarity, folder: Path, phrase: str, *more: str) -> None:
    """Both verbs end with 2 and the same words, before any text is answered."""
    (folder.parent / "in.csv").write_text("label,text\npositive,great\nnegative,bad\n")
    predicted = polarity("predict", "--checkpoint", folder, "great book", *more)
    evaluated = polarity("evaluate", folder, folder.parent / "in.csv", "--split", "all", *more)
    for outcome in (predicted, evaluated):
        assert (outcome.code, outcome.stdout) == (2, ""), outcome.stderr
        assert phrase in outcome.stderr
        assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("family", sorted(ANSWERED))
def test_every_family_answers_as_transformers_pipeline(polarity: Polarity, tmp_path: Path, family: str) -> None:
    folder = make(tmp_path / "model", family)
    check_both_verbs(polarity, folder, ask_pipeline(folder))


@pytest.mark.parametrize("family", sorted(REFUSED))
def test_model_that_is_no_encoder_is_refused_by_its_kind(polarity: Polarity, tmp_path: Path, family: str) -> None:
    make_parts, phrase = REFUSED[family]
    check_refused(polarity, build(tmp_path / "model", *make_parts()), phrase)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"id2label": {"0": 0, "1": 1}, "label2id": {"0": 0, "1": 1}}, "unnamed; 1 is taken as positive. --positive-class 0"),
        ({"id2label": None, "label2id": None}, "unnamed; LABEL_1 is taken as positive. --positive-class LABEL_0"),
        ({"id2label": {"0": "positive", "1": "negative"}, "label2id": {"positive": 0, "negative": 1}}, ""),
        ({"label2id": {"NEGATIVE": 1, "POSITIVE": 0}}, "id2label and label2id contradict each other"),
        ({"id2label": {"0": "neg", "1": "pos"}}, ""),
        ({"problem_type": "multi_label_classification"}, "scores each class by itself (sigmoid)"),
        ({"function_to_apply": "sigmoid"}, ""),  # which the pipeline reads nowhere
    ],
    ids=["whole numbers", "unnamed", "reversed", "contradicting", "short", "sigmoid", "function_to_apply"],
)
def test_classes_and_heads_are_the_pipelines(polarity: Polarity, tmp_path: Path, values: dict[str, Any], said: str) -> None:
    folder = make(tmp_path / "model", **values)
    stderr = check_both_verbs(polarity, folder, ask_pipeline(folder))
    assert said in stderr
    assert said or stderr == f"Model: {folder}\n"


def test_names_that_only_label2id_has_are_taken(polarity: Polarity, tmp_path: Path) -> None:
    folder = make(tmp_path / "model", id2label=None, label2id={"positive": 0, "negative": 1})
    turned = [("positive" if label == "negative" else "negative", score) for label, score in ask_pipeline(folder)]
    assert "unnamed" not in check_both_verbs(polarity, folder, turned)


def test_class_asked_for_decides(polarity: Polarity, tmp_path: Path) -> None:
    folder = make(tmp_path / "model", id2label={"0": "lemon", "1": "peach"}, label2id=None)
    check_refused(polarity, folder, "not clear which class is positive, 'lemon' and 'peach'")
    expected = ask_pipeline(folder)
    check_both_verbs(polarity, folder, expected, "--positive-class", "Peach")
    turned = [("positive" if label == "negative" else "negative", score) for label, score in expected]
    check_both_verbs(polarity, folder, turned, "--positive-class", "0")
    check_refused(polarity, folder, "model has no such class; its classes are 'lemon' and 'peach'", "--positive-class", "plum")


@pytest.mark.parametrize(
    ("names", "values", "phrase"),
    [
        (tuple(f"{index} stars" for index in range(1, 6)), {}, "tells 5 classes apart, expected 2"),
        (("LABEL_0",), {}, "gives one number"),
        (("score",), {"problem_type": "regression"}, "gives one number"),
        (("NEGATIVE", "POSITIVE"), {"problem_type": "regression"}, "a regression"),
        (("NEGATIVE", "POSITIVE"), {"is_decoder": True}, "a decoder"),
    ],
    ids=["five", "one", "regression", "regression of two", "decoder"],
)
def test_head_of_another_kind_is_refused(
    polarity: Polarity, tmp_path: Path, names: tuple[str, ...], values: dict[str, Any], phrase: str
) -> None:
    build(tmp_path / "model", *ANSWERED["bert"](), names=names)
    check_refused(polarity, change(tmp_path / "model", "config.json", **values), phrase)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_weights_of_half_precision_answer_in_full(polarity: Polarity, tmp_path: Path, dtype: torch.dtype) -> None:
    folder = make(tmp_path / "model", "roberta", dtype=str(dtype).removeprefix("torch."))
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor.to(dtype) for name, tensor in weights.items()}, folder / "model.safetensors")
    check_both_verbs(polarity, folder, ask_pipeline(folder))


@pytest.mark.parametrize(
    ("family", "longest", "limit"),
    [("bert", 48, None), ("roberta", 46, None), ("roberta", 46, 48), ("mpnet", 46, 10**30), ("data2vec-text", 46, None)],
)
def test_limit_of_the_positions_holds_where_the_tokenizer_has_none_or_one_too_long(
    polarity: Polarity, tmp_path: Path, family: str, longest: int, limit: int | None
) -> None:
    folder = change(make(tmp_path / "model", family), "tokenizer_config.json", model_max_length=limit)
    check_both_verbs(polarity, folder, ask_pipeline(folder, max_length=longest))


def cut_left(folder: Path) -> None:
    change(folder, "tokenizer_config.json", truncation_side="left")


def pad_left(folder: Path) -> None:
    change(folder, "tokenizer_config.json", padding_side="left")


def shorten(folder: Path) -> None:
    change(folder, "tokenizer_config.json", model_max_length=16)


def bake_in_truncation(folder: Path) -> None:
    cut = {"direction": "Right", "max_length": 12, "strategy": "LongestFirst", "stride": 0}
    padding = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    change(folder, "tokenizer.json", truncation=cut, padding={**padding, "strategy": {"Fixed": 40}})


def leave_out_special_tokens(folder: Path) -> None:
    stored = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**stored, "post_processor": None}))
    change(folder, "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")


def keep_words_alone(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(list_pieces(BERT_TOKENS)) + "\n")
    (folder / "tokenizer.json").unlink()


def keep_case(folder: Path) -> None:
    make_bert_tokenizer(do_lower_case=False).save_pretrained(folder)


def name_as_tensorflow(folder: Path) -> None:
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    save_file({**renamed, "bert.embeddings.position_ids": torch.arange(48)[None]}, folder / "model.safetensors")


def leave_others_files(folder: Path) -> None:
    (folder / "onnx").mkdir()
    for name in ("onnx/model.onnx", "tf_model.h5", "pytorch_model.bin", "training_args.bin", "optimizer.pt"):
        (folder / name).write_bytes(b"not read")


@pytest.mark.parametrize(
    "do",
    [
        cut_left,
        pad_left,
        shorten,
        bake_in_truncation,
        leave_out_special_tokens,
        keep_words_alone,
        keep_case,
        name_as_tensorflow,
        leave_others_files,
    ],
)
def test_ways_to_store_a_model_do_not_change_its_answers(polarity: Polarity, tmp_path: Path, do: Callable[[Path], None]) -> None:
    folder = make(tmp_path / "model")
    do(folder)
    check_both_verbs(polarity, folder, ask_pipeline(folder))


def test_long_context_is_read_by_both_verbs(polarity: Polarity, tmp_path: Path) -> None:
    config, _ = ANSWERED["modernbert that averages"]()
    config.max_position_embeddings = 2000
    folder = build(tmp_path / "model", config, make_bert_tokenizer(model_max_length=2000))
    expected = ask_pipeline(folder)
    assert expected != ask_pipeline(folder, max_length=100)
    check_both_verbs(polarity, folder, expected)


def mark_segments(folder: Path) -> None:
    stored = json.loads((folder / "tokenizer.json").read_text())
    for part in stored["post_processor"]["single"]:
        next(iter(part.values()))["type_id"] = 1
    (folder / "tokenizer.json").write_text(json.dumps(stored))
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    change(folder, "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast", model_input_names=inputs)


def add_tokens(folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["superb-extra"])
    tokenizer.save_pretrained(folder)


def take_out_classifier(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor for name, tensor in weights.items() if "classifier" not in name}, folder / "model.safetensors")


def rename_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights.safetensors")


def take_out_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    (folder / "sentencepiece.bpe.model").write_bytes(b"not one")


def take_out_merges(folder: Path) -> None:
    make_roberta_tokenizer().save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]))
    (folder / "tokenizer.json").unlink()
    (folder / "merges.txt").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("do", "phrases"),
    [
        (mark_segments, ("its answers differ from transformers' own", "Use transformers' pipeline")),
        (add_tokens, ("the tokenizer has 128 tokens, the encoder knows 127",)),
        (take_out_classifier, ("an encoder without a classifier", "polarity train reviews.csv --encoder")),
        (rename_weights, ("there is no model.safetensors in it", "call its file of weights model.safetensors")),
        (take_out_tokenizer, ("no tokenizer that can be read (it knows no words)", "Save it with its tokenizer.json")),
        (take_out_merges, ("vocab.json is there without merges.txt",)),
    ],
)
def test_model_that_would_be_read_wrongly_is_refused_with_the_next_step(
    polarity: Polarity, tmp_path: Path, do: Callable[[Path], None], phrases: tuple[str, ...]
) -> None:
    folder = make(tmp_path / "model")
    do(folder)
    for phrase in phrases:
        check_refused(polarity, folder, phrase)


def test_few_texts_are_answered_in_full_precision_and_many_by_int8_where_it_agrees(
    polarity: Polarity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "model")
    texts = [f"{text} {number}" for number in range(4) for text in TEXTS]

    def predict(*args: object) -> tuple[list[float], str]:
        outcome = polarity("predict", "--checkpoint", folder, "--json", *args)
        assert outcome.code == 0, outcome.stderr
        return [row["score"] for row in json.loads(outcome.stdout)["predictions"]], outcome.stderr

    full, small = predict("--precision", "fp32", *texts)[0], predict("--precision", "int8", *texts)[0]
    assert full != pytest.approx(small, abs=1e-5)
    opened = open_cached_graphs

    def open_as_int8(entry: Any) -> Any:
        found = opened(entry)
        assert found is not None
        return replace(found, default="int8")

    monkeypatch.setattr("polarity_cli.verbs.open_model.open_cached_graphs", open_as_int8)
    assert predict(*texts[:5])[0] == pytest.approx(full[:5], abs=1e-5)
    monkeypatch.setattr(precision, "_compare", lambda *_: (44, 0))
    answers, said = predict(*texts)
    assert answers == pytest.approx(small, abs=1e-5)
    assert said == f"Model: {folder}\n"
    monkeypatch.setattr(precision, "_compare", lambda *_: (44, 1))
    answers, said = predict(*texts)
    assert answers == pytest.approx(full, abs=1e-5)
    assert "int8 turns 1 of 44 of these texts round; full precision answers" in said


def test_comparison_counts_the_labels_that_int8_turns(tmp_path: Path) -> None:
    def export(folder: Path) -> GraphFolder:
        context = Context(cache_dir=tmp_path / f"cache of {folder.name}")
        open_labeller(find_checkpoint(folder, context), PredictConfig(), context)
        (entry,) = (context.cache_dir / "graphs").iterdir()
        manifest = json.loads((entry / "manifest.json").read_text())
        hashes = {name: known["sha256"] for name, known in manifest["files"].items()}
        return GraphFolder(entry, "int8", hashes, {0: "neg", 1: "pos"}, manifest["max_length"], "head")

    found, other = export(make(tmp_path / "model")), export(build(tmp_path / "other", *ANSWERED["bert"](), seed=5))
    texts, tokenizer = list(TEXTS) * 3, found.load_tokenizer()
    assert "built-in English reviews alone" in str(precision.choose_precision(found, None, tokenizer, ["", " "])[1])
    assert precision.choose_precision(found, None, tokenizer, texts[:5]) == ("fp32", None)
    assert precision.choose_precision(found, "int8", tokenizer, texts) == ("int8", None)
    mixed = tmp_path / "mixed"
    shutil.copytree(found.folder, mixed)
    (mixed / GRAPHS["int8"]).write_bytes((other.folder / GRAPHS["fp32"]).read_bytes())
    hashes = {**found.hashes, GRAPHS["int8"]: other.hashes[GRAPHS["fp32"]]}
    chosen, said = precision.choose_precision(replace(found, folder=mixed, hashes=hashes), None, tokenizer, texts)
    assert chosen == "fp32"
    assert re.search("int8 turns [1-9][0-9]* of 33 of these texts round", str(said))


def test_text_of_many_is_compared_for_a_second_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    class Slow:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def compute_logits(self, token_ids: list[Any]) -> Any:
            counted.append(len(token_ids))
            return torch.zeros(len(token_ids), 2).numpy()

        def close(self) -> None:
            pass

    monkeypatch.setattr("polarity_cli.inference.onnx_engine.GraphEngine", Slow)
    monkeypatch.setattr(precision, "_LONGEST_S", 0.0)
    found: Any = SimpleNamespace(folder=tmp_path, default="int8", read=lambda name: b"")
    tokenizer: Any = SimpleNamespace(encode=lambda texts: texts)
    assert precision.choose_precision(found, None, tokenizer, ["a"] * 1000) == ("int8", None)
    assert counted == [8, 8]
