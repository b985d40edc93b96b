"""Prediction against transformers' pipeline on the same checkpoint, as whole processes, in turn.

    python -m tests.benchmarks.predict --checkpoint ./ckpt     everything: about 45 minutes on two cores
    python -m tests.benchmarks.predict --checkpoint ./ckpt --parts cold,help
    python -m tests.benchmarks.predict --small                 a minute, with a checkpoint of its own, to see that it runs

Ratios are theirs over ours, medians over pairs. Uses the real reviews where they are. Without `--checkpoint` one is trained.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import find_encoder, read_reviews
from tests.benchmarks.parquet import compare_parquet
from tests.benchmarks.processes import KEPT_MEMORY, Run, measure, median, polarity, run, write_rows

RIVAL = Path(__file__).with_name("rival.py")
EVALUATOR = Path(__file__).with_name("evaluator.py")
BATCH_SIZES = (1, 8, 32)


@dataclass
class Bench:
    """Where a benchmark works, and how much it does."""

    folder: Path
    checkpoint: Path
    pairs: int
    n_rows: int
    n_lines: int
    measured: dict[str, Any] = field(default_factory=dict)

    def ours(self, *arguments: object, stdin: Path | None = None) -> Run:
        """Run `polarity predict`."""
        return measure([*polarity("predict", "--checkpoint", self.checkpoint, "--quiet"), *arguments], stdin=stdin)

    def theirs(self, *arguments: object, environment: dict[str, str] | None = None) -> Run:
        """Run the pipeline's script."""
        return run((sys.executable, RIVAL, self.checkpoint, *arguments), environment=environment)

    def show(self, name: str, values: list[float], unit: str = "x") -> None:
        """Print a median with its least and most, and keep it."""
        self.measured[name] = {"median": median(values), "all": values}
        print(f"    {name:<58} {median(values):7.2f} {unit}   {min(values):.2f} to {max(values):.2f}", flush=True)


def compare_cold(bench: Bench) -> None:
    """One text in a process that has just started."""
    text = "great product"
    pairs = [(bench.theirs("--text", text), bench.ours(text)) for _ in range(bench.pairs)]
    print("\nOne text, cold process:")
    bench.show("faster", [theirs.seconds / ours.seconds for theirs, ours in pairs])
    bench.show("ours", [1000 * ours.seconds for _, ours in pairs], "ms")


def compare_file(bench: Bench) -> None:
    """Real reviews from a file, in both precisions, against the pipeline's best batch size."""
    reviews = [*read_reviews("test"), *read_reviews("train")][: bench.n_rows]
    path = bench.folder / "reviews.txt"
    path.write_text("".join(" ".join(f"{r['title']}: {r['content']}".split()) + "\n" for r in reviews), encoding="utf-8")
    settings = [(size, environment) for size in BATCH_SIZES for environment in (None, KEPT_MEMORY)]
    trial = min(300, len(reviews))
    speeds = [
        bench.theirs("--input", path, "--batch-size", size, "--rows", trial, environment=environment).output["seconds_to_label"]
        for size, environment in settings
    ]
    size, environment = settings[speeds.index(min(speeds))]
    helped = ", with memory kept" if environment else ""
    print(f"\n{len(reviews):,} reviews from a file (theirs at its best of {BATCH_SIZES}: batches of {size}{helped}):", flush=True)
    ratios: dict[str, list[float]] = {"int8": [], "fp32": []}
    rates: dict[str, list[float]] = {"int8": [], "fp32": [], "theirs": []}
    for _ in range(bench.pairs):
        theirs = bench.theirs("--input", path, "--batch-size", size, environment=environment)
        rates["theirs"].append(len(reviews) / theirs.seconds)
        for precision, ratio in ratios.items():
            ours = bench.ours("--input", path, "--precision", precision)
            ratio.append(theirs.seconds / ours.seconds)
            rates[precision].append(len(reviews) / ours.seconds)
    for precision, values in ratios.items():
        bench.show(f"{precision}, faster", values)
    for name, values in rates.items():
        bench.show(f"{name}, reviews a second", values, "")


def compare_scores(bench: Bench) -> None:
    """F1 of both precisions on the test reviews."""
    from polarity_cli.records import LABEL_NAMES

    reviews = read_reviews("test")[: bench.n_rows]
    rows = [{"title": r["title"], "content": r["content"], "truth": LABEL_NAMES[r["label"]]} for r in reviews]
    path = write_rows(bench.folder / "test.jsonl", rows)
    print(f"\nOn {len(rows):,} test reviews:")
    found = {}
    for precision in ("fp32", "int8"):
        output = bench.folder / f"{precision}.jsonl"
        bench.ours("--input", path, "--precision", precision, "--output", output, "--text", "title,content")
        found[precision] = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        bench.show(f"{precision}, F1", [100 * compute_f1(found[precision])], "points")
    turned = sum(a["label"] != b["label"] for a, b in zip(found["fp32"], found["int8"], strict=True))
    bench.show("labels that int8 turns", [100 * turned / len(rows)], "%")


