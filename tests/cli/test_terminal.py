"""What hostile texts and names show on a terminal, in a spreadsheet and in a model card."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from polarity_cli.checkpoint.card import make_card
from polarity_cli.cli.terminal import format_terminal
from polarity_cli.formats.record import Record
from polarity_cli.records import Prediction
from polarity_cli.text import escape_unprintable, make_printable
from tests.helpers.commands import REPOSITORY, Outcome
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]
HOSTILE = "good \x1b]0;title\x07\x1b[2J\x9b31m\x7f\x08 \u202etxet\u2066 \u200b\ufeffbook\r"
STEERING = "\x1b\x07\x9b\x7f\x08\u202e\u2066\u200b\ufeff"


def run_on_terminal(*args: object, tmp_path: Path, stdin: bytes = b"") -> str:
    """Return what a run of Python writes to a terminal as its standard output."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "POLARITY_CACHE": str(tmp_path / "cache"), "NO_COLOR": "1"},
    )
    os.close(theirs)
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    parts = []
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # what Linux says where the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    "more",
    [(), ("--explain",), ("--format", "text"), ("--format", "csv"), ("--format", "tsv"), ("--format", "jsonl"), ("--json",)],
)
def test_text_does_not_steer_the_terminal_in_any_format(tiny_checkpoint: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    shown = run_on_terminal(
        "-m", "polarity_cli", "predict", "--checkpoint", tiny_checkpoint, *more, tmp_path=tmp_path, stdin=HOSTILE.encode() + b"\n"
    )
    assert not set(STEERING) & set(shown)
    assert "\r" not in shown
    assert "book" in shown
    assert "positive" in shown
    if "jsonl" in more or "--json" in more:
        answer = json.loads(shown)
        assert answer.get("predictions", [answer])[0]["text"] == HOSTILE.removesuffix("\r")


def test_pipe_gets_the_text_as_it_was(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text(HOSTILE[:-1] + "\n", newline="")
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "--input", "in.txt", "--output", "out.txt")
    assert outcome.code == 0
    assert (tmp_path / "out.txt").read_text(encoding="utf-8").endswith(f"\t{HOSTILE[:-1]}\n")


def test_names_do_not_steer_the_terminal_in_results_notes_and_errors(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    name = "re\x1b[31m\u202e\x9b.csv"
    write_csv(tmp_path / name, make_reviews(40))
    outcomes = [
        polarity("evaluate", tiny_checkpoint, name, "--split", "all"),
        polarity("evaluate", tiny_checkpoint, name, "--rows", 5, "--split", "all"),
        polarity("evaluate", tiny_checkpoint, name, "--label", name),
        polarity("predict", "--checkpoint", tiny_checkpoint, name),
        polarity("predict", f"--{name}"),
        polarity("predict", "--precision", name, "x"),
    ]
    assert [outcome.code for outcome in outcomes] == [0, 0, 2, 0, 2, 2]
    assert "Read the first 5 rows" in outcomes[1].stderr
    written = [outcomes[0].stdout, *(outcome.stderr for outcome in outcomes)]
    assert not set(STEERING) & set("".join(written))
    for text in (written[0], *(outcomes[i].stderr for i in (1, 2, 3, 5))):  # the parser of options escapes them in its own way
        assert "re\ufffd[31m\ufffd\ufffd" in text


def test_what_is_shown_of_marks_that_nobody_sees() -> None:
    assert make_printable("a\x00b\u202ec\u200bd\u2028e\n") == "a\ufffdb\ufffdc\ufffdd\ufffde\n"
    assert make_printable("a\nb", keep="") == "a\ufffdb"
    assert make_printable("a\u00a0b\u3000c") == "a b c"
    assert (
        make_printable("\U0001f469\u200d\U0001f4bb \u0645\u06cc\u200c\u062e")
        == "\U0001f469\u200d\U0001f4bb \u0645\u06cc\u200c\u062e"
    )
    text = json.dumps({HOSTILE: HOSTILE + "\U000e0001\U0001f600"}, ensure_ascii=False)
    assert not set(STEERING) & set(escape_unprintable(text))
    assert json.loads(escape_unprintable(text)) == json.loads(text)


def test_explained_words_hold_no_sequences_of_their_own() -> None:
    words = (("\x1b[2Jgood", 1.0), ("\u202ebad", -0.9))
    for colour in (True, False):
        shown = format_terminal(Record({}, "", "in:1", text="x"), Prediction("positive", 0.9, words), colour=colour)
        for own in ("\033[1;32m", "\033[1;31m", "\033[32m", "\033[0m"):
            shown = shown.replace(own, "")
        assert not set(STEERING) & set(shown)


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", '=HYPERLINK("x")']
PLAIN = ["good", "a=1", "1-2", "'=1", "", "5"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_formulas_are_escaped_where_it_is_asked_for(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, suffix: str
) -> None:
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("=id", "content"), *((cell, f"great {cell}") for cell in FORMULAS + PLAIN)])
    cells = {}
    for flags in ((), ("--escape-formulas",)):
        args = ("predict", "--checkpoint", tiny_checkpoint, "-i", "in.csv", "-o", f"out{suffix}", *flags)
        assert polarity(*args).code == 0
        text = (tmp_path / f"out{suffix}").read_bytes().decode()
        rows = (
            csv.reader(io.StringIO(text, newline=""))
            if suffix == ".csv"
            else [line.split("\t") for line in text.split("\n")[:-1]]
        )
        cells[flags] = [row[0] for row in rows]
    plain, escaped = cells.values()
    if suffix == ".csv":
        assert plain == ["=id", *FORMULAS, *PLAIN]
    assert escaped == [f"'{cell}" for cell in plain[: 1 + len(FORMULAS)]] + PLAIN


def test_formulas_in_mistakes_are_escaped(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    rows = [({"positive": "negative", "negative": "positive"}[label], "=1", content) for label, _, content in make_reviews(40)]
    write_csv(tmp_path / "r.csv", rows)
    args = ("evaluate", tiny_checkpoint, "r.csv", "--split", "all", "--errors", "mistakes.csv")
    starts = {}
    for flags in ((), ("--escape-formulas",)):
        assert polarity(*args, *flags).code == 0
        with (tmp_path / "mistakes.csv").open(newline="", encoding="utf-8") as file:
            starts[flags] = {row["title"][:3] for row in csv.DictReader(file)}
    assert list(starts.values()) == [{"=1"}, {"'=1"}]


@pytest.mark.parametrize(
    "args",
    [
        ("predict", "x", "--escape-formulas"),
        ("evaluate", "--escape-formulas"),
        ("evaluate", "--escape-formulas", "--errors", "m.jsonl"),
    ],
)
def test_escaping_formulas_elsewhere_is_refused(polarity: Polarity, tiny_checkpoint: Path, args: tuple[str, ...]) -> None:
    more = ("--checkpoint", tiny_checkpoint) if args[0] == "predict" else ()
    outcome = polarity(*args, *more)
    assert outcome.code == 2
    assert "--escape-formulas is for CSV and TSV" in outcome.stderr


NAMES = [
    "a`b",
    "``",
    "`",
    "<script>alert(1)</script>",
    "[x](javascript:x)",
    "a\n---\ntitle: x",
    "\n\n# x",
    "x" * 5000,
    " ",
    "|x|",
    "\x1b\u202e",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_model_card_are_text(tiny_checkpoint: Path, name: str) -> None:
    manifest: dict[str, Any] = json.loads((tiny_checkpoint / "polarity.json").read_text())
    labels = {name: "positive", "0": "negative"}
    plain = make_card({**manifest, "data": {**manifest["data"], "labels": {"1": "positive", "0": "negative"}}})
    manifest["data"] = {**manifest["data"], "source": name, "text": [name, "content"], "label": name, "labels": labels}
    manifest["encoder"] = {**manifest["encoder"], "hub_id": name}
    card = make_card(manifest)
    front, body = card.removeprefix("---\n").split("\n---\n", 1)
    plain_front, plain_body = plain.removeprefix("---\n").split("\n---\n", 1)
    found, expected = yaml.safe_load(front), yaml.safe_load(plain_front)
    for metadata in (found, expected):
        metadata.pop("base_model", None)  # which is left out where it is no name on the Hub
        for entry in metadata.pop("model-index", ()):
            assert set(entry) == {"name", "results"}
    assert found.keys() <= expected.keys()
    assert len(card) < len(plain) + 5 * 5000
    spans = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)  # as CommonMark finds them
    assert spans.sub("", body) == spans.sub("", plain_body)


def test_json_of_other_commands_does_not_steer_the_terminal(tmp_path: Path) -> None:
    code = f"from polarity_cli.cli.console import print_json\nprint_json({{'source': {HOSTILE!r}}})"
    shown = run_on_terminal("-c", code, tmp_path=tmp_path)
    assert not set(STEERING) & set(shown)
    assert json.loads(shown) == {"source": HOSTILE}
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=REPOSITORY, check=True).stdout.decode()
    assert "\x9b" in piped
    assert json.loads(piped) == {"source": HOSTILE}
