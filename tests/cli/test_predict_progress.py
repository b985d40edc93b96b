"""What a person sees while files are labelled: a bar that garbles nothing, and a sentence at the end; and thresholds as typed."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.commands import REPOSITORY, Outcome

Polarity = Callable[..., Outcome]
OWN = {
    "positive": 0.999,
    "of": "positive",
    "target_precision": 0.95,
    "precision": 0.953,
    "recall": 0.61,
    "n": 503,
    "found_on": "validation",
}


def run_seen(*args: object, tmp_path: Path, answers_too: bool = False, stdin: bytes | None = None) -> Outcome:
    """Run `polarity predict` with standard error, or standard output too, on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "polarity_cli", "predict", *map(str, args)],
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=theirs if answers_too else subprocess.PIPE,
        stderr=theirs,
        cwd=tmp_path,
        env={
            **os.environ,
            "POLARITY_CACHE": str(tmp_path / "cache"),
            "PYTHONPATH": str(REPOSITORY),
            "TERM": "xterm",
            "COLUMNS": "100",
            "NO_COLOR": "1",
        },
    )
    os.close(theirs)
    parts: list[bytes] = []

    def read() -> None:
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # what Linux says where the other end is closed
                return
            if not part:
                return
            parts.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    stdout, _ = process.communicate(stdin, timeout=120)
    reader.join()
    os.close(ours)
    return Outcome(process.returncode, (stdout or b"").decode(), b"".join(parts).decode())


def count_shown(screen: str) -> list[int]:
    """Return how many reviews a bar showed, one time after the other."""
    return [int(number.replace(",", "")) for number in re.findall(r"Labelling[^\n\r]*? ([0-9,]+) reviews", screen)]


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_bar_counts_reviews_and_the_time_left_and_goes(tiny_checkpoint: Path, tmp_path: Path, suffix: str) -> None:
    from polarity_cli.formats.compression import create_bytes

    with create_bytes(tmp_path / f"in{suffix}", compression=suffix.removeprefix(".txt")) as file:
        file.write(b"a great book that we read\n" * 40_000)
    seen = run_seen("--checkpoint", tiny_checkpoint, "-i", f"in{suffix}", "-o", "out.txt", tmp_path=tmp_path)
    assert seen.code == 0
    counts = count_shown(seen.stderr)
    assert counts == sorted(counts)
    assert len({n for n in counts if 0 < n < 40_000}) > 1
    assert re.search("\u2501 [^\r]*[0-9,]+ reviews +0:00:0[0-9] left", seen.stderr)
    assert seen.stderr.splitlines()[-1].endswith("a second.")
    assert "Labelling" not in seen.stderr.splitlines()[-1].rpartition("\x1b[2K")[2]
    assert (tmp_path / "out.txt").read_text().count("\n") == 40_000


