"""Training against the article's recipe in transformers' Trainer, as whole processes, in turn, from cold caches.

    python -m tests.benchmarks.train                     everything: a few hours on two cores
    python -m tests.benchmarks.train --parts frozen      one part
    python -m tests.benchmarks.train --small             a minute, to see that it runs

Both sides get the same rows, split alike, content only, cut at 512 tokens, two blocks of a six-block encoder to train, batches of
16, and an evaluation after each epoch. Ratios are theirs over ours, medians over pairs. Uses the real reviews where they are.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.bench import (
    Bench,
    build_wide_encoder,
    cut_into_pieces,
    find_encoder,
    keep,
    read_reviews,
    score,
    show,
    show_scores,
    show_work,
)
from tests.benchmarks.processes import KEPT_MEMORY, median, write_rows


def compare_frozen(bench: Bench) -> None:
    """One and three epochs from nothing, and three more with another learning rate from kept features."""
    encoder = find_encoder()
    folder = bench.prepare(bench.rows, encoder, "frozen")
    ratios: dict[str, list[float]] = {"one epoch": [], "three epochs": [], "second run, three epochs": [], "peak memory": []}
    for pair in range(bench.pairs):
        theirs = bench.theirs(folder, encoder, "--epochs", 3)
        one = bench.ours(folder, encoder, "--epochs", 1)
        three = bench.ours(folder, encoder, "--epochs", 3)
        again = bench.ours(folder, encoder, "--epochs", 3, "--learning-rate", 2e-5, "--warmup", 0, cold=False)
        # Their first epoch ends with its evaluation, inside the longer process: without saving, which favours them.
        ratios["one epoch"].append(theirs.output["seconds_to_each_evaluation"][0] / one.seconds)
        ratios["three epochs"].append(theirs.seconds / three.seconds)
        ratios["second run, three epochs"].append(theirs.seconds / again.seconds)
        ratios["peak memory"].append(max(one.peak_bytes, three.peak_bytes) / theirs.peak_bytes)
        keep(bench, f"frozen, pair {pair + 1}", theirs=theirs, one=one, three=three, again=again)
        if pair == 0:
            scores = {"ours, three epochs, learning rate 2e-5": score(bench, folder / "ours")}
    bench.ours(folder, encoder, "--epochs", 3, cold=False)
    scores["ours, three epochs, our recipe"] = score(bench, folder / "ours")
    scores["theirs, three epochs"] = score(bench, folder / "theirs", "--positive-class", "LABEL_1")
    show(bench, "frozen blocks", ratios)
    show_scores(bench, scores)
    show_work(bench, folder, three)


def compare_helped(bench: Bench) -> None:
    """One epoch against the article's script with the allocator settings that spare it its page faults."""
    encoder = find_encoder()
    folder = bench.prepare(bench.rows, encoder, "helped")
    ratios: dict[str, list[float]] = {"one epoch": [], "peak memory": []}
    for pair in range(bench.pairs):
        theirs = bench.theirs(folder, encoder, "--epochs", 1, environment=KEPT_MEMORY)
        ours = bench.ours(folder, encoder, "--epochs", 1)
        ratios["one epoch"].append(theirs.seconds / ours.seconds)
        ratios["peak memory"].append(ours.peak_bytes / theirs.peak_bytes)
        keep(bench, f"helped, pair {pair + 1}", theirs=theirs, ours=ours)
    show(bench, "the article's script helped by the allocator", ratios)


def compare_everything(bench: Bench) -> None:
    """Three epochs against fine-tuning every weight."""
    encoder = find_encoder()
    folder = bench.prepare(bench.rows, encoder, "everything")
    ratios: dict[str, list[float]] = {"three epochs": []}
    for pair in range(bench.pairs):
        theirs = bench.theirs(folder, encoder, "--epochs", 3, "--everything")
        ours = bench.ours(folder, encoder, "--epochs", 3)
        ratios["three epochs"].append(theirs.seconds / ours.seconds)
        keep(bench, f"everything, pair {pair + 1}", theirs=theirs, ours=ours)
    scores = {"fine-tuning everything, three epochs": score(bench, folder / "theirs", "--positive-class", "LABEL_1")}
    show(bench, "against fine-tuning everything", ratios)
    show_scores(bench, scores)


