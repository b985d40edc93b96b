"""Options that several commands share, and the values that take a word or a number."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import typer


def paragraphs(text: str) -> str:
    """Return text for `--help` that keeps its line breaks."""
    return "\b\n" + textwrap.dedent(text).strip().replace("\n\n", "\n\n\b\n")


CacheDir = Annotated[
    Path | None,
    typer.Option(
        envvar=["POLARITY_CACHE", "POLARITY_CACHE_DIR"],
        help="Where tokenized data and checkpoints are kept. [default: the user's cache folder]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", envvar="POLARITY_JSON", help="Print one JSON document on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", envvar="POLARITY_QUIET", help="No progress and no notes; warnings stay.")]
Offline = Annotated[
    bool,
    typer.Option("--offline", envvar="POLARITY_OFFLINE", help="Make no connection; use what an earlier run fetched."),
]
Debug = Annotated[bool, typer.Option("--debug", envvar="POLARITY_DEBUG", help="Show tracebacks.")]

NumberOfProcesses = Annotated[
    int | None,
    typer.Option(
        "--processes",
        metavar="N",
        help="Processes on this machine, one for each GPU, or sharing the processors. [default: 1, or what a launcher started]",
        show_default=False,
    ),
]

CHECKPOINT_HELP = (
    "A checkpoint folder, or a model's id on the Hub. [default: $POLARITY_CHECKPOINT, ./ckpt, or the newest in the cache]"
)
SOURCE_HELP = (
    "Reviews: amazon_polarity, another Hub data set (NAME or NAME:CONFIG), sample, or files, globs or a folder: .csv .tsv .jsonl "
    ".json .parquet .txt .xlsx, each also .gz .bz2 .xz .zst .zip."
)
Sources = Annotated[list[str] | None, typer.Argument(metavar="SOURCE", help=SOURCE_HELP, show_default=False)]
Text = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMNS",
        help="Columns that make the text, in order, e.g. title,content. [default: found by name]",
        show_default=False,
    ),
]
Label = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column that holds the label. [default: found by name]", show_default=False),
]
Positive = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VALUES",
        help='Labels that mean positive: a list, 4,5, or a comparison, ">=4". [default: understood for 0/1, 1/2, neg/pos, '
        "negative/positive, true/false, stars 1 to 5]",
        show_default=False,
    ),
]
Negative = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VALUES", help="Labels that mean negative; what is in neither is left out and counted.", show_default=False
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(metavar="CHAR", help="What stands between cells: , ; tab |. [default: found out]", show_default=False),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header", help="Whether a table's first row names its columns. [default: found out]", show_default=False
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="How text is encoded, e.g. cp1252. [default: UTF-8, or UTF-16 by its mark]", show_default=False
    ),
]
Sheet = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The sheet of a workbook. [default: the first that holds anything]", show_default=False),
]
OnError = Annotated[
    str, typer.Option(metavar="fail|skip", help="A broken row ends the run with exit 2, or is left out and counted.")
]
PositiveClass = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The model's class that means positive, or 0 or 1. [default: by its names]", show_default=False
    ),
]
EscapeFormulas = Annotated[
    bool,
    typer.Option(
        "--escape-formulas",
        help="Put an apostrophe before cells that a spreadsheet would run: those that begin with = + - @, a tab or a line break. "
        "CSV and TSV only.",
    ),
]
Sample = Annotated[bool, typer.Option("--sample", help="The built-in reviews and encoder: SOURCE sample and --encoder sample.")]
Test = Annotated[float, typer.Option(metavar="SHARE", help="Share of the rows for the test split, where the source brings none.")]
Seed = Annotated[int, typer.Option(help="Seed of the splits, the new weights, the order and dropout.")]
MaxLength = Annotated[int, typer.Option(metavar="TOKENS", help="Tokens kept of a review.")]
Truncation = Annotated[str, typer.Option(metavar="head|tail|head-tail", help="What is kept of a longer review.")]
