"""Other programs answer with an exported checkpoint as this one does: tokenizers with ONNX Runtime, Optimum, transformers.js."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.commands import Outcome, run_polarity

pytestmark = pytest.mark.slow

TEXTS = (
    "great superb love",
    "awful",
    "a film that i did not like at all, boring and terrible, and the book was no better; " * 4,
    "Wonderful! \u00e9 \U0001f600 excellent",
    "the worst broken thing",
    "it was the best film of my life " * 200,  # cut
)
OPTIMUM = ("optimum-onnx==0.1.0", "optimum", "transformers>=4.57,<4.58", "huggingface_hub<1", "tokenizers<0.23")
OPTIMUM_SCRIPT = """
import json, sys
from optimum.onnxruntime import ORTModelForSequenceClassification
from transformers import AutoTokenizer

folder, texts = sys.argv[1], json.loads(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(folder)
answers = {}
for name in ("model.onnx", "model_quantized.onnx", None):
    named = {"file_name": name, "subfolder": "onnx"} if name else {}
    model = ORTModelForSequenceClassification.from_pretrained(folder, **named)
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    answers[str(name)] = model(**batch).logits.softmax(-1)[:, 1].tolist()
print(json.dumps(answers))
"""
NODE_SCRIPT = """
import { pipeline, env } from '@huggingface/transformers';
const [root, name, texts] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = root;
const answers = {};
for (const dtype of ['fp32', 'q8']) {
  const classify = await pipeline('text-classification', name, { dtype });
  const found = await classify(JSON.parse(texts));
  answers[dtype] = found.map((one) => (one.label === 'positive' ? one.score : 1 - one.score));
}
console.log(JSON.stringify(answers));
"""


@pytest.fixture(scope="module")
def exported(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with graphs for other programs."""
    folder = tmp_path_factory.mktemp("exported") / "ckpt"
    shutil.copytree(tiny_checkpoint, folder)
    outcome = run_polarity("export", folder, "--onnx", cache=folder.parent / "cache", cwd=folder.parent)
    assert outcome.code == 0, outcome.stderr
    return folder


@pytest.fixture(scope="module")
def expected(exported: Path) -> list[float]:
    """The probability of positive that the program gives each text."""
    line = ("predict", "--checkpoint", exported, "--precision", "fp32", "--format", "jsonl", *TEXTS)
    outcome = run_polarity(*line, cache=exported.parent / "cache", cwd=exported.parent)
    answers = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert {answer["label"] for answer in answers} == {"positive", "negative"}
    return [answer["score"] if answer["label"] == "positive" else 1 - answer["score"] for answer in answers]


def check(found: list[float], expected: list[float], *, within: float) -> None:
    assert [score >= 0.5 for score in found] == [score >= 0.5 for score in expected]
    np.testing.assert_allclose(found, expected, rtol=0, atol=within)


@pytest.mark.parametrize(("name", "within"), [("model.onnx", 1e-4), ("model_quantized.onnx", 0.02)])
def test_plain_tokenizers_with_onnx_runtime(exported: Path, expected: list[float], name: str, within: float) -> None:
    import onnxruntime as ort
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(exported / "tokenizer.json"))
    alone = [tokenizer.encode(text).ids for text in TEXTS]
    assert [len(ids) for ids in alone[:2]] == [5, 3]  # nothing is padded as it stands
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    batch = tokenizer.encode_batch(list(TEXTS))
    values: dict[str, Any] = {
        "input_ids": [text.ids for text in batch],
        "attention_mask": [text.attention_mask for text in batch],
        "token_type_ids": [text.type_ids for text in batch],
    }
    session = ort.InferenceSession(exported / "onnx" / name, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == list(values)
    (logits,) = session.run(None, {key: np.array(value, np.int64) for key, value in values.items()})
    odds = logits[:, 1] - logits[:, 0]
    check((1 / (1 + np.exp(-odds))).tolist(), expected, within=within)


@pytest.fixture(scope="module")
def optimum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with Optimum and the transformers that it wants, and torch from this one."""
    folder = tmp_path_factory.mktemp("optimum")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip: list[str | Path] = [folder / "bin" / "pip", "install", "-q", "--retries", "0", "--timeout", "60"]
    for line in (["--no-deps", *OPTIMUM], ["requests"]):
        done = subprocess.run([*pip, *line], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Optimum cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    (own,) = (folder / "lib").glob("python*/site-packages")
    # Behind its own packages stand those of this environment.
    (own / "zz_beside.pth").write_text(f"import sys; sys.path.append({sysconfig.get_path('purelib')!r})\n")
    return folder / "bin" / "python"


def test_optimum_on_a_padded_batch(exported: Path, expected: list[float], optimum: Path) -> None:
    done = subprocess.run(
        [optimum, "-c", OPTIMUM_SCRIPT, exported, json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    check(answers["model.onnx"], expected, within=1e-4)
    check(answers["model_quantized.onnx"], expected, within=0.02)
    assert answers["None"] == answers["model.onnx"]  # which it finds by itself, and not the graphs without a mask


@pytest.fixture(scope="module")
def transformers_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with transformers.js."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("needs Node with npm: apt-get install nodejs npm")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"type": "module"}')
    line = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries", "1", "@huggingface/transformers@4"]
    done = subprocess.run([npm, *line], cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        pytest.skip(f"transformers.js cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    (folder / "classify.js").write_text(NODE_SCRIPT)
    return folder


def test_transformers_js(exported: Path, expected: list[float], transformers_js: Path) -> None:
    done = subprocess.run(
        ["node", "classify.js", f"{exported.parent}/", exported.name, json.dumps(TEXTS)],
        cwd=transformers_js,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    check(answers["fp32"], expected, within=1e-4)
    check(answers["q8"], expected, within=0.02)


# The command


def test_export_adds_what_is_promised_and_the_checkpoint_stays_whole(
    polarity: Callable[..., Outcome], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "ckpt"
    shutil.copytree(tiny_checkpoint, folder)
    first = polarity("export", folder, "--json")
    assert first.code == 0, first.stderr
    document = json.loads(first.stdout)
    assert document["onnx"]["fp32"]["equal_labels"] == 1.0
    assert "built-in reviews" in document["checked_on"]
    manifest = json.loads((folder / "polarity.json").read_text())
    assert {"onnx/model.onnx", "onnx/model_quantized.onnx"} <= set(manifest["files"])
    assert manifest["onnx"] == document["onnx"]
    for command in (("predict", "--checkpoint", folder, "great superb love"), ("export", folder)):  # again: it replaces its own
        outcome = polarity(*command)
        assert outcome.code == 0, outcome.stderr
    assert not list(folder.glob(".onnx*"))
    (folder / "onnx" / "notes.txt").write_text("mine")
    refused = polarity("export", folder)
    assert refused.code == 2
    assert "holds what this program did not write" in refused.stderr
    assert (folder / "onnx" / "notes.txt").read_text() == "mine"


def test_a_published_checkpoint_with_graphs_is_replaced_by_the_next_run(
    polarity: Callable[..., Outcome], tiny_encoder: Path, reviews_csv: Path, tmp_path: Path
) -> None:
    line = ("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--out", tmp_path / "out")
    assert polarity(*line, "--export").code == 0
    assert (tmp_path / "out" / "onnx" / "model.onnx").is_file()
    assert polarity("export", tmp_path / "out").code == 0
    assert polarity(*line, "--fresh").code == 0
    assert not (tmp_path / "out" / "onnx").exists()


def test_a_checkpoint_in_the_cache_is_exported_as_a_copy(
    polarity: Callable[..., Outcome], tiny_encoder: Path, reviews_csv: Path, tmp_path: Path
) -> None:
    assert polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1, "--out", tmp_path / "out").code == 0
    (kept,) = (tmp_path / "cache" / "checkpoints").iterdir()
    refused = polarity("export", kept)
    assert refused.code == 2
    assert "is in a cache" in refused.stderr
    assert "--out ./exported" in refused.stderr
    copied = polarity("export", kept, "--out", tmp_path / "copy")
    assert copied.code == 0, copied.stderr
    assert "of its own reviews (validation)" in copied.stdout
    assert not (kept / "onnx").exists()
    assert polarity("predict", "--checkpoint", tmp_path / "copy", "great").code == 0
