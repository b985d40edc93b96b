"""What `predict` writes where, as a table: the inputs and options, and the outputs or the reason why there are none."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.config import PredictConfig
from polarity_cli.errors import UsageError
from polarity_cli.verbs.plan_output import PredictInput, Target, plan_output, plan_texts

FORMATS = {".txt": "text", ".neg": "text", ".pos": "text", ".ndjson": "jsonl", ".tab": "tsv"}
NOTHING, FOLDER, FILE, DEVICE = Target(), Target(True, is_folder=True), Target(True, is_file=True), Target(True)
STDIN, TEXTS = PredictInput(), PredictInput(texts=("great",))
JSONL_STDIN = PredictInput(format="jsonl")
CLASSES = PredictInput(Path("imdb"), is_folder=True)
FIFO = PredictInput(Path("pipe"))


def file(name: str) -> PredictInput:
    """Return a file with the facts that its name tells."""
    suffix = next(suffix for suffix in reversed(Path(name).suffixes) if suffix not in (".gz", ".zst"))
    return PredictInput(Path(name), FORMATS.get(suffix, suffix.removeprefix(".")), is_file=True)


def plan(inputs: list[PredictInput], target: Target, *, as_json: bool = False, on_terminal: bool = False, **options: Any) -> Any:
    if options.get("output"):
        options["output"] = Path(options["output"])
    outputs = plan_output(inputs, PredictConfig(**options), target, as_json=as_json, on_terminal=on_terminal)
    return [(None if output.path is None else str(output.path), output.format, len(output.inputs)) for output in outputs]


A, B = file("d/a.csv"), file("b.csv")
FOUND, FOUND_TOO = (
    dataclasses.replace(file(f"{folder}/y=1/p.csv"), relative=Path("y=1/p.csv"), is_listed=True) for folder in ("k", "l")
)


@pytest.mark.parametrize(
    ("inputs", "target", "options", "outputs"),
    [
        # to standard output, in the format of the input where that can be written to a pipe
        ([TEXTS], NOTHING, {}, [(None, "text", 1)]),
        ([STDIN], NOTHING, {}, [(None, "text", 1)]),
        ([TEXTS, JSONL_STDIN], NOTHING, {}, [(None, "jsonl", 2)]),
        ([TEXTS], NOTHING, {"format": "tsv"}, [(None, "tsv", 1)]),
        ([TEXTS], NOTHING, {"output": "-"}, [("-", "text", 1)]),
        ([A], NOTHING, {}, [(None, "csv", 1)]),
        ([A, B], NOTHING, {}, [(None, "csv", 2)]),
        ([A, file("c.jsonl")], NOTHING, {"format": "jsonl"}, [(None, "jsonl", 2)]),
        ([file("a.json")], NOTHING, {}, [(None, "jsonl", 1)]),
        ([file("a.xlsx")], NOTHING, {}, [(None, "csv", 1)]),
        ([file("a.parquet")], NOTHING, {"output": "-"}, [("-", "csv", 1)]),
        ([CLASSES], NOTHING, {}, [(None, "text", 1)]),
        ([FIFO], NOTHING, {}, [(None, "text", 1)]),
        # to a file, whose suffix tells the format
        ([TEXTS], NOTHING, {"output": "y.csv"}, [("y.csv", "csv", 1)]),
        ([A], NOTHING, {"output": "y.jsonl"}, [("y.jsonl", "jsonl", 1)]),
        ([A], NOTHING, {"output": "y.ndjson.gz"}, [("y.ndjson.gz", "jsonl", 1)]),
        ([A], NOTHING, {"output": "y.tab.zip"}, [("y.tab.zip", "tsv", 1)]),
        ([A], NOTHING, {"output": "y.pos"}, [("y.pos", "text", 1)]),
        ([A], NOTHING, {"output": "y.txt", "format": "xlsx"}, [("y.txt", "xlsx", 1)]),
        ([A, B], NOTHING, {"output": "y.csv"}, [("y.csv", "csv", 2)]),
        ([A], FILE, {"output": "y"}, [("y", "csv", 1)]),
        ([A], DEVICE, {"output": "/dev/stdout"}, [("/dev/stdout", "csv", 1)]),
        ([TEXTS], DEVICE, {"output": "pipe.csv"}, [("pipe.csv", "text", 1)]),
        ([A], NOTHING, {"output": "y", "format": "csv"}, [("y", "csv", 1)]),
        ([TEXTS], NOTHING, {"output": "y", "format": "csv"}, [("y", "csv", 1)]),
        # to a folder, under the inputs' names, in the format that the name tells
        ([file("a.xlsx")], FOLDER, {"output": "y"}, [("y/a.xlsx", "xlsx", 1)]),
        ([file("a.parquet"), file("b.xlsx")], FOLDER, {"output": "y"}, [("y/a.parquet", "parquet", 1), ("y/b.xlsx", "xlsx", 1)]),
        ([file("a.parquet")], FOLDER, {"output": "y", "format": "jsonl"}, [("y/a.jsonl", "jsonl", 1)]),
        ([A], FOLDER, {"output": "o"}, [("o/a.csv", "csv", 1)]),
        ([A, B], NOTHING, {"output": "o"}, [("o/a.csv", "csv", 1), ("o/b.csv", "csv", 1)]),
        ([A, file("a.csv")], FOLDER, {"output": "o"}, [("o/d/a.csv", "csv", 1), ("o/a.csv", "csv", 1)]),
        ([FOUND], NOTHING, {"output": "o"}, [("o/y=1/p.csv", "csv", 1)]),
        ([FOUND, B], FOLDER, {"output": "o", "format": "jsonl"}, [("o/y=1/p.jsonl", "jsonl", 1), ("o/b.jsonl", "jsonl", 1)]),
        ([FOUND, FOUND_TOO], FOLDER, {"output": "o"}, [("o/k/y=1/p.csv", "csv", 1), ("o/l/y=1/p.csv", "csv", 1)]),
        ([A], NOTHING, {"output": "o", "shard": (1, 2)}, [("o/a.csv", "csv", 1)]),
        ([A, B], NOTHING, {"output": "y-02.csv", "shard": (2, 3)}, [("y-02.csv", "csv", 2)]),
        ([A, B], NOTHING, {"shard": (2, 3)}, [(None, "csv", 2)]),
        ([A, B], NOTHING, {"rank": "negative", "limit": 2, "output": "y.csv", "shard": (1, 1)}, [("y.csv", "csv", 2)]),
        ([A, B], FOLDER, {"output": "o.csv"}, [("o.csv/a.csv", "csv", 1), ("o.csv/b.csv", "csv", 1)]),
        ([A, file("c.json")], FOLDER, {"output": "o"}, [("o/a.csv", "csv", 1), ("o/c.jsonl", "jsonl", 1)]),
        ([A, B], NOTHING, {"output": "o", "format": "jsonl"}, [("o/a.jsonl", "jsonl", 1), ("o/b.jsonl", "jsonl", 1)]),
        ([file("a.csv.gz")], FOLDER, {"output": "o"}, [("o/a.csv.gz", "csv", 1)]),
        ([file("a.csv.gz")], FOLDER, {"output": "o", "format": "tsv"}, [("o/a.tsv.gz", "tsv", 1)]),
        ([file("a.tab")], FOLDER, {"output": "o"}, [("o/a.tab", "tsv", 1)]),
        ([file("a.neg"), file("b.pos")], FOLDER, {"output": "o"}, [("o/a.txt", "text", 1), ("o/b.txt", "text", 1)]),
        ([CLASSES], FOLDER, {"output": "o"}, [("o/imdb.txt", "text", 1)]),
        ([FIFO], FOLDER, {"output": "o"}, [("o/pipe.txt", "text", 1)]),
        # options that need some format
        ([TEXTS], NOTHING, {"explain": True, "format": "jsonl"}, [(None, "jsonl", 1)]),
        ([TEXTS], NOTHING, {"explain": True, "as_json": True}, [(None, "text", 1)]),
        ([TEXTS], NOTHING, {"explain": True, "on_terminal": True}, [(None, "text", 1)]),
        ([TEXTS], NOTHING, {"as_json": True, "output": "-"}, [("-", "text", 1)]),
        ([A], NOTHING, {"escape_formulas": True}, [(None, "csv", 1)]),
        ([A, file("c.tsv")], FOLDER, {"escape_formulas": True, "output": "o"}, [("o/a.csv", "csv", 1), ("o/c.tsv", "tsv", 1)]),
    ],
)
def test_outputs(inputs: list[PredictInput], target: Target, options: dict[str, Any], outputs: list[tuple[Any, ...]]) -> None:
    assert plan(inputs, target, **options) == outputs


@pytest.mark.parametrize(
    ("inputs", "target", "options", "message"),
    [
        ([TEXTS], NOTHING, {"output": "y"}, "--output y: no suffix that tells its format."),
        ([A], NOTHING, {"output": "y"}, "--output y: no suffix that tells its format."),
        ([A], NOTHING, {"output": "y.pdf"}, "--output y.pdf: unknown format '.pdf'."),
        ([A], NOTHING, {"output": "y.json"}, "--output y.json: .json is not written."),
        ([A, A], FOLDER, {"output": "o"}, "--output o: two inputs would be written to a.csv."),
        ([A, A, B], FOLDER, {"output": "o"}, "--output o: two inputs would be written to d/a.csv."),
        ([file("a.neg"), file("a.pos")], NOTHING, {"output": "o"}, "--output o: two inputs would be written to a.txt."),
        ([A, file("d/a.tsv")], FOLDER, {"output": "o", "format": "tsv"}, "--output o: two inputs would be written to a.tsv."),
        ([A, B], FOLDER, {"output": "o", "limit": 3}, "--output o: it is a folder, and --limit 3 gives one list"),
        ([A, B], NOTHING, {"output": "o", "limit": 3, "rank": "negative"}, "--output o: it is a folder, and --rank negative"),
        ([TEXTS], NOTHING, {"shard": (1, 2)}, "--shard 1/2: texts and standard input cannot be divided."),
        ([STDIN], NOTHING, {"shard": (1, 2)}, "--shard 1/2: texts and standard input cannot be divided."),
        ([A, B], NOTHING, {"shard": (2, 3), "output": "y.csv"}, "--output y.csv: each of 3 processes would write it anew."),
        ([A, B], NOTHING, {"shard": (2, 3), "output": "y-12.csv"}, "--output y-12.csv: each of 3 processes would write it anew."),
        ([A, B], NOTHING, {"shard": (2, 3), "limit": 9}, "--shard 2/3: the first records of all inputs"),
        ([TEXTS], NOTHING, {"output": "y.csv", "as_json": True}, "--json prints one document on standard output"),
        ([TEXTS], NOTHING, {"explain": True}, "--explain writes to a terminal or as JSON."),
        ([TEXTS], NOTHING, {"explain": True, "format": "csv", "on_terminal": True}, "--explain writes to a terminal or as JSON."),
        ([A, file("c.jsonl")], FOLDER, {"explain": True, "output": "o"}, "--explain writes to a terminal or as JSON."),
        ([TEXTS], NOTHING, {"escape_formulas": True}, "--escape-formulas is for CSV and TSV."),
        ([A], NOTHING, {"escape_formulas": True, "as_json": True}, "--escape-formulas is for CSV and TSV."),
        ([A], NOTHING, {"escape_formulas": True, "on_terminal": True}, "--escape-formulas is for CSV and TSV."),
        ([A, file("c.jsonl")], FOLDER, {"escape_formulas": True, "output": "o"}, "--escape-formulas is for CSV and TSV."),
    ],
)
def test_refusals(inputs: list[PredictInput], target: Target, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        plan(inputs, target, **options)
    assert str(refusal.value).startswith(message)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("texts", "inputs"),
    [
        (["a", "b"], [PredictInput(texts=("a", "b"))]),
        (["-"], [JSONL_STDIN]),
        (["a", "-", "b"], [PredictInput(texts=("a",)), JSONL_STDIN, PredictInput(texts=("b",))]),
    ],
)
def test_texts_stand_in_order_around_standard_input(texts: list[str], inputs: list[PredictInput]) -> None:
    assert plan_texts(texts, input_format="jsonl") == inputs


def test_standard_input_is_read_once() -> None:
    with pytest.raises(UsageError, match="can be read once"):
        plan_texts(["-", "a", "-"])


def test_only_what_is_waited_for_is_slow() -> None:
    assert [part.is_slow for part in (STDIN, FIFO, TEXTS, A, CLASSES)] == [True, True, False, False, False]