def compute_f1(rows: list[dict[str, Any]]) -> float:
    """Return the F1 of positive."""
    hits = sum(row["label"] == row["truth"] == "positive" for row in rows)
    said = sum(row["label"] == "positive" for row in rows) + sum(row["truth"] == "positive" for row in rows)
    return float(2 * hits / max(1, said))


def compare_evaluation(bench: Bench) -> None:
    """`polarity evaluate` on labelled reviews against Trainer's evaluation at its best, whole processes and answering alone."""
    reviews = [*read_reviews("test"), *read_reviews("train")][: bench.n_rows]
    rows = [{name: r[name] for name in ("title", "content", "label")} for r in reviews]
    path = write_rows(bench.folder / "labelled.jsonl", rows)

    def theirs(*more: object, environment: dict[str, str] | None = None) -> Run:
        return run((sys.executable, EVALUATOR, bench.checkpoint, path, *more), environment=environment)

    settings = [(more, environment) for more in ((), ("--by-length",)) for environment in (None, KEPT_MEMORY)]
    trial = min(200, len(rows))
    seconds = [theirs(*more, "--rows", trial, environment=environment).output["seconds"] for more, environment in settings]
    more, environment = settings[seconds.index(min(seconds))]
    helped = ", with memory kept" if environment else ""
    print(
        f"\nEvaluation of {len(rows):,} reviews (theirs at its best: {' '.join(more) or 'in their order'}{helped}):", flush=True
    )
    plain = [len(rows[:trial]) / seconds[0]]
    bench.show("theirs as it comes, reviews a second", plain, "")
    rates: dict[str, list[float]] = {name: [] for name in ("theirs", "by default", "fp32", "weights")}
    whole: dict[str, list[float]] = {name: [] for name in rates}
    for _ in range(bench.pairs):
        other = theirs(*more, environment=environment)
        rates["theirs"].append(len(rows) / other.output["seconds"])
        whole["theirs"].append(other.seconds)
        for name, option in (("by default", ()), ("fp32", ("--precision", "fp32")), ("weights", ("--precision", "weights"))):
            command = polarity("evaluate", bench.checkpoint, path, "--json", "--cache-dir", bench.folder / "cache", *option)
            ours = run(command)
            rates[name].append(ours.output["rows_per_second"])
            whole[name].append(ours.seconds)
    for name, values in rates.items():
        bench.show(f"{name}, reviews a second", values, "")
    for name in list(rates)[1:]:
        bench.show(f"{name}, whole process, faster", [a / b for a, b in zip(whole["theirs"], whole[name], strict=True)])


def measure_memory(bench: Bench) -> None:
    """Peak memory for many short lines from standard input, and for a tenth of them."""
    words = [review["title"] or "good" for review in read_reviews("train")]
    print(f"\n{bench.n_lines:,} short lines:")
    for n_lines in (bench.n_lines // 10, bench.n_lines):
        path = bench.folder / f"lines-{n_lines}.txt"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{' '.join(words[i % len(words)].split())} {i}\n" for i in range(n_lines))
        ours = bench.ours(stdin=path)
        bench.show(f"peak memory, {n_lines:,} lines", [ours.peak_bytes / 1e6], "MB")
        bench.show(f"lines a second, {n_lines:,} lines", [n_lines / ours.seconds], "")


def measure_help(bench: Bench) -> None:
    """The start of `polarity --help`."""
    print("\nStart:")
    bench.show("polarity --help", [1000 * measure(list(polarity("--help"))).seconds for _ in range(2 * bench.pairs)], "ms")


PARTS: dict[str, Callable[[Bench], None]] = {
    "cold": compare_cold,
    "help": measure_help,
    "scores": compare_scores,
    "evaluate": compare_evaluation,
    "memory": measure_memory,
    "file": compare_file,
    "parquet": compare_parquet,
}


def train_checkpoint(folder: Path, *, small: bool) -> Path:
    """Return a checkpoint trained on the reviews at hand by the default recipe, with a few rows where it need not be good."""
    rows = [{name: r[name] for name in ("title", "content", "label")} for r in read_reviews("train")[: 64 if small else None]]
    source = write_rows(folder / "train.jsonl", rows)
    more = ["--epochs", 1, "--max-length", 32] if small else []
    command = ["train", source, "--encoder", find_encoder(), "--rows", "all", "--test", 0, "--out", folder / "ckpt", *more]
    measure([*polarity(*command, "--cache-dir", folder / "cache")])
    return folder / "ckpt"


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--checkpoint", type=Path, help="one that this program trained; else one is trained first")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a few short rows and one pair, to see that it runs")
    parser.add_argument("--out", type=Path, help="write every figure to this JSON file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = options.checkpoint or train_checkpoint(Path(folder), small=options.small)
        pairs, n_rows, n_lines = (1, 24, 200) if options.small else (options.pairs, 5000, 1_000_000)
        bench = Bench(Path(folder), checkpoint, pairs, n_rows, n_lines)
        for part in options.parts.split(","):
            PARTS[part](bench)
            if options.out:
                options.out.write_text(json.dumps(bench.measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
