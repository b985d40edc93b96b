"""Every error of the contract: its exit code, what it quotes, and the next step; never a traceback."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from polarity_cli.cli.errors import find_ending
from polarity_cli.errors import DataError, InterruptedRunError, LostProcessError, UsageError, WorkerError
from tests.helpers.commands import Outcome
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]
ROWS = make_reviews(40)
CUT = "polarity: interrupted. Step 3.\n"
LOST = "polarity: rank 1 is gone.\n"
BROKEN = "polarity: f: Input/output error.\n"


def check_outcome(outcome: Outcome, code: int, *phrases: str) -> None:
    assert outcome.code == code, outcome.stderr
    assert outcome.stdout == ""
    for phrase in phrases:
        assert phrase in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("args", "phrases"),
    [
        (("train", "--unfreeze", "many"), ("--unfreeze many", "'all'")),
        (("train", "--unfreeze", "-1"), ("--unfreeze -1",)),
        (("train", "--rows", "0"), ("--rows 0", "'all'")),
        (("train", "--rows", "ten"), ("--rows ten",)),
        (("train", "--epochs", "0"), ("--epochs 0",)),
        (("train", "--epochs", "x"), ("--epochs", "valid integer")),
        (("train", "--batch-size", "0"), ("--batch-size 0",)),
        (("train", "--learning-rate", "nan"), ("--learning-rate nan",)),
        (("train", "--learning-rate", "-1"), ("--learning-rate -1",)),
        (("train", "--weight-decay", "-1"), ("--weight-decay -1",)),
        (("train", "--warmup", "2"), ("--warmup 2",)),
        (("train", "--patience", "0"), ("--patience 0",)),
        (("train", "--patience", "1", "--validation", "0"), ("--patience", "--validation 0.1")),
        (("train", "--feature-cache", "lots"), ("--feature-cache lots", "auto, off, or a size such as 500MB")),
        (("train", "--feature-cache", "3 XB"), ("--feature-cache 3 XB",)),
        (("train", "--feature-cache", "-1GB"), ("--feature-cache -1GB",)),
        (("train", "--recipe", "mine"), ("--recipe mine", "article, default")),
        (("train", "--test", "0.6", "--validation", "0.5"), ("--test 0.6", "--validation 0.5")),
        (("train", "--test", "1"), ("--test 1",)),
        (("train", "--validation", "nan"), ("--validation nan",)),
        (("train", "--max-length", "2"), ("--max-length 2",)),
        (("train", "--truncation", "middle"), ("--truncation middle", "head, head-tail, tail")),
        (("train", "--seed", "-1"), ("--seed -1",)),
        (("train", "--text", "a,,b"), ("--text a,,b",)),
        (("train", "--sample", "--encoder", "bert-base-uncased"), ("--sample",)),
        (("train", "other.csv", "--sample"), ("--sample",)),
        (("train", "nothing.csv", "--encoder", "sample"), ("nothing.csv: no such file",)),
        (("train", "./nothing", "--encoder", "sample"), ("./nothing: no such file",)),
        (("train", "not a name!", "--encoder", "sample"), ("'not a name!'",)),
        (("prepare", "reviews.csv", "--encoder", "./nowhere"), ("nowhere: no such folder", "save_pretrained")),
        (("evaluate", "./nowhere"), ("nowhere: no such folder", "polarity train")),
        (("evaluate", "reviews.csv"), ("reviews.csv: a file, expected a checkpoint's folder",)),
        (("evaluate", ""), ("checkpoint's name is empty",)),
        (("evaluate", "."), ("no checkpoint", "polarity train")),
        (("evaluate",), ("No checkpoint in", "polarity train")),
        (("evaluate", "--split", "dev"), ("--split dev", "all, test, train, validation")),
        (("evaluate", "--errors", "x.pdf"), ("--errors x.pdf", ".csv")),
        (("predict", "x"), ("No checkpoint in", "polarity train")),
        (("predict", "x", "--checkpoint", "some/where/else"), ("some/where/else: no such folder",)),
        (("predict", "x", "--checkpoint", "not a name!"), ("'not a name!'",)),
        (("predict", "x", "--min-confidence", "1.5"), ("--min-confidence 1.5",)),
        (("predict", "--format", "xml", "x"), ("--format xml", "csv, jsonl, parquet, text, tsv, xlsx")),
        (("predict", "x", "--input", "reviews.csv"), ("texts or --input",)),
        (("nonsense",), ("nonsense",)),
        (("train", "--nonsense"), ("--nonsense",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_command_line_is_quoted_and_ends_with_2(
    polarity: Polarity, reviews_csv: Path, args: tuple[str, ...], phrases: tuple[str, ...]
) -> None:
    check_outcome(polarity(*args), 2, *phrases)


@pytest.mark.parametrize(
    ("rows", "header", "more", "phrases"),
    [
        ([], ("label", "text"), (), ("no reviews in it",)),
        ([("1", "a")], ("weight", "text"), (), ("no column looks like the label", "'weight'", "--label")),
        ([("1", "7")], ("label", "words"), (), ("no column looks like the text", "'words'", "--text words")),
        (ROWS, ("label", "title", "content"), ("--text", "title,body"), ("no column 'body'", "'content'")),
        (ROWS, ("label", "title", "content"), ("--label", "stars"), ("no column 'stars'", "--label")),
        (
            [*ROWS, ("praise", "so", "so")],
            ("label", "title", "content"),
            (),
            ("'praise' (1 row, first at", "reviews.csv:42", "--positive"),
        ),
        ([(str(i % 6), "t", f"c {i}") for i in range(20)], ("label", "title", "content"), (), ("not clear", "--positive")),
        ([r for r in ROWS if r[0] == "positive"], ("label", "title", "content"), (), ("no negative reviews", "--rows all")),
        (
            [(r[0][:1], *r[1:]) for r in ROWS],
            ("label", "title", "content"),
            (),
            ("not clear which labels are positive", "--positive n --negative p, or --positive p --negative n"),
        ),
        ([("1", *r[1:]) for r in ROWS], ("label", "title", "content"), (), ("not clear which labels are positive", "--positive")),
        ([("", "no", "label")], ("label", "title", "content"), (), ("no reviews with text and label", "reviews.csv:2")),
        (ROWS[:4], ("label", "title", "content"), (), ("cannot be split", "--test 0")),
        ([*ROWS, ("positive", "short")], ("label", "title", "content"), (), ("reviews.csv:42: 2 fields, expected 3",)),
    ],
    ids=[
        "empty",
        "no label column",
        "no text column",
        "missing text column",
        "missing label column",
        "third label",
        "stars",
        "one class",
        "unknown labels",
        "one ambiguous label",
        "missing label",
        "too few",
        "ragged",
    ],
)
def test_wrong_data_is_reported_with_its_place_and_ends_with_2(
    polarity: Polarity,
    tmp_path: Path,
    tiny_encoder: Path,
    rows: list[tuple[str, ...]],
    header: tuple[str, ...],
    more: tuple[str, ...],
    phrases: tuple[str, ...],
) -> None:
    source = write_csv(tmp_path / "reviews.csv", rows, header)
    check_outcome(polarity("train", source, "--encoder", tiny_encoder, *more), 2, *phrases)
    assert not (tmp_path / "ckpt").exists()


def test_empty_file_is_refused(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    check_outcome(polarity("prepare", "empty.csv", "--encoder", tiny_encoder), 2, "empty.csv: no reviews in it")


def test_folder_without_reviews_is_refused_with_what_it_holds(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("books.csv", "dvd.csv"):
        write_csv(tmp_path / "data" / name, ROWS)
    check_outcome(
        polarity("prepare", "data", "--encoder", tiny_encoder), 2, "expected files named train.* and test.*", "books.csv"
    )


def test_rows_without_text_are_left_out_with_a_note(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    source = write_csv(tmp_path / "reviews.csv", [*ROWS, ("positive", "", " ")])
    outcome = polarity("prepare", source, "--encoder", tiny_encoder)
    assert outcome.code == 0
    assert "Left out 1 row without text" in outcome.stderr
    assert "reviews.csv:42" in outcome.stderr


def test_text_of_a_million_characters_is_trained_on_and_predicted(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    source = write_csv(tmp_path / "reviews.csv", [*ROWS, ("positive", "long", "great " * 200_000)])
    assert polarity("train", source, "--encoder", tiny_encoder, "--epochs", 1).code == 0
    (tmp_path / "long.txt").write_text("great " * 200_000 + "\n" + "x" * 1_000_000 + "\n")
    outcome = polarity("predict", "--input", "long.txt", "--format", "csv", "--output", "out.csv")
    assert outcome.code == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("damage", "phrase"),
    [
        ("no weights", "the weights cannot be loaded"),
        ("torn weights", "the weights cannot be loaded"),
        ("other shape", "weights are missing or of another shape"),
        ("nan", "not finite"),
        ("torn config", "not an encoder's config"),
        ("pickled", "the weights cannot be loaded (pytorch_model.bin is pickled, which is code"),
        ("torn tokenizer", "no tokenizer that can be read"),
        ("three classes", "tells 3 classes apart"),
        ("torn manifest", "the manifest is damaged"),
    ],
)
def test_damaged_checkpoint_is_refused(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, damage: str, phrase: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_checkpoint, folder)
    _damage(folder, damage)
    check_outcome(polarity("predict", "--checkpoint", folder, "great book"), 2, phrase, "damaged")


def _damage(folder: Path, damage: str) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    weights, config = folder / "model.safetensors", json.loads((folder / "config.json").read_text())
    if damage in ("no weights", "pickled"):
        if damage == "pickled":
            torch.save(load_file(weights), folder / "pytorch_model.bin")
        weights.unlink()
    elif damage == "torn weights":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "nan":
        tensors = load_file(weights)
        tensors["classifier.bias"][0] = float("nan")
        save_file(tensors, weights, metadata={"format": "pt"})
    elif damage == "torn config":
        (folder / "config.json").write_text('{"model_type": "be')
    elif damage == "torn tokenizer":
        (folder / "tokenizer.json").write_text('{"version": "1.0"')
    elif damage == "torn manifest":
        (folder / "polarity.json").write_text('{"format": 1')
    else:
        changes: dict[str, dict[str, object]] = {
            "other shape": {"intermediate_size": 48},
            "three classes": {"id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": 0, "b": 1, "c": 2}},
        }
        (folder / "config.json").write_text(json.dumps({**config, **changes[damage]}))


def test_encoder_without_its_trunk_weights_is_refused(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, folder)
    tensors = {name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if "layer.1." not in name}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    check_outcome(polarity("train", reviews_csv, "--encoder", folder), 2, "weights are missing")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_cache_that_cannot_be_written_is_said(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    check_outcome(polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--cache-dir", locked), 1, "locked", "--cache-dir")


def test_cache_below_a_file_is_said(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--cache-dir", tmp_path / "file" / "cache")
    check_outcome(outcome, 1, "cannot be written", "--cache-dir")


def test_length_beyond_the_encoder_is_lowered_with_a_note(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    outcome = polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--max-length", 4096)
    assert outcome.code == 0
    assert "reads at most 512 tokens; --max-length 4096 is lowered to that" in outcome.stderr


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (typer.Abort(), (130, "", False)),
        (InterruptedRunError(15, kept="Step 3", goes_on=True), (143, f"{CUT}Go on with: polarity train x\n", False)),
        (
            InterruptedRunError(2, kept="Step 3", goes_on=False),
            (130, f"{CUT}Start again with: polarity train x\n", False),
        ),
        (LostProcessError("rank 1 is gone.", goes_on=True), (76, f"{LOST}Go on with: polarity train x\n", True)),
        (UsageError("--rows 0.", hint="Give 1."), (2, "polarity: --rows 0.\nGive 1.\n", True)),
        (DataError("r.csv:3: \x1b[31m"), (2, "polarity: r.csv:3: \ufffd[31m\n", True)),
        (WorkerError("", exit_code=9), (9, "", True)),
        (OSError(errno.EIO, "Input/output error", "f"), (1, f"{BROKEN}The disk or the stream failed.\n", True)),
        (OSError(errno.EMFILE, "Too many open files"), (1, "polarity: Too many open files.\n", True)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_each_exception_has_its_message_its_next_step_and_its_code(error: BaseException, ending: tuple[int, str, bool]) -> None:
    actual = find_ending(error, ["train", "x", "--fresh"])
    assert actual is not None
    assert (actual.code, actual.text, actual.traces) == ending


@pytest.mark.parametrize("error", [ValueError("x"), OSError("a library's own"), KeyboardInterrupt()])
def test_what_nobody_foresaw_is_a_bug(error: BaseException) -> None:
    assert find_ending(error, ["train"]) is None


def test_debug_shows_the_traceback(polarity: Polarity) -> None:
    from polarity_cli.errors import CheckpointError

    with pytest.raises(CheckpointError):
        polarity("evaluate", "./nowhere", "--debug")
