"""Models of other programs get graphs that answer padded batches as they do, or are refused in words with nothing left behind."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort
import pytest
import torch
import transformers

from polarity_cli.config import Context
from polarity_cli.errors import CheckpointError, ExportError, UsageError
from polarity_cli.export_config import ExportConfig
from polarity_cli.verbs.export import export
from tests.helpers.foreign import ANSWERED, TEXTS, build

REFUSED = {"convbert", "fnet", "longformer", "nystromformer"}
"""What padding changes there, or cannot be said in ONNX."""


@pytest.mark.parametrize("family", sorted(ANSWERED))
def test_graph_of_a_foreign_model_answers_a_padded_batch_as_transformers_does_single_texts(family: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "model", *ANSWERED[family]())
    before = sorted(folder.iterdir())
    config, context = ExportConfig(checkpoint=str(folder)), Context(cache_dir=tmp_path / "cache")
    if family in REFUSED:
        with pytest.raises(ExportError, match="cannot be exported"):
            export(config, context)
        assert sorted(folder.iterdir()) == before
        return
    result = export(config, context)
    assert result.onnx is not None
    assert result.onnx["int8"]["written"]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    longest = min(tokenizer.model_max_length, 48)
    texts = [text for text in TEXTS if text.strip()][:8]
    batch = tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="np")
    for name, within in (("model.onnx", 1e-4), ("model_quantized.onnx", 0.02)):
        session = ort.InferenceSession(folder / "onnx" / name, providers=["CPUExecutionProvider"])
        feeds = {value.name: batch[value.name].astype("int64") for value in session.get_inputs()}
        (logits,) = session.run(None, feeds)
        scores = torch.from_numpy(logits).softmax(-1)
        for row, text in zip(scores, texts, strict=True):
            alone = tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")
            with torch.no_grad():
                expected = model(**alone).logits[0].softmax(-1)
            torch.testing.assert_close(row, expected, rtol=0, atol=within)


def test_graphs_of_another_program_are_not_replaced(tmp_path: Path) -> None:
    folder = build(tmp_path / "model", *ANSWERED["bert"]())
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"theirs")
    with pytest.raises(UsageError, match="holds what this program did not write"):
        export(ExportConfig(checkpoint=str(folder)), Context(cache_dir=tmp_path / "cache"))
    assert (folder / "onnx" / "model.onnx").read_bytes() == b"theirs"


def test_a_copy_is_made_once_there_are_graphs_and_is_made_again(tmp_path: Path) -> None:
    folder, out, context = build(tmp_path / "model", *ANSWERED["bert"]()), tmp_path / "out", Context(cache_dir=tmp_path / "cache")
    for _ in range(2):  # what it wrote itself is no obstacle
        assert export(ExportConfig(checkpoint=str(folder), out=out), context).checkpoint.folder == out
    assert not (folder / "onnx").exists()
    assert (out / "onnx" / "model.onnx").is_file()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not a checkpoint that an earlier run published"):
        export(ExportConfig(checkpoint=str(folder), out=out), context)
    refused = build(tmp_path / "refused", *ANSWERED["fnet"]())
    with pytest.raises(ExportError, match="refused cannot be exported"):
        export(ExportConfig(checkpoint=str(refused), out=tmp_path / "none"), context)
    assert {path.name for path in tmp_path.iterdir()} <= {"model", "out", "refused", "cache"}


@pytest.mark.parametrize("inside", ["", "onnx", "exported/deep"])
def test_a_copy_inside_the_checkpoint_is_refused(inside: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "model", *ANSWERED["bert"]())
    before = sorted(folder.rglob("*"))
    with pytest.raises(UsageError, match="that is in the checkpoint itself"):
        export(ExportConfig(checkpoint=str(folder), out=folder / inside), Context(cache_dir=tmp_path / "cache"))
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["onnx", "polarity"])
def test_a_folder_of_graphs_that_leads_out_of_the_checkpoint_is_refused(name: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "model", *ANSWERED["bert"]())
    (tmp_path / "outside").mkdir()
    (folder / name).symlink_to("../outside")
    with pytest.raises(CheckpointError, match="a link that leaves its folder"):
        export(ExportConfig(checkpoint=str(folder)), Context(cache_dir=tmp_path / "cache"))