def test_bar_is_drawn_beside_a_pipe_and_not_among_answers_on_the_same_terminal(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("great book\n" * 3000)
    args = ("--checkpoint", tiny_checkpoint, "-i", "in.txt")
    piped = run_seen(*args, tmp_path=tmp_path)
    assert count_shown(piped.stderr)
    assert piped.stdout.count("\n") == 3000
    together = run_seen(*args, tmp_path=tmp_path, answers_too=True)
    assert "Labelling" not in together.stderr
    assert len(re.findall(r"positive  +[0-9]+%  great book\r?\n", together.stderr)) == 3000
    assert together.stderr.splitlines()[-1].startswith("3,000 reviews: ")
    quiet = run_seen(*args, "--quiet", tmp_path=tmp_path)
    assert quiet.stderr == ""


def test_pipe_gets_neither_bar_nor_sentence(tiny_checkpoint: Path, tmp_path: Path) -> None:
    seen = run_seen("--checkpoint", tiny_checkpoint, tmp_path=tmp_path, stdin=b"great\n" * 3000)
    assert seen.stdout.count("\n") == 3000
    assert "reviews" not in seen.stderr


def test_error_in_the_middle_stands_below_no_bar_and_above_no_sentence(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,content\n" + "1,great\n" * 2000 + "2\n")
    seen = run_seen("--checkpoint", tiny_checkpoint, "-i", "in.csv", "-o", "out.csv", tmp_path=tmp_path)
    assert seen.code == 2
    assert "in.csv:2002: 1 fields, expected 2" in seen.stderr
    assert "a second" not in seen.stderr


def test_sentence_at_the_end_says_what_became_of_each_record(polarity: Polarity, tiny_checkpoint: Path) -> None:
    Path("r.csv").write_text("id,content\n1,great\n2\n3,awful\n4,\n5,so so\n")
    args = ("predict", "--checkpoint", tiny_checkpoint, "-i", "r.csv")
    left_out = polarity(*args, "--on-error", "skip", "--min-confidence", "0.7", "--precision", "int8").stderr.splitlines()[-1]
    shown = re.fullmatch(
        r"4 reviews: (\d) positive, (\d) negative, (\d) uncertain, 1 blank, 1 left out; (.*) in int8; "
        r"[0-9.]+ s, [0-9,.]+ a second\.",
        left_out,
    )
    assert shown is not None, left_out
    assert sum(int(shown[number]) for number in (1, 2, 3)) == 3
    assert shown[4] == str(tiny_checkpoint)
    kept = polarity(*args, "--on-error", "keep", "--precision", "fp32").stderr.splitlines()[-1]
    assert kept.startswith("5 reviews: ")
    assert ", 1 blank, 1 broken; " in kept
    assert " in fp32; " in kept
    assert "reviews: " not in polarity(*args, "--on-error", "keep", "--quiet").stderr


def test_sentence_counts_all_files_and_an_empty_one(polarity: Polarity, tiny_checkpoint: Path) -> None:
    for name, text in (("a.txt", "great\nbest\n"), ("b.txt", "awful\n"), ("c.txt", "")):
        Path(name).write_text(text)
    args = ("predict", "--checkpoint", tiny_checkpoint, "-o", "out.txt")
    assert "3 reviews: 2 positive, 1 negative, " in polarity(*args, "-i", "a.txt", "-i", "b.txt", "-i", "c.txt").stderr
    alone = polarity(*args, "-i", "c.txt")
    assert alone.code == 0
    assert "0 reviews: 0 positive" in alone.stderr


def test_texts_that_are_given_get_no_sentence(polarity: Polarity, tiny_checkpoint: Path) -> None:
    assert polarity("predict", "--checkpoint", tiny_checkpoint, "great product").stderr == f"Model: {tiny_checkpoint}\n"


@pytest.fixture
def own(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint with a threshold of its own, above any score."""
    folder = tmp_path / "own"
    shutil.copytree(tiny_checkpoint, folder)
    manifest = json.loads((folder / "polarity.json").read_text())
    (folder / "polarity.json").write_text(json.dumps({**manifest, "threshold": OWN}))
    return folder


def read_answer(outcome: Outcome) -> tuple[str, float, float | None]:
    """Return label, score and threshold of one text's document."""
    assert outcome.code == 0, outcome.stderr
    document = json.loads(outcome.stdout)
    (found,) = document["predictions"]
    return found["label"], found["score"], document["threshold"]


def test_threshold_turns_the_label_and_keeps_the_probability(polarity: Polarity, tiny_checkpoint: Path) -> None:
    args = ("predict", "--checkpoint", tiny_checkpoint, "--json", "great")
    label, score, threshold = read_answer(polarity(*args))
    assert (label, threshold) == ("positive", None)
    assert 0.5 < score < 0.999
    turned, other, threshold = read_answer(polarity(*args, "--threshold", "0.999"))
    assert (turned, threshold) == ("negative", 0.999)
    assert other == pytest.approx(1 - score, abs=2e-6)
    assert read_answer(polarity(*args, "--threshold", 0.01)) == ("positive", score, 0.01)
    assert read_answer(polarity(*args, "--threshold", 0.999, "--min-confidence", 0.5))[0] == "uncertain"


def test_checkpoint_answers_by_its_own_threshold_and_says_so(polarity: Polarity, own: Path) -> None:
    args = ("predict", "--checkpoint", own, "--json", "great")
    said = polarity(*args)
    assert read_answer(said)[::2] == ("negative", 0.999)
    assert (
        "Threshold 0.999 of the checkpoint: on 503 validation reviews, 95.3% of the answers `positive` were right" in said.stderr
    )
    assert said.stderr.count("\n") == 2  # and the model
    asked = polarity(*args, "--threshold", 0.5)
    assert read_answer(asked)[::2] == ("positive", 0.5)
    assert "of the checkpoint" not in asked.stderr
    assert polarity(*args, "--quiet").stderr == ""


def test_threshold_of_the_class_that_was_positive_is_left_out_where_the_other_one_is(polarity: Polarity, own: Path) -> None:
    args = ("predict", "--checkpoint", own, "--json", "--quiet", "great", "--positive-class")
    turned = polarity(*args, "negative")
    assert read_answer(turned)[::2] == ("negative", None)
    assert "Threshold 0.999 of the checkpoint is not used" in turned.stderr
    assert "--threshold P" in turned.stderr
    assert polarity(*args, "positive").stderr == ""


@pytest.mark.parametrize("value", ["0", "1", "-0.5", "1.5", "nan", "inf"])
def test_threshold_that_is_no_probability_is_refused(polarity: Polarity, value: str) -> None:
    outcome = polarity("predict", "--threshold", value, "x")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert f"--threshold {float(value)}: expected a probability above 0 and below 1" in outcome.stderr
