"""Input from strangers: refused with a reason or answered right; each case once went wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import Outcome, start_predict
from tests.helpers.reviews import make_reviews, write_csv

Polarity = Callable[..., Outcome]


@pytest.fixture
def foreign(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of a checkpoint without this program's manifest."""
    folder = tmp_path / "foreign"
    shutil.copytree(tiny_checkpoint, folder)
    (folder / "polarity.json").unlink()
    return folder


def change_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def check_outcome(outcome: Outcome, code: int, phrase: str) -> None:
    assert outcome.code == code, outcome.stderr
    assert phrase in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("values", "code", "phrase"),
    [
        ({"num_hidden_layers": 2}, 2, "holds blocks that its config does not name"),
        ({"num_hidden_layers": -1}, 2, "-1 blocks"),
        ({"num_hidden_layers": 10_000_000}, 2, "10000000 blocks"),
        ({"is_decoder": True}, 2, "a decoder"),
        ({"layer_norm_eps": -1e9}, 1, "not finite"),
        ({"quantization_config": {"load_in_8bit": True}}, 2, "quantized weights"),
        ({"_attn_implementation": "someone/kernel"}, 2, "an attention implementation of its own"),
        ({"max_position_embeddings": "abc"}, 2, "not an encoder's config"),
        ({"num_attention_heads": 0}, 2, "cannot be loaded"),
        ({"pad_token_id": 1_000_000}, 2, "cannot be loaded"),
        ({"vocab_size": 10}, 2, "the encoder knows 10"),
        ({"max_position_embeddings": 4}, 2, "reads at most 4 tokens"),
        ({"auto_map": {"AutoModelForSequenceClassification": "evil.Model"}, "model_type": "evil"}, 2, "not an encoder's config"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_hostile_config_is_refused(polarity: Polarity, foreign: Path, values: dict[str, Any], code: int, phrase: str) -> None:
    change_config(foreign, **values)
    outcome = polarity("predict", "--checkpoint", foreign, "great book")
    check_outcome(outcome, code, phrase)
    assert outcome.stdout == ""


def test_checkpoint_without_tokenizer_is_refused(polarity: Polarity, foreign: Path) -> None:
    (foreign / "tokenizer.json").unlink()
    check_outcome(polarity("predict", "--checkpoint", foreign, "great book"), 2, "no tokenizer in it")


def test_classes_without_names_are_0_and_1(polarity: Polarity, foreign: Path, tiny_checkpoint: Path) -> None:
    change_config(foreign, id2label=None, label2id=None, return_dict=False)
    ours = polarity("predict", "--checkpoint", tiny_checkpoint, "great book", "awful book")
    theirs = polarity("predict", "--checkpoint", foreign, "great book", "awful book")
    assert (theirs.code, theirs.stdout) == (0, ours.stdout)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fingerprint", "../../evil"),
        ("fingerprint", None),
        ("rows", "x"),
        ("seed", -1),
        ("test", 7),
        ("text", "title"),
        ("source", 5),
    ],
)
def test_manifest_of_wrong_types_is_refused(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, key: str, value: Any
) -> None:
    folder = tmp_path / "edited"
    shutil.copytree(tiny_checkpoint, folder)
    manifest = json.loads((folder / "polarity.json").read_text())
    manifest["data"][key] = value
    (folder / "polarity.json").write_text(json.dumps(manifest))
    check_outcome(polarity("evaluate", folder), 2, "the manifest is damaged")


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "/etc/hosts.safetensors", "..", "", "other/x.onnx", "polarity/../x.onnx", "onnx/"]
)
def test_manifest_that_names_files_elsewhere_is_refused(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "edited"
    shutil.copytree(tiny_checkpoint, folder)
    manifest = json.loads((folder / "polarity.json").read_text())
    manifest["files"][name] = "0" * 64
    (folder / "polarity.json").write_text(json.dumps(manifest))
    check_outcome(polarity("predict", "--checkpoint", folder, "great book"), 2, "the manifest is damaged")


def test_link_in_a_checkpoint_is_not_followed_out_of_it(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    for name in ("polarity/fp32.onnx", "polarity.json", "tokenizer.json"):
        folder = tmp_path / name.replace("/", "-") / "linked"
        shutil.copytree(tiny_checkpoint, folder)
        shutil.move(folder / name, folder.parent / "outside")
        (folder / name).symlink_to(folder.parent / "outside")
        for args in (("predict", "--checkpoint", folder, "great book"), ("evaluate", folder)):
            check_outcome(polarity(*args), 2, f"{name}: a link that leaves its folder")


def test_escape_sequences_of_a_file_do_not_reach_the_terminal(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    source = write_csv(tmp_path / "r.csv", [("1", "x")], ("label", "\x1b[31mwords"))
    outcome = polarity("prepare", source, "--encoder", tiny_encoder)
    assert outcome.code == 2
    assert "\x1b" not in outcome.stderr


def test_missing_label_is_not_a_class(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"label": float(i % 2) if i else float("nan"), "content": f"a book {i}"} for i in range(20)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "r.parquet")
    outcome = polarity("prepare", "r.parquet", "--encoder", tiny_encoder, "--positive", 1, "--json", "--quiet")
    assert outcome.code == 0
    assert outcome.stderr == "Left out 1 row without label: r.parquet: row 1.\n"
    manifest = json.loads(outcome.stdout)
    assert manifest["left_out"]["no_label"] == 1
    assert sum(split["n_rows"] for split in manifest["splits"].values()) == 19


def test_labels_as_floats_and_booleans_are_understood(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    for names in (("0.0", "1.0"), ("False", "True")):
        rows = [(names[row[0] == "positive"], *row[1:]) for row in make_reviews(40)]
        outcome = polarity("prepare", write_csv(tmp_path / "r.csv", rows), "--encoder", tiny_encoder, "--json")
        assert json.loads(outcome.stdout)["splits"]["test"]["n_positive"] == 4


def test_long_label_is_cut_in_messages(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    source = write_csv(tmp_path / "r.csv", [("x" * 100_000, "a", "b")], ("label", "title", "content"))
    outcome = polarity("prepare", source, "--encoder", tiny_encoder)
    assert outcome.code == 2
    assert len(outcome.stderr) < 1000


def test_fifo_as_source_is_refused_and_not_waited_for(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    os.mkfifo(tmp_path / "fifo.csv")
    check_outcome(polarity("prepare", "fifo.csv", "--encoder", tiny_encoder), 2, "not a regular file")


def test_file_name_that_is_not_utf8_is_read(polarity: Polarity, tmp_path: Path, tiny_encoder: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")
    write_csv(Path(path), make_reviews(40))
    assert polarity("prepare", path, "--encoder", tiny_encoder).code == 0


@pytest.mark.parametrize("more", [(), ("--validation", 0, "--test", 0)], ids=["with splits", "without"])
def test_diverging_run_is_said_and_publishes_nothing(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tmp_path: Path, cache_dir: Path, more: tuple[object, ...]
) -> None:
    outcome = polarity("train", reviews_csv, "--encoder", tiny_encoder, "--learning-rate", 1e30, "--epochs", 1, *more)
    check_outcome(outcome, 1, "--learning-rate")
    assert not (tmp_path / "ckpt").exists()
    assert not list((cache_dir / "checkpoints").glob("*")) if (cache_dir / "checkpoints").exists() else True


@pytest.mark.parametrize("rows", ["9" * 30, "1_0", "\u0661\u0660"])
def test_odd_numbers_are_refused(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, rows: str) -> None:
    check_outcome(polarity("prepare", reviews_csv, "--encoder", tiny_encoder, "--rows", rows), 2, f"--rows {rows}")


@pytest.mark.parametrize("args", [("prepare", ""), ("train", "--encoder", "")])
def test_empty_name_is_not_the_default(polarity: Polarity, args: tuple[str, ...]) -> None:
    more = () if "--encoder" in args else ("--encoder", "sample")
    outcome = polarity(*args, *more, *(() if args[0] == "prepare" else ("--plan",)))
    check_outcome(outcome, 2, "is empty")


def test_out_inside_the_cache_is_refused(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, cache_dir: Path) -> None:
    out = cache_dir / "checkpoints" / "zzz"
    check_outcome(polarity("train", reviews_csv, "--encoder", tiny_encoder, "--out", out), 2, "inside the cache")


def test_edited_published_checkpoint_is_not_replaced(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "ckpt")
    (tmp_path / "ckpt" / "README.md").write_text("my own card")
    check_outcome(polarity("train", reviews_csv, "--encoder", tiny_encoder), 2, "README.md")
    assert (tmp_path / "ckpt" / "README.md").read_text() == "my own card"


def test_output_goes_through_a_link_and_a_failed_run_leaves_the_old_file(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target.csv"
    target.write_text("old")
    (tmp_path / "link.csv").symlink_to(target)
    (tmp_path / "broken.csv").write_text("content\ngreat\na,b\n")
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "-i", "broken.csv", "-o", "link.csv")
    check_outcome(outcome, 2, "broken.csv:3: 2 fields, expected 1")
    assert target.read_text() == "old"
    assert polarity("predict", "--checkpoint", tiny_checkpoint, "great", "-o", "link.csv").code == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert target.read_text().startswith("text,label,score\ngreat,")


def test_json_document_is_json(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    for text in ('{"content": NaN}', '{"content": "a", "n": 1e999}'):
        (tmp_path / "r.jsonl").write_text(text + "\n")
        check_outcome(
            polarity("predict", "--checkpoint", tiny_checkpoint, "-i", "r.jsonl", "--json"), 2, "r.jsonl:1: not valid JSON"
        )


def test_options_of_evaluate_reach_the_data_without_a_source(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1)
    whole = json.loads(polarity("evaluate", "ckpt", "--json").stdout)["metrics"]
    part = json.loads(polarity("evaluate", "ckpt", "--rows", 30, "--json").stdout)["metrics"]
    flipped = json.loads(polarity("evaluate", "ckpt", "--positive", "negative", "--json").stdout)["metrics"]
    assert (whole["n"], part["n"]) == (12, 6)
    assert flipped["accuracy"] == pytest.approx(1 - whole["accuracy"])


def test_unchanged_source_is_not_called_changed(
    polarity: Polarity, reviews_csv: Path, tiny_encoder: Path, cache_dir: Path
) -> None:
    polarity("train", reviews_csv, "--encoder", tiny_encoder, "--epochs", 1)
    before = json.loads(polarity("evaluate", "ckpt", "--json").stdout)["metrics"]
    shutil.rmtree(cache_dir / "data")
    again = polarity("evaluate", "ckpt", "--json")
    assert json.loads(again.stdout)["metrics"] == pytest.approx(before)
    assert "has changed" not in again.stderr
    write_csv(reviews_csv, make_reviews(62))
    shutil.rmtree(cache_dir / "data")
    assert "has changed since" in polarity("evaluate", "ckpt", "--quiet").stderr


@pytest.mark.slow
def test_line_that_trickles_in_is_answered_and_an_interrupt_ends_with_130(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with start_predict(tiny_checkpoint, tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"great book\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\tgreat book\n")
        started = time.monotonic()
        process.stdin.write(b"awful book\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\tawful book\n")
        assert time.monotonic() - started < 2
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert process.stderr.read().decode() == f"Model: {tiny_checkpoint}\npolarity: interrupted.\n"


@pytest.mark.slow
def test_reader_that_leaves_a_live_stream_ends_the_program_quietly(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with start_predict(tiny_checkpoint, tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"great book\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b"awful book\n")  # and the stream stays open: the reading thread waits for more
        process.stdin.flush()
        assert process.wait(timeout=20) == 0
        assert process.stderr.read().decode() == f"Model: {tiny_checkpoint}\n"


def test_file_names_as_texts_are_pointed_out(polarity: Polarity, tmp_path: Path, tiny_checkpoint: Path) -> None:
    (tmp_path / "excel.csv").write_text("label;title;content\n1;a;b\n")
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "excel.csv")
    assert outcome.code == 0
    assert "polarity predict --input excel.csv" in outcome.stderr


def test_few_steps_are_said_with_the_epochs_that_would_help(polarity: Polarity, reviews_csv: Path, tiny_encoder: Path) -> None:
    assert "42 training reviews give 8 steps, which is few; try --epochs 25" in (
        polarity("train", reviews_csv, "--encoder", tiny_encoder).stderr
    )
