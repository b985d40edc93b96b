"""What the GPU benchmark trains and labels, and the commands that it measures. Used by `tests/benchmarks/gpu`."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarity_cli.sample import SAMPLE_DIR
from tests.benchmarks.processes import polarity, write_rows

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def make_rows(n: int, *, seed: int, n_sentences: int = 6) -> list[dict[str, object]]:
    """Return reviews of sentences of the built-in ones with the same label, no two alike, of up to some 200 tokens."""
    lines = (SAMPLE_DIR / "train.jsonl").read_text(encoding="utf-8").splitlines()
    sentences: dict[int, list[str]] = {0: [], 1: []}
    for row in map(json.loads, lines):
        sentences[int(row["label"] in (1, "positive"))] += _SENTENCE.split(row["content"])
    generator, rows = random.Random(seed), list[dict[str, object]]()
    for number in range(n):
        chosen = generator.choices(sentences[number % 2], k=generator.randint(1, n_sentences))
        rows.append({"text": f"{number}: {' '.join(chosen)}", "label": number % 2})
    return rows


def build_encoder(folder: Path, shape: tuple[int, int, int, int]) -> Path:
    """Write a BERT with random weights and a tokenizer of the built-in reviews' words, and return its folder.

    Args:
        folder: where.
        shape: width, blocks, heads and width of the middle layer.
    """
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    words = re.findall(r"[a-z]+|[^\sa-z]", " ".join(str(row["text"]) for row in make_rows(2000, seed=1)).lower())
    signs = sorted({sign for word in words for sign in word})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs, *(f"##{sign}" for sign in signs), *sorted(set(words))]
    ids = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    make_config: Any = BertConfig
    torch.manual_seed(0)
    BertModel(make_config(vocab_size=len(ids), **dict(zip(names, shape, strict=True)))).save_pretrained(folder)
    BertTokenizer(vocab=ids, model_max_length=512).save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Called:
    """A command that ended well."""

    seconds: float
    stdout: str
    stderr: str

    @property
    def rows_per_s(self) -> float:
        """Rows a second that `predict` says."""
        found = re.search(r"([\d,.]+) a second", self.stderr)
        return float(found[1].replace(",", "")) if found else float("nan")


def call(*arguments: object, cache: Path) -> Called:
    """Run a command of this program to its end.

    Raises:
        RuntimeError: it failed; the message holds the end of what it said.
    """
    started = time.perf_counter()
    done = subprocess.run(
        polarity(*arguments, "--cache-dir", cache), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))}\n{done.stderr[-2000:]}")
    return Called(time.perf_counter() - started, done.stdout, done.stderr)


def interrupt(*arguments: object, cache: Path, after: str) -> bool:
    """Start a command, ask it to end once it has said something that begins so, and tell whether it was still running."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            polarity(*arguments, "--cache-dir", cache),
            stdout=output,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(after):
                process.send_signal(signal.SIGTERM)
                break
        process.communicate()
    return process.returncode == 128 + signal.SIGTERM


def read_epochs(checkpoint: Path) -> tuple[list[float], float, int]:
    """Return the seconds of each epoch of a run, those that its features took, and the reviews of an epoch."""
    lines = map(json.loads, (checkpoint / "history.jsonl").read_text(encoding="utf-8").splitlines())
    records = list(lines)
    epochs = [record["seconds"] for record in records if record["kind"] == "epoch"]
    manifest = json.loads((checkpoint / "polarity.json").read_text(encoding="utf-8"))
    return epochs, float(manifest["features"]["seconds"]), int(manifest["data"]["splits"]["train"]["n_rows"])


def measure_distance(one: Path, other: Path) -> float:
    """Return the largest difference of a weight between two checkpoints."""
    from safetensors.torch import load_file

    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    return max(float((first[name].float() - second[name].float()).abs().max()) for name in first)


def compare_labels(one: Path, other: Path) -> tuple[int, int]:
    """Return how many of the records of two files have another label, and how many records there are."""
    rows = [[json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in (one, other)]
    pairs = list(zip(*rows, strict=True))
    return sum(a["predicted_label"] != b["predicted_label"] for a, b in pairs), len(pairs)


def write(folder: Path, name: str, rows: Sequence[dict[str, object]]) -> Path:
    """Write rows as JSON lines and return the path."""
    return write_rows(folder / f"{name}.jsonl", rows)


def describe_machine() -> str:
    """Return what this runs on."""
    import torch
    import transformers

    where = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, Python {sys.version.split()[0]}"
    return f"{where}; {os.cpu_count()} processors; {versions}"