def compare_wide(bench: Bench) -> None:
    """One and three epochs of a 12-block, 768-wide BERT with random weights."""
    encoder = str(build_wide_encoder(bench.folder / "wide-encoder", small=bench.small))
    folder = bench.prepare(bench.wide_rows, encoder, "wide")
    ratios: dict[str, list[float]] = {"one epoch": [], "three epochs": [], "peak memory": []}
    for pair in range(bench.pairs):
        theirs = bench.theirs(folder, encoder, "--epochs", 3)
        one = bench.ours(folder, encoder, "--epochs", 1)
        three = bench.ours(folder, encoder, "--epochs", 3)
        ratios["one epoch"].append(theirs.output["seconds_to_each_evaluation"][0] / one.seconds)
        ratios["three epochs"].append(theirs.seconds / three.seconds)
        ratios["peak memory"].append(max(one.peak_bytes, three.peak_bytes) / theirs.peak_bytes)
        keep(bench, f"wide, pair {pair + 1}", theirs=theirs, one=one, three=three)
    show(bench, f"12 blocks, 768 wide, {bench.wide_rows} rows", ratios)


def measure_growth(bench: Bench) -> None:
    """Time per row from 1,000 to 50,000 rows of 32 tokens: the difference between sizes, without what every run costs.

    Small sizes are run three times, and their medians taken: the noise of a machine is a large part of a short run.
    """
    encoder = find_encoder()
    pieces = list(dict.fromkeys(cut_into_pieces(read_reviews("train"))))
    sizes = (100, 200, 400) if bench.small else (1_000, 5_000, 20_000, 50_000)
    if len(pieces) < sizes[-1]:
        raise SystemExit(f"growth: only {len(pieces):,} distinct rows here; it needs the real reviews.")
    seconds = []
    for size in sizes:
        folder = bench.folder / f"growth-{size}"
        write_rows(folder / "reviews.jsonl", [{"text": text, "label": i % 2} for i, text in enumerate(pieces[:size])])
        n_runs = 3 if size <= 5_000 and not bench.small else 1
        seconds.append(median([bench.ours(folder, encoder, "--epochs", 1, "--max-length", 32).seconds for _ in range(n_runs)]))
        shutil.rmtree(folder)
    print("\nGrowth of one epoch, 32 tokens a row:")
    for i in range(1, len(sizes)):
        each = (seconds[i] - seconds[i - 1]) / (sizes[i] - sizes[i - 1])
        print(
            f"    from {sizes[i - 1]:>6,} to {sizes[i]:>6,} rows: {1000 * each:.2f} ms a row ({seconds[i]:.0f} s in all)",
            flush=True,
        )
    bench.measured["growth"] = dict(zip(map(str, sizes), seconds, strict=True))


PARTS: dict[str, Callable[[Bench], None]] = {
    "frozen": compare_frozen,
    "helped": compare_helped,
    "wide": compare_wide,
    "growth": measure_growth,
    "everything": compare_everything,
}


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--wide-rows", type=int, default=160)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a few short rows and one pair, to see that it runs")
    parser.add_argument("--out", type=Path, help="write every figure to this JSON file")
    options = parser.parse_args()
    sizes = (24, 20, 1) if options.small else (options.rows, options.wide_rows, options.pairs)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), rows=sizes[0], wide_rows=sizes[1], pairs=sizes[2], small=options.small)
        for part in options.parts.split(","):
            PARTS[part](bench)
            if options.out:
                options.out.write_text(json.dumps(bench.measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
