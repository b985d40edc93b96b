"""`--device`: what is refused and how, and what a GPU would answer, with a CPU in its place that computes in bfloat16."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from polarity_cli.encoder import device, gpu_engine
from polarity_cli.encoder.torch_engine import TorchCheckpoint
from polarity_cli.verbs import choose_device
from tests.helpers.commands import Outcome
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        (("--device", "gpu"), ["--device gpu: choose one of auto, cpu, cuda"]),
        (("--device", "cuda:"), ["--device cuda:: choose one of"]),
        (("--device", ""), ["--device : choose one of"]),
        (
            ("--device", "cuda", "--precision", "int8"),
            ["the int8 graph runs on processors alone", "--device cpu --precision int8"],
        ),
        (("--device", "cuda:1", "--precision", "int8"), ["--device cuda:1 --precision int8"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_device_that_cannot_be_meant_is_refused(
    polarity: Polarity, tiny_checkpoint: Path, command: str, words: tuple[str, ...], phrases: list[str]
) -> None:
    start = ("predict", "great", "--checkpoint") if command == "predict" else ("evaluate",)
    outcome = polarity(*start, tiny_checkpoint, *words)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert [phrase for phrase in phrases if phrase not in outcome.stderr] == []


class FakeCuda:
    """What torch says of GPUs on another machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, version: str | None, n_gpus: int, capability: tuple[int, int]) -> None:
        monkeypatch.setattr(torch.version, "cuda", version)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: capability[0] >= 8)


def refuse(polarity: Polarity, checkpoint: Path, option: str, *more: object) -> str:
    outcome = polarity("evaluate", checkpoint, "--device", option, *more)
    assert outcome.code == 2
    assert "Traceback" not in outcome.stderr
    return outcome.stderr


