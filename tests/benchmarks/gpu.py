"""Training, evaluation and prediction on one GPU: rows a second, and whether the answers are the same.

    python -m tests.benchmarks.gpu                     everything, in under eight minutes on a large GPU
    python -m tests.benchmarks.gpu --parts train,same  some of it
    python -m tests.benchmarks.gpu --tiny              a minute on a CPU, to see that it runs

Two encoders: all-MiniLM-L6-v2 (6 blocks, 384 wide), or where its package is not installed one of that shape with random weights;
and a BERT of 12 blocks, 768 wide, with random weights. Reads local files alone: it needs neither a network nor `datasets`.
Where there is no GPU the same commands run on the processors, and bfloat16 is that of the CPU.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polarity_cli.errors import CheckpointError
from polarity_cli.sample.encoder import find_sample_encoder
from tests.benchmarks.gpu_runs import (
    build_encoder,
    call,
    compare_labels,
    describe_machine,
    interrupt,
    make_rows,
    measure_distance,
    read_epochs,
    write,
)

SHAPES = {"sample": (384, 6, 12, 1536), "wide": (768, 12, 12, 3072), "tiny": (32, 3, 2, 64)}


@dataclass
class Bench:
    """One call of this program."""

    folder: Path
    tiny: bool
    has_gpu: bool
    ends: float
    """When, by `time.monotonic`, no further part is begun."""
    encoders: dict[str, Path] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    def pick(self, large: int, tiny: int) -> int:
        """Return a size."""
        return tiny if self.tiny else large

    def place(self, name: str) -> Path:
        """Return where an encoder's runs are."""
        return self.folder / name

    def keep(self, encoder: str, what: str, value: float, unit: str = "rows/s", note: str = "") -> None:
        """Keep a figure, and show it."""
        self.figures.setdefault(encoder, {})[what] = value
        print(f"{encoder:<7}{what:<46}{value:>12,.4g} {unit:<10}{note}", flush=True)


def find_encoders(bench: Bench) -> None:
    """Write or find the two encoders."""
    if bench.tiny:
        bench.encoders = {name: build_encoder(bench.folder / f"{name}-encoder", SHAPES["tiny"]) for name in ("sample", "wide")}
        return
    try:
        bench.encoders["sample"] = find_sample_encoder()[0]
    except CheckpointError:
        print("The package of all-MiniLM-L6-v2 is not installed: random weights of its shape stand for it.")
        bench.encoders["sample"] = build_encoder(bench.folder / "sample-encoder", SHAPES["sample"])
    bench.encoders["wide"] = build_encoder(bench.folder / "wide-encoder", SHAPES["wide"])


def train(bench: Bench, name: str) -> None:
    """Three epochs with kept features and without: the first epoch with what it waits for, and the mean of the later ones."""
    place, n_rows = bench.place(name), bench.pick(12_000 if name == "sample" else 4_000, 60)
    rows = write(place, "train", make_rows(n_rows, seed=2))
    for kept, setting in (("kept features", "auto"), ("no kept features", "off")):
        out = place / f"ckpt-{setting}"
        graphs = "--graphs" if setting == "auto" else "--no-graphs"
        words = ("train", rows, "--rows", "all", "--encoder", bench.encoders[name], "--epochs", 3, "--feature-cache", setting)
        done = call(*words, graphs, "--out", out, "--json", cache=place / f"cache-{setting}")
        epochs, features_s, n = read_epochs(out)
        machine = json.loads(done.stdout)["machine"]
        bench.keep(
            name,
            f"training, {kept}, first epoch",
            n / (epochs[0] + features_s),
            note=f"{machine['precision']} on {machine['device']}",
        )
        bench.keep(
            name, f"training, {kept}, later epochs", n * len(epochs[1:]) / sum(epochs[1:]), note=f"{done.seconds:.0f} s in all"
        )


def list_ways(bench: Bench) -> dict[str, tuple[str, ...]]:
    """Return the ways to answer, by name: their options."""
    graph: dict[str, tuple[str, ...]] = {"our graph on the processors": ("--device", "cpu", "--precision", "fp32")}
    if not bench.has_gpu:
        return graph
    return {"bfloat16": ("--device", "cuda"), "float32": ("--device", "cuda", "--precision", "fp32"), **graph}


def answer(bench: Bench, name: str) -> None:
    """Evaluate and predict each way, and compare the labels."""
    place = bench.place(name)
    checkpoint, cache = place / "ckpt-auto", place / "cache-auto"
    many = write(place, "many", make_rows(bench.pick(40_000 if name == "sample" else 12_000, 60), seed=3))
    few = write(place, "few", make_rows(bench.pick(1_500 if name == "sample" else 300, 40), seed=3))
    for way, options in list_ways(bench).items():
        source = few if "graph" in way else many
        words = (checkpoint, source, "--rows", "all", "--split", "all", "--json")
        found = json.loads(call("evaluate", *words, *options, cache=cache).stdout)
        bench.keep(name, f"evaluation, {way}", found["rows_per_second"], note=f"F1 {found['metrics']['f1']:.4f}")
        out = place / f"{way}.jsonl"
        done = call("predict", "--checkpoint", checkpoint, "--input", source, "--output", out, *options, cache=cache)
        bench.keep(name, f"prediction, {way}", done.rows_per_s, note=f"{done.seconds:.0f} s in all")
    if bench.has_gpu:
        n_other, n = compare_labels(place / "bfloat16.jsonl", place / "float32.jsonl")
        bench.keep(name, "labels that bfloat16 turns round, predict", n_other / n, "of them", f"{n_other} of {n:,}")
        n_other, n = compare_labels_of_first(place / "bfloat16.jsonl", place / "our graph on the processors.jsonl")
        bench.keep(name, "labels that differ from the graph's", n_other / n, "of them", f"{n_other} of {n:,}")


