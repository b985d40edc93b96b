"""The recipes for Ray Data and Spark, run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polarity_cli import Predictor
from tests.helpers.commands import REPOSITORY
from tests.helpers.reviews import make_reviews

EXAMPLES = REPOSITORY / "tests" / "recipes"
ROWS = make_reviews(1200, seed=5)


@pytest.fixture(scope="module")
def ray_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the package, as pip installs it, and Ray; else a skip that says why."""
    folder = tmp_path_factory.mktemp("ray") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin" / "pip"), "install", "-q", "--retries", "0", "--timeout", "60", str(REPOSITORY)]
    done = subprocess.run([*install, "ray[data]", "pyarrow"], capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        pytest.skip(f"Ray cannot be installed: {(done.stderr.strip().splitlines() or ['pip failed'])[-1]}")
    return folder / "bin" / "python"


@pytest.mark.slow
def test_ray_recipe_labels_every_row(ray_python: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    table = pa.table({name: [row[place] for row in ROWS] for place, name in enumerate(("label", "title", "content"))})
    pq.write_table(table, tmp_path / "reviews.parquet")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "POLARITY_CACHE": str(tmp_path / "cache")}
    command = [ray_python, EXAMPLES / "ray_data.py", tiny_checkpoint, tmp_path / "reviews.parquet", tmp_path / "labelled"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    found = sorted(pq.read_table(tmp_path / "labelled").to_pylist(), key=lambda row: row["title"])
    expected = sorted(Predictor(tiny_checkpoint)(table).to_pylist(), key=lambda row: row["title"])
    assert [{**row, "predicted_score": None} for row in found] == [{**row, "predicted_score": None} for row in expected]
    assert all(abs(a["predicted_score"] - b["predicted_score"]) < 2e-6 for a, b in zip(found, expected, strict=True))


def find_label_function(checkpoint: Path) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return the function that the recipe gives to Spark, made by the recipe's own lines."""
    lines = (EXAMPLES / "spark.py").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("predictor ="))
    end = next(number for number, line in enumerate(lines) if line.startswith("spark ="))
    names: dict[str, Any] = {"Predictor": Predictor, "checkpoint": str(checkpoint)}
    exec("\n".join(lines[start:end]), names)
    function: Callable[[Iterator[Any]], Iterator[Any]] = names["label"]
    return function


def test_spark_recipe_labels_batches_where_it_arrives(tiny_checkpoint: Path, cache_dir: Path, tmp_path: Path) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    (tmp_path / "label.pickle").write_bytes(cloudpickle.dumps(find_label_function(tiny_checkpoint)))
    code = (
        "import pickle, pyarrow as pa\n"
        f"label = pickle.loads(open({str(tmp_path / 'label.pickle')!r}, 'rb').read())\n"
        "batches = [pa.record_batch({'text': texts}) for texts in (['great love', None], [], ['awful boring worst'])]\n"
        "batches[1] = batches[0].slice(0, 0)\n"
        "for found in label(iter(batches)):\n"
        "    print(type(found).__name__, found.schema.names, found.column('predicted_label').to_pylist())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120)
    names = ["text", "predicted_label", "predicted_score"]
    expected = [["positive", ""], [], ["negative"]]
    assert done.stdout.splitlines() == [f"RecordBatch {names} {labels}" for labels in expected]