def test_absence_of_a_gpu_is_explained(polarity: Polarity, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    FakeCuda(monkeypatch, version=None, n_gpus=0, capability=(0, 0))
    assert "is a build for processors alone" in refuse(polarity, tiny_checkpoint, "cuda")
    FakeCuda(monkeypatch, version="12.8", n_gpus=0, capability=(0, 0))
    monkeypatch.setattr(device, "has_gpu", lambda: False)
    assert "no GPU driver is loaded here" in refuse(polarity, tiny_checkpoint, "cuda:0")
    monkeypatch.setattr(device, "has_gpu", lambda: True)
    assert "built for CUDA 12.8, finds no GPU that it can use" in refuse(polarity, tiny_checkpoint, "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES hides every GPU" in refuse(polarity, tiny_checkpoint, "cuda")


def test_gpu_of_a_number_that_is_not_there_is_refused(
    polarity: Polarity, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeCuda(monkeypatch, version="12.8", n_gpus=2, capability=(9, 0))
    said = refuse(polarity, tiny_checkpoint, "cuda:2")
    assert "--device cuda:2: torch finds 2 GPU(s) here: cuda:0, cuda:1." in said
    said = refuse(polarity, tiny_checkpoint, "cuda:1", "--processes", 2)
    assert "each process has a GPU of its own" in said


def test_precision_of_a_gpu_is_bfloat16_from_ampere_on_unless_the_launcher_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda", 0)
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    for capability, expected in (((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), torch.float32)):
        FakeCuda(monkeypatch, version="12.8", n_gpus=1, capability=capability)
        assert device.choose_dtype(gpu) == expected
    FakeCuda(monkeypatch, version="12.8", n_gpus=1, capability=(9, 0))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert device.choose_dtype(gpu) == torch.float32
    assert device.choose_dtype(torch.device("cpu")) == torch.float32


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has a GPU, where a CPU in bfloat16 stands for it."""
    monkeypatch.setattr(choose_device, "has_gpu", lambda: True)
    monkeypatch.setattr("polarity_cli.distributed.rendezvous.uses_cpu", lambda: False)
    monkeypatch.setattr(device, "find_gpu", lambda option: torch.device("cpu"))
    monkeypatch.setattr(device, "choose_dtype", lambda device: torch.bfloat16)
    monkeypatch.setattr(gpu_engine, "SAMPLE", 20)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.usefixtures("gpu")
def test_gpu_answers_with_the_labels_of_float32_and_says_so(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "new.csv", make_reviews(200, seed=5))
    words = ("predict", "--checkpoint", tiny_checkpoint, "--input", "new.csv", "--output")
    coarse = polarity(*words, "coarse.jsonl")
    assert "in bfloat16 on cpu;" in coarse.stderr
    assert "in bfloat16 on cpu;" in polarity(*words, "same.jsonl", "--device", "cuda").stderr
    assert "in float32 on cpu;" not in polarity(*words, "exact.jsonl", "--device", "cpu", "--precision", "fp32").stderr
    one, exact = read(tmp_path / "coarse.jsonl"), read(tmp_path / "exact.jsonl")
    assert [row["predicted_label"] for row in one] == [row["predicted_label"] for row in exact]
    differences = [abs(a["predicted_score"] - b["predicted_score"]) for a, b in zip(one, exact, strict=True)]
    assert 0 < max(differences) < 0.05
    assert max(differences[:20]) < 1e-4  # the first are answered in float32 too


@pytest.mark.usefixtures("gpu")
def test_evaluation_on_a_gpu_is_of_what_predict_answers(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "new.csv", make_reviews(60, seed=5))
    words = ("evaluate", tiny_checkpoint, "new.csv", "--split", "all")
    found = json.loads(polarity(*words, "--json", "--predictions", "rows.jsonl").stdout)
    assert (found["precision"], found["device"], found["served"]) == ("bf16", "cpu", None)
    assert "the weights in bfloat16 on cpu" in " ".join(polarity(*words).stdout.split())
    polarity("predict", "--checkpoint", tiny_checkpoint, "--input", "new.csv", "--output", "served.jsonl")
    rows, served = read(tmp_path / "rows.jsonl"), read(tmp_path / "served.jsonl")
    assert [row["predicted"] for row in rows] == [row["predicted_label"] for row in served]
    exact = json.loads(polarity(*words, "--json", "--device", "cuda", "--precision", "fp32").stdout)
    assert exact["precision"] == "weights"
    assert exact["metrics"]["f1"] == found["metrics"]["f1"]
    graph = json.loads(polarity(*words, "--json", "--precision", "fp32").stdout)
    assert graph["precision"] == "fp32"


@pytest.mark.usefixtures("gpu")
def test_few_texts_and_graphs_do_not_wait_for_torch(
    polarity: Polarity, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the weights were loaded")

    monkeypatch.setattr(TorchCheckpoint, "__init__", refuse)
    for words in (
        ("great", "awful"),
        ("--precision", "int8", *"abcdefghijklmnopqrstuvw"),
        ("--device", "cpu", *"abcdefghijklmnopqrs"),
    ):
        outcome = polarity("predict", "--checkpoint", tiny_checkpoint, *words)
        assert outcome.code == 0, outcome.stderr
    with pytest.raises(AssertionError, match="were loaded"):
        polarity("predict", "--checkpoint", tiny_checkpoint, "--debug", *"abcdefghijklmnopqrstuvw")


@pytest.mark.usefixtures("gpu")
def test_words_are_weighed_in_float32(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "new.csv", make_reviews(4, seed=5))
    words = ("predict", "--checkpoint", tiny_checkpoint, "--input", "new.csv", "--explain", "--json")
    one, other = (json.loads(polarity(*words, *more).stdout) for more in ((), ("--device", "cpu", "--precision", "fp32")))
    assert json.dumps(one["predictions"]) != "[]"
    for row, same in zip(one["predictions"], other["predictions"], strict=True):
        weights, expected = ({word["word"]: word["weight"] for word in found["predicted_words"]} for found in (row, same))
        assert weights == pytest.approx(expected, abs=1e-3)


@pytest.mark.usefixtures("gpu")
def test_checkpoint_without_graphs_needs_none_on_a_gpu(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "foreign", ignore=shutil.ignore_patterns("*.onnx", "polarity.json"))
    write_csv(tmp_path / "new.csv", make_reviews(30, seed=5))
    outcome = polarity("predict", "--checkpoint", "foreign", "--input", "new.csv", "--json")
    assert outcome.code == 0, outcome.stderr
    assert "in bfloat16 on cpu" in outcome.stderr
    assert "is made now" not in outcome.stderr