def compare_labels_of_first(one: Path, other: Path) -> tuple[int, int]:
    """Compare the labels of the shorter file, whose records are those of the longer one's beginning."""
    lines = [path.read_text(encoding="utf-8").splitlines(keepends=True) for path in (one, other)]
    n = min(map(len, lines))
    shortened = one.with_name("first.jsonl")
    shortened.write_text("".join(lines[0][:n]), encoding="utf-8")
    return compare_labels(shortened, other)


def run_engine(bench: Bench, name: str) -> None:
    """The engine alone, without reading and tokenizing: both precisions, and what holding the labels costs."""
    import torch

    from polarity_cli.checkpoint.checkpoint import Checkpoint
    from polarity_cli.encoder.torch_engine import TorchCheckpoint
    from polarity_cli.inference.boundaries import Boundaries

    checkpoint = Checkpoint.open(bench.place(name) / "ckpt-auto")
    texts = [str(row["text"]) for row in make_rows(bench.pick(40_000 if name == "sample" else 12_000, 600), seed=4)]
    answers, device = {}, torch.device("cuda", 0) if bench.has_gpu else torch.device("cpu")
    for dtype in (torch.bfloat16, torch.float32):
        loaded = TorchCheckpoint(checkpoint, positive_class=None)
        token_ids = loaded.load_tokenizer().encode(texts)
        engine = loaded.make_gpu_engine(device, dtype, Boundaries(positive=loaded.positive))
        engine.compute_logits(token_ids[:300])  # the first pass waits for the libraries
        started, before = time.perf_counter(), engine.n_again
        answers[dtype] = engine.compute_logits(token_ids)
        seconds = time.perf_counter() - started
        n_tokens = sum(map(len, token_ids))
        word = str(dtype).removeprefix("torch.")
        bench.keep(name, f"engine, {word}", len(texts) / seconds, note=f"{n_tokens / seconds:,.0f} tokens/s")
        if dtype == torch.bfloat16:
            again = engine.n_again - before
            bench.keep(name, "answered again in float32", again / len(texts), "of them", f"margin {engine.margin:.3f} nats")
    labels = [logits.argmax(axis=1) for logits in answers.values()]
    n_other = int((labels[0] != labels[1]).sum())
    bench.keep(name, "labels that bfloat16 turns round, engine", n_other / len(texts), "of them", f"{n_other} of {len(texts):,}")
    difference = float(np.abs(np.subtract(*answers.values())).max())
    bench.keep(name, "largest difference of a logit", difference, "nats")


def compare_runs(bench: Bench, name: str) -> None:
    """An interrupted run that went on, and one with `--processes 1`, against an uninterrupted run."""
    place = bench.place(name)
    rows = write(place, "small", make_rows(bench.pick(800, 60), seed=5))
    n_epochs = 30 if name == "sample" else 12
    words = ("train", rows, "--rows", "all", "--encoder", bench.encoders[name], "--epochs", n_epochs, "--no-graphs", "--out")
    call(*words, place / "alone", cache=place / "cache-alone")
    call(*words, place / "one", "--processes", 1, cache=place / "cache-one")
    bench.keep(name, "--processes 1 against none", measure_distance(place / "alone", place / "one"), "apart")
    was_running = interrupt(*words, place / "resumed", cache=place / "cache-resumed", after="Epoch 2 of")
    done = call(*words, place / "resumed", cache=place / "cache-resumed")
    note = "interrupted" if was_running and "Going on after step" in done.stderr else "it had ended before it was interrupted"
    bench.keep(name, "resumed against uninterrupted", measure_distance(place / "alone", place / "resumed"), "apart", note)


PARTS: dict[str, Callable[[Bench, str], None]] = {
    "train": train,
    "answer": answer,
    "engine": run_engine,
    "same": compare_runs,
}
"""In order: those after the first want its checkpoints."""


def run_parts(bench: Bench, parts: list[str]) -> None:
    """Run parts for both encoders, and say which were left out since time was up."""
    print(describe_machine(), flush=True)
    find_encoders(bench)
    for part in parts:
        # What is equal is so for any encoder: to see that it runs, one is enough.
        for name in list(bench.encoders)[: 1 if bench.tiny and part == "same" else None]:
            if time.monotonic() > bench.ends:
                print(f"{name:<7}{part}: left out, since time is up.")
                continue
            started = time.monotonic()
            PARTS[part](bench, name)
            print(f"{name:<7}{part}: {time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    """Run the parts that were asked for."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--tiny", action="store_true", help="a few rows and tiny encoders, to see that it runs")
    parser.add_argument("--seconds", type=float, default=400, help="after so many no further part is begun")
    parser.add_argument("--out", type=Path, help="write every figure to this JSON file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ends = time.monotonic() + options.seconds
        bench = Bench(Path(folder), options.tiny, torch.cuda.is_available(), ends)
        try:
            run_parts(bench, options.parts.split(","))
        finally:
            if options.out:
                options.out.write_text(json.dumps(bench.figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
