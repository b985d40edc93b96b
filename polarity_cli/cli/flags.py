"""Every flag and argument once: how it is typed and read, and what help says of it. Its default is that of the config's field.

A flag is called as the field that it fills: `max_length` is `--max-length`. A key with a command before it, `evaluate.rows`, is
that flag in that command alone. Groups and flags stand in the order in which help shows them.
"""

from __future__ import annotations

from functools import partial

from polarity_cli.cli import values
from polarity_cli.cli.flag import Flag
from polarity_cli.cli.training_flags import TRAINING
from polarity_cli.formats import READ_FORMATS, WRITTEN_FORMATS

_CHECKPOINT = "A checkpoint folder, or a model's id on the Hub."
_ANY_CHECKPOINT = "$POLARITY_CHECKPOINT, ./ckpt, or the newest in the cache"
_SOURCES = (
    "Reviews: amazon_polarity, another Hub data set (NAME or NAME:CONFIG), sample, or files, globs or a folder: .csv .tsv .jsonl "
    ".json .parquet .txt .xlsx, each also .gz .bz2 .xz .zst .zip."
)
_FORMULAS = (
    "Put an apostrophe before cells that a spreadsheet would run: those that begin with = + - @, a tab or a line break. "
    "CSV and TSV only."
)

ARGUMENTS: dict[str, Flag] = {
    "texts": Flag(
        metavar="[TEXT]...",
        help="Texts; - or none at all reads standard input, a line a record.",
        parse=values.take_all,
        is_list=True,
        is_argument=True,
    ),
    "evaluate.checkpoint": Flag(help=_CHECKPOINT, default=_ANY_CHECKPOINT, is_argument=True),
    "export.checkpoint": Flag(help=_CHECKPOINT, default=_ANY_CHECKPOINT, is_argument=True),
    "sources": Flag(metavar="SOURCE", help=_SOURCES, parse=values.take_all, is_list=True, is_argument=True),
}
_INPUT: dict[str, Flag] = {
    "input": Flag(
        names=("--input", "-i"),
        metavar="FILE",
        help="Read records from a file, a glob or all of a folder, also compressed; may be given several times.",
        parse=values.take_all,
        is_list=True,
    ),
    "input_format": Flag(
        metavar="|".join(READ_FORMATS),
        default="by the file's suffix, else text",
        parse=partial(values.choose, choices=READ_FORMATS),
    ),
    "text": Flag(
        metavar="COLUMNS",
        help="Columns that make the text, in order, e.g. title,content.",
        default="found by name",
        parse=values.split_names,
        is_list=True,
    ),
    "label": Flag(metavar="COLUMN", help="Column that holds the label.", default="found by name"),
    "positive": Flag(
        metavar="VALUES",
        help='Labels that mean positive: a list, 4,5, or a comparison, ">=4".',
        default="understood for 0/1, 1/2, neg/pos, negative/positive, true/false, stars 1 to 5",
        parse=values.parse_labels,
        is_list=True,
    ),
    "negative": Flag(
        metavar="VALUES",
        help="Labels that mean negative; what is in neither is left out and counted.",
        parse=values.parse_labels,
        is_list=True,
    ),
    "delimiter": Flag(
        metavar="CHAR", help="What stands between cells: , ; tab |.", default="found out", parse=values.parse_delimiter
    ),
    "header": Flag(names=("--header/--no-header",), help="Whether a table's first row names its columns.", default="found out"),
    "encoding": Flag(metavar="NAME", help="How text is encoded, e.g. cp1252.", default="UTF-8, or UTF-16 by its mark"),
    "sheet": Flag(metavar="NAME", help="The sheet of a workbook.", default="the first that holds anything"),
    "on_error": Flag(metavar="fail|skip", help="A broken row ends the run with exit 2, or is left out and counted."),
    "predict.on_error": Flag(
        metavar="fail|skip|keep", help="A broken row ends the run with exit 2, is left out, or is kept with an empty label."
    ),
}
_SPLITS: dict[str, Flag] = {
    "split": Flag(
        metavar="test|validation|train|all",
        help="Which reviews; a source without such a split is divided as in training.",
        default="the test split that SOURCE brings, else all of it; without SOURCE that of the training run",
    ),
    "rows": Flag(metavar="N|all", help="Rows read, from the beginning.", parse=partial(values.parse_count, least=1)),
    "evaluate.rows": Flag(
        metavar="N|all",
        help="Rows read, from the beginning.",
        default="all of SOURCE; without one as many as in training",
        parse=partial(values.parse_count, least=1),
    ),
    "test": Flag(metavar="SHARE", help="Share of the rows for the test split, where the source brings none."),
    "validation": Flag(metavar="SHARE", help="Share of the rows for the validation split."),
    "seed": Flag(help="Seed of the splits, the new weights, the order and dropout."),
    "max_length": Flag(metavar="TOKENS", help="Tokens kept of a review."),
    "truncation": Flag(metavar="head|tail|head-tail", help="What is kept of a longer review."),
    "sample": Flag(help="The built-in reviews and encoder: SOURCE sample and --encoder sample."),
}
_MODEL: dict[str, Flag] = {
    "prepare.encoder": Flag(help="Hub id, local folder, or `sample`: whose tokenizer is used."),
    "encoder": Flag(help="Hub id, local folder, or `sample`."),
    "unfreeze": Flag(
        metavar="N|all",
        help="Blocks that train, from the end; 0: the classifier alone, all: everything.",
        parse=partial(values.parse_count, least=0),
    ),
    "checkpoint": Flag(help=_CHECKPOINT, default=_ANY_CHECKPOINT),
    "positive_class": Flag(metavar="NAME", help="The model's class that means positive, or 0 or 1.", default="by its names"),
    "precision": Flag(metavar="int8|fp32", default="int8, where it was found to agree with the model"),
    "evaluate.precision": Flag(
        metavar="int8|fp32|weights",
        help="What answers: a graph, or the weights through torch.",
        default="the graph that predict answers with; the weights where there is none, or a GPU",
    ),
    "device": Flag(
        metavar="auto|cpu|cuda|cuda:N",
        help="Where it answers. A GPU runs the weights in bfloat16, and again in float32 what is near the threshold; "
        "--precision fp32 runs all of it in float32. A graph runs on the processors.",
        default="auto: a GPU where torch has one, unless --precision names a graph",
    ),
    "threshold": Flag(
        metavar="P",
        help="Answer positive from this probability of it on; the score, that of the label given, may then be below 0.5.",
        default="the checkpoint's own, else the likelier class",
    ),
}
_RUN: dict[str, Flag] = {
    "older_than": Flag(metavar="TIME", help="Free what was not used for so long: 12h, 30d, 2w.", parse=values.parse_duration),
    "max_size": Flag(
        metavar="SIZE",
        help="Free what was used longest ago, until no more than this is left: 500MB, 5GB.",
        parse=values.parse_bytes,
    ),
    "dry_run": Flag(help="Show what would go, and remove nothing."),
    "yes": Flag(names=("--yes", "-y"), help="Do not ask before checkpoints and interrupted runs go."),
    "plan": Flag(help="Print what would train, and stop."),
    "fresh": Flag(
        names=("--resume/--fresh",),
        help="Go on where an interrupted run of the same command stood, or start over.",
        parse=lambda resume, flag: not resume,
    ),
    "feature_cache": Flag(
        metavar="auto|off|SIZE",
        help="Keep what the frozen blocks make of each review, so that they are passed once: up to a quarter of the free "
        "disk, never, or a run's up to a size such as 20GB.",
        parse=values.parse_size,
    ),
    "processes": Flag(
        metavar="N",
        help="Processes on this machine, one for each GPU, or sharing the processors.",
        default="1, or what a launcher started",
    ),
    "track": Flag(metavar="NAME", help="Log to an Accelerate tracker, e.g. tensorboard or trackio."),
    "cache_dir": Flag(
        help="Where tokenized data and checkpoints are kept.",
        default="the user's cache folder",
        envvar=("POLARITY_CACHE", "POLARITY_CACHE_DIR"),
    ),
    "offline": Flag(help="Make no connection; use what an earlier run fetched.", envvar=("POLARITY_OFFLINE",)),
    "debug": Flag(help="Show tracebacks.", envvar=("POLARITY_DEBUG",)),
}
_OUTPUT: dict[str, Flag] = {
    "out": Flag(help="Where the checkpoint is published; replaces only an earlier published one."),
    "graphs": Flag(
        names=("--graphs/--no-graphs",),
        help="End by writing the graphs that predict runs; else they are made when it needs them.",
    ),
    "export": Flag(help="Write the graphs for other programs too, as `polarity export` does."),
    "onnx": Flag(help="Write onnx/model.onnx and onnx/model_quantized.onnx, which take a mask; so does a line without --push."),
    "export.out": Flag(help="Leave the checkpoint as it is, and write a copy with the graphs here."),
    "push": Flag(
        metavar="USER/NAME",
        help="Publish the checkpoint to this repository on the Hub, in one commit; made where it is not there. Needs a token: "
        "HF_TOKEN, or `hf auth login`.",
    ),
    "license": Flag(
        metavar="ID",
        help="The licence that it is published under: apache-2.0, mit, cc-by-4.0, or another id of the Hub's.",
        default="what the card or the repository says",
    ),
    "private": Flag(help="Make the repository one that only its owners see."),
    "require": Flag(
        metavar="F1|baseline",
        help="Publish nothing worse than this F1, or than the majority class and TF-IDF; exit with 1.",
        default="publish whatever comes",
        parse=values.parse_requirement,
    ),
    "errors": Flag(
        metavar="FILE",
        help="Write the mistakes to a .csv, .tsv, .jsonl, .parquet or .xlsx file, the most confident first.",
    ),
    "predictions": Flag(metavar="FILE", help="Write every review with its scores of both classes, to a file of such a format."),
    "suspects": Flag(metavar="FILE", help="Write the reviews whose labels are likely to be wrong, the likeliest first."),
    "against": Flag(metavar="CHECKPOINT", help="Compare with another checkpoint on the same reviews."),
    "fail_if_worse": Flag(help="Exit with 1 where the checkpoint is really worse than that of --against."),
    "by": Flag(
        metavar="COLUMNS", help="Score each value of these columns by itself, too.", parse=values.split_names, is_list=True
    ),
    "report": Flag(metavar="FILE", help="Write a page that shows all of it: FILE.html."),
    "output": Flag(
        names=("--output", "-o"),
        metavar="FILE",
        help="Write to a file, which appears, or replaces an earlier one, when it is complete; several inputs need a folder "
        "or one file for all. In a folder, what the same command finished before is skipped.",
        parse=values.parse_output,
    ),
    "format": Flag(
        metavar="|".join(WRITTEN_FORMATS),
        default="by the output's suffix, else as the input",
        parse=partial(values.choose, choices=WRITTEN_FORMATS),
    ),
    "prefix": Flag(
        metavar="TEXT",
        help="Stands before `label` and `score`, the added columns.",
        default="predicted_ where either is taken",
    ),
    "shard": Flag(
        metavar="K/N",
        help="Label the K-th of N shares of the inputs, from 1 to N: files, or row groups where there are fewer files. "
        "In a Slurm array: --shard $SLURM_ARRAY_TASK_ID/64.",
        default="all inputs",
        parse=values.parse_shard,
    ),
    "rank": Flag(
        metavar="uncertain|negative|positive",
        help="Write only the --limit records that are nearest the threshold, or most surely of a class, the first first.",
    ),
    "limit": Flag(metavar="N", help="Write at most so many records; without --rank the first ones, and read no more."),
    "escape_formulas": Flag(help=_FORMULAS),
    "min_confidence": Flag(metavar="P", help="Answer `uncertain` where the score would be below this probability."),
    "explain": Flag(help="Show what each word adds, by leaving it out; a terminal or JSON only. As slow as it says."),
    "json": Flag(help="Print one JSON document on standard output.", envvar=("POLARITY_JSON",)),
    "quiet": Flag(names=("--quiet", "-q"), help="No progress and no notes; warnings stay.", envvar=("POLARITY_QUIET",)),
}
FLAGS: dict[str, dict[str, Flag]] = {
    "Data": {**_INPUT, **_SPLITS},
    "Model": _MODEL,
    "Training": TRAINING,
    "Run": _RUN,
    "Output": _OUTPUT,
}
"""By the group that help shows them in."""
