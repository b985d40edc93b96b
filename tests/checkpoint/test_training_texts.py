"""The list of training texts in a checkpoint, and what `evaluate` makes of it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from polarity_cli.checkpoint.checkpoint import check_out
from polarity_cli.checkpoint.folder_check import check_folder
from polarity_cli.checkpoint.training_texts import NAME, find_hashes, read_hashes, write_hashes
from polarity_cli.data.splits import review_key
from polarity_cli.errors import CheckpointError
from tests.helpers.commands import Outcome
from tests.helpers.reviews import make_reviews, write_csv


def list_keys(*texts: str) -> list[bytes]:
    return [review_key(text) for text in texts]


def test_texts_are_found_again_by_what_their_copies_share(tmp_path: Path) -> None:
    write_hashes(tmp_path, list_keys("Great phone!", "awful", "Great phone!"))
    assert (tmp_path / NAME).stat().st_size == 16
    seen = read_hashes(tmp_path)
    assert seen is not None
    assert find_hashes(seen, list_keys("good", "great  PHONE", "awful.", "")).tolist() == [False, True, True, False]
    assert find_hashes(seen, []).tolist() == []


def test_each_of_many_texts_is_found_and_no_other(tmp_path: Path) -> None:
    write_hashes(tmp_path, (review_key(str(n)) for n in range(0, 20_000, 2)))
    seen = read_hashes(tmp_path)
    assert seen is not None
    assert find_hashes(seen, (review_key(str(n)) for n in range(20_000))).tolist() == [n % 2 == 0 for n in range(20_000)]


def test_list_without_texts_holds_none(tmp_path: Path) -> None:
    assert read_hashes(tmp_path) is None
    write_hashes(tmp_path, [])
    seen = read_hashes(tmp_path)
    assert seen is not None
    assert find_hashes(seen, list_keys("good")).tolist() == [False]


@pytest.mark.parametrize("content", [b"1234567", b"12345678" * 2, np.array([2, 1], "<u8").tobytes()])
def test_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(CheckpointError, match="not a list of training texts"):
        read_hashes(tmp_path)


def test_folder_in_place_of_the_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(CheckpointError):
        read_hashes(tmp_path)


def test_link_out_of_the_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"12345678")
    (tmp_path / "ckpt").mkdir()
    (tmp_path / "ckpt" / NAME).symlink_to(tmp_path / "secret")
    with pytest.raises(CheckpointError, match="a link that leaves its folder"):
        check_folder(tmp_path / "ckpt")


def test_checkpoint_has_its_list_and_other_programs_load_it(tiny_checkpoint: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    manifest = json.loads((tiny_checkpoint / "polarity.json").read_text())
    assert NAME in manifest["files"]
    assert (tiny_checkpoint / NAME).stat().st_size == 8 * manifest["data"]["splits"]["train"]["n_rows"]
    check_folder(tiny_checkpoint)
    check_out(tiny_checkpoint)
    assert AutoModelForSequenceClassification.from_pretrained(tiny_checkpoint).num_labels == 2
    assert AutoTokenizer.from_pretrained(tiny_checkpoint)("great")["input_ids"]


def evaluate_on(polarity: Callable[..., Outcome], checkpoint: Path, rows: list[tuple[str, ...]], folder: Path) -> Outcome:
    source = write_csv(folder / "new.csv", rows)
    outcome = polarity("evaluate", checkpoint, source, "--split", "all", "--json")
    assert outcome.code == 0, outcome.stderr
    return outcome


def test_evaluation_counts_the_reviews_that_stood_in_training(
    polarity: Callable[..., Outcome], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    fresh: list[tuple[str, ...]] = [*make_reviews(40, seed=7)]
    outcome = evaluate_on(polarity, tiny_checkpoint, fresh, tmp_path)
    assert json.loads(outcome.stdout)["n_seen_in_training"] == 0
    assert "stood in the training split" not in outcome.stderr

    with (tiny_checkpoint.parent / "reviews.csv").open() as file:
        trained_on = [tuple(row) for row in csv.reader(file)][1:]
    outcome = evaluate_on(polarity, tiny_checkpoint, [*fresh, *trained_on], tmp_path)
    n_train = json.loads((tiny_checkpoint / "polarity.json").read_text())["data"]["splits"]["train"]["n_rows"]
    assert json.loads(outcome.stdout)["n_seen_in_training"] == n_train
    assert f"{n_train} of {len(fresh) + len(trained_on)} reviews stood in the training split" in outcome.stderr


def test_evaluation_goes_on_where_the_list_is_damaged_or_missing(
    polarity: Callable[..., Outcome], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint, copy)
    (copy / NAME).write_bytes(b"1234567")
    outcome = evaluate_on(polarity, copy, [*make_reviews(20, seed=7)], tmp_path)
    assert json.loads(outcome.stdout)["n_seen_in_training"] is None
    assert "not a list of training texts" in outcome.stderr
    (copy / NAME).unlink()
    outcome = evaluate_on(polarity, copy, [*make_reviews(20, seed=7)], tmp_path)
    assert json.loads(outcome.stdout)["n_seen_in_training"] is None
    assert "training texts" not in outcome.stderr
