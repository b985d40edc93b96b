"""Two processes of one thread against one process with two, and the trunk's pass on both cores against one.

    python -m tests.benchmarks.scale           a quarter of an hour on two cores
    python -m tests.benchmarks.scale --small   a minute, to see that it runs

All train the same reviews, content only, two blocks of the sample encoder, in batches of 16, from cold caches, in turn. Rows a
second are those of three epochs, each with its evaluation, as the run's own history times them; whole processes are shown beside,
since starting a second process costs seconds. Figures are medians over rounds. Uses the real reviews where they are.

What the machine itself gives is measured in each round too: matrix products in two processes against one. Two virtual cores may
share what a neighbour uses, and no program scales better than that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.bench import Bench, find_encoder
from tests.benchmarks.processes import Run, median

N_EPOCHS = 3
_PRODUCTS = """
import time
import torch
torch.set_num_threads(1)
left, right = torch.randn(2048, 384), torch.randn(384, 1536)
for _ in range(20):
    left @ right
n, started = 0, time.perf_counter()
while time.perf_counter() - started < 4:
    left @ right
    n += 1
print(n / (time.perf_counter() - started))
"""
"""Counts a block's largest product."""


def measure_machine() -> float:
    """Return how many times as many matrix products two processes make as one alone."""

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", _PRODUCTS], stdout=subprocess.PIPE, text=True)

    alone = float(start().communicate()[0])
    both = [start(), start()]
    return sum(float(process.communicate()[0]) for process in both) / alone


@dataclass(frozen=True)
class Timed:
    """What one run took."""

    rows_per_s: float
    """Over its epochs."""
    trunk_s: float
    """In the trunk's pass alone."""
    features_s: float
    """With what is done before and after it: hashing, writing, waiting for each other."""
    whole_s: float

    @classmethod
    def read(cls, folder: Path, run: Run) -> Timed:
        """Return what the run that published to `folder` took."""
        records = [json.loads(line) for line in (folder / "ours" / "history.jsonl").read_text().splitlines()]
        n_rows = sum(record["n_reviews"] for record in records if record["kind"] == "step")
        seconds = sum(record["seconds"] for record in records if record["kind"] == "epoch")
        features = run.output["features"]
        return cls(n_rows / seconds, features["trunk_seconds"], features["seconds"], run.seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a few short rows and one round, to see that it runs")
    parser.add_argument("--out", type=Path, help="write every figure to this JSON file")
    options = parser.parse_args()
    n_cores = len(os.sched_getaffinity(0))
    if n_cores < 2:
        raise SystemExit(f"scale: it needs two cores, and this process may use {n_cores}.")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # this process's children have these two
    rows, rounds = (24, 1) if options.small else (options.rows, options.rounds)
    measured: dict[str, list[Timed]] = {"one core": [], "one process": [], "two processes": []}
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), rows=rows, wide_rows=0, pairs=rounds, small=options.small)
        encoder = find_encoder()
        folder = bench.prepare(rows, encoder, "scale")
        machine = []
        for number in range(rounds):
            machine.append(measure_machine())
            print(f"round {number + 1}, matrix products in two processes against one: {machine[-1]:.2f}", flush=True)
            for kind, flags, threads in (
                ("one core", ("--epochs", 1), 1),
                ("one process", ("--epochs", N_EPOCHS), 2),
                ("two processes", ("--epochs", N_EPOCHS, "--processes", 2), 1),
            ):
                run = bench.ours(folder, encoder, *flags, environment={"OMP_NUM_THREADS": str(threads)})
                measured[kind].append(Timed.read(folder, run))
                print(f"round {number + 1}, {kind}: {measured[kind][-1]}", flush=True)
    show(measured, machine)
    if options.out:
        figures = {kind: [vars(timed) for timed in found] for kind, found in measured.items()}
        options.out.write_text(json.dumps({**figures, "machine": machine}, indent=2) + "\n")


def show(measured: dict[str, list[Timed]], machine: list[float]) -> None:
    """Print the ratios of each round's runs, as medians with the lowest and highest."""
    one, two, core = (measured[kind] for kind in ("one process", "two processes", "one core"))
    ratios = {
        "the machine: matrix products in two processes against one": machine,
        f"rows a second over {N_EPOCHS} epochs, two processes of one thread to one of two": [
            b.rows_per_s / a.rows_per_s for a, b in zip(one, two, strict=True)
        ],
        "the trunk's pass, two processes to one core": [a.trunk_s / b.trunk_s for a, b in zip(core, two, strict=True)],
        "features as a whole, two processes to one core": [a.features_s / b.features_s for a, b in zip(core, two, strict=True)],
        "the trunk's pass, one process with two threads to one core": [
            a.trunk_s / b.trunk_s for a, b in zip(core, one, strict=True)
        ],
        "the whole run's time, one process with two threads to two processes": [
            a.whole_s / b.whole_s for a, b in zip(one, two, strict=True)
        ],
    }
    print()
    for name, values in ratios.items():
        print(f"{name}: {median(values):.2f} ({min(values):.2f}-{max(values):.2f})")
    print(f"rows a second: {median([t.rows_per_s for t in one]):.1f} and {median([t.rows_per_s for t in two]):.1f}")


if __name__ == "__main__":
    main()
