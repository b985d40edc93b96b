"""The format of an input or an output: by an option, else by the suffix."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from polarity_cli.errors import UsageError
from polarity_cli.formats import find_format
from polarity_cli.formats.output_file import find_output_format


def test_output_format_is_the_options_or_the_suffixes_or_the_inputs() -> None:
    assert find_output_format(None, None, "csv") == "csv"
    assert find_output_format(Path("out.tsv"), None, "csv") == "tsv"
    assert find_output_format(Path("out.tsv"), "jsonl", "csv") == "jsonl"
    assert find_output_format(Path("out.tsv.gz"), None, "csv") == "tsv"
    assert find_output_format(Path("out.parquet"), None, "csv") == "parquet"
    assert find_output_format(None, None, "parquet") == "csv"
    assert find_output_format(None, None, "json") == "jsonl"
    for name in ("out.json", "out.dat", "out", "out.csv.rar"):
        with pytest.raises(UsageError, match=rf"--output {name}"):
            find_output_format(Path(name), None, "csv")


def test_input_format_is_the_options_or_the_suffixes(tmp_path: Path) -> None:
    assert find_format(Path("r.csv.gz")) == "csv"
    assert find_format(Path("R.TAB")) == "tsv"
    assert find_format(Path("r.tsv"), option="jsonl") == "jsonl"
    os.mkfifo(tmp_path / "pipe")
    assert find_format(tmp_path / "pipe") == "text"
    for name in ("notes.log", "r", "r.xls"):
        with pytest.raises(UsageError, match=rf"--input {name}: unknown format"):
            find_format(Path(name), flag="--input")
