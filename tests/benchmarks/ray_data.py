"""The recipe for Ray Data beside `polarity predict`: the same file, checkpoint and processors, in turn.

    python -m tests.benchmarks.ray_data --checkpoint ./ckpt --python RAY/bin/python      about 10 minutes on two cores

The interpreter has this package, `ray[data]` and pyarrow. Both sides run as whole processes, over all rows and over two of them:
what two rows take is the start (of Ray, and of a worker for each processor), and the rate is that of the others in the rest.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.bench import read_reviews
from tests.benchmarks.processes import measure, median, polarity
from tests.helpers.commands import REPOSITORY

RECIPE = REPOSITORY / "tests" / "recipes" / "ray_data.py"
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_TQDM": "0", "OMP_NUM_THREADS": ""}


@dataclass
class Side:
    """How long one of the two took for all rows, and for two."""

    n_rows: int
    whole: float
    start: float

    @property
    def rate(self) -> float:
        """Rows a second, without the start."""
        return (self.n_rows - 2) / (self.whole - self.start)


def write_parquet(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write reviews as Parquet, in one file of many row groups, and return its path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=512)
    return path


def measure_pair(folder: Path, checkpoint: Path, python: Path, n_rows: int) -> tuple[Side, Side]:
    """Return the command and the recipe over the same rows, each from a process that has just started."""
    seconds: dict[str, list[float]] = {"command": [], "ray": []}
    for name in ("all", "two"):
        source = folder / f"{name}.parquet"
        command = ["--checkpoint", checkpoint, "--input", source, "--output", folder / "out.parquet", "--quiet"]
        seconds["command"].append(measure(polarity("predict", *command), environment=SETTINGS).seconds)
        shutil.rmtree(folder / "out", ignore_errors=True)
        seconds["ray"].append(measure((python, RECIPE, checkpoint, source, folder / "out"), environment=SETTINGS).seconds)
    first, second = (Side(n_rows, *seconds[name]) for name in ("command", "ray"))
    return first, second


def main() -> None:
    """Measure pairs and print their rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True, help="of an environment with this package and ray[data]")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    reviews = [*read_reviews("test"), *read_reviews("train")][: options.rows]
    rows: list[dict[str, object]] = [{name: review[name] for name in ("title", "content")} for review in reviews]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_parquet(folder / "all.parquet", rows)
        write_parquet(folder / "two.parquet", rows[:2])
        ratios = []
        for _ in range(options.pairs):
            ours, ray = measure_pair(folder, options.checkpoint.absolute(), options.python.absolute(), len(rows))
            ratios.append(ray.rate / ours.rate)
            print(
                f"predict {ours.rate:.1f} rows a second after {ours.start:.1f} s; Ray {ray.rate:.1f} after {ray.start:.1f} s: "
                f"{ratios[-1]:.2f} of it",
                flush=True,
            )
    print(f"median {median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
