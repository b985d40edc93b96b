"""The GPU benchmark runs to its end where there is no GPU, without the library of the Hub's data sets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import REPOSITORY


@pytest.mark.slow
def test_benchmark_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['datasets'] = None\n")
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.gpu", "--tiny", "--out", str(out)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(out.read_text())
    assert set(figures) == {"sample", "wide"}
    for found in figures.values():
        assert found["training, kept features, first epoch"] > 0
        assert found["evaluation, our graph on the processors"] > 0
        assert found["prediction, our graph on the processors"] > 0
        assert found["engine, bfloat16"] > 0
        assert found["labels that bfloat16 turns round, engine"] <= 0.001
    assert figures["sample"]["--processes 1 against none"] == figures["sample"]["resumed against uninterrupted"] == 0
    assert "left out" not in done.stdout
