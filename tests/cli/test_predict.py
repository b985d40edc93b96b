"""`polarity predict` on files: every record of whatever bytes comes back, once, in order, with its columns."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from polarity_cli.inference.graphs import GRAPHS
from tests.helpers.commands import Outcome, run_polarity

Polarity = Callable[..., Outcome]
N_RECORDS = 10_000
NASTY = [
    b"",
    b" ",
    b"\0",
    b"\r",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
    b"\x85",
    b"\x0b\x0c\x1c",
    b"\x1b[31m",
    b'"',
    b"''",
    b"\\",
    b",;|",
    b"=1+1",
    "\U0001f600".encode(),
    "e\u0301\u202e".encode(),
    b"great",
    b"awful",
    b"x" * 3000,
]


def make_cell(generator: random.Random, *, without: bytes) -> bytes:
    parts = [
        generator.choice(NASTY) if generator.random() < 0.7 else generator.randbytes(generator.randrange(12)) for _ in range(3)
    ]
    return b"".join(parts[: generator.randrange(4)]).translate(None, without)


def label(polarity: Polarity, checkpoint: Path, data: bytes, suffix: str, *more: object) -> bytes:
    source, output = Path(f"in{suffix}"), Path(f"out{suffix}")
    source.write_bytes(data)
    outcome = polarity("predict", "--checkpoint", checkpoint, "--input", source, "--output", output, *more)
    assert outcome.code == 0, outcome.stderr
    return output.read_bytes()


@pytest.mark.slow
def test_ten_thousand_hostile_lines(polarity: Polarity, tiny_checkpoint: Path) -> None:
    generator = random.Random(1)
    lines = [b"first", *(make_cell(generator, without=b"\n") for _ in range(N_RECORDS - 1))]
    out = label(polarity, tiny_checkpoint, b"\n".join(lines) + b"\n", ".txt").split(b"\n")
    assert out.pop() == b""
    assert [line.split(b"\t", 2)[2] for line in out] == [line.removesuffix(b"\r") for line in lines]
    assert {line.split(b"\t")[0] for line in out} == {b"", b"negative", b"positive"}


@pytest.mark.slow
def test_ten_thousand_hostile_tsv_rows(polarity: Polarity, tiny_checkpoint: Path) -> None:
    generator = random.Random(2)
    rows = [
        [b"%d" % i, make_cell(generator, without=b"\n\t\r"), make_cell(generator, without=b"\n\t\r")] for i in range(N_RECORDS)
    ]
    data = b"\n".join(b"\t".join(row) for row in [[b"id", b"title", b"content"], *rows])
    out = label(polarity, tiny_checkpoint, data, ".tsv").split(b"\n")
    assert out.pop() == b""
    assert out[0] == b"id\ttitle\tcontent\tlabel\tscore"
    assert [line.split(b"\t")[:3] for line in out[1:]] == rows


@pytest.mark.slow
def test_ten_thousand_hostile_csv_rows(polarity: Polarity, tiny_checkpoint: Path) -> None:
    generator = random.Random(3)
    rows = [[b"%d" % i, make_cell(generator, without=b""), make_cell(generator, without=b"")] for i in range(N_RECORDS)]
    quoted = (b",".join(b'"' + cell.replace(b'"', b'""') + b'"' for cell in row) for row in rows)
    out = label(polarity, tiny_checkpoint, b"id,title,content\r\n" + b"\r\n".join(quoted), ".csv")
    written = list(csv.reader(io.StringIO(out.decode("utf-8", "surrogateescape"), newline="")))
    assert written[0] == ["id", "title", "content", "label", "score"]
    assert [[cell.encode("utf-8", "surrogateescape") for cell in row[:3]] for row in written[1:]] == rows


@pytest.mark.slow
def test_ten_thousand_hostile_json_lines(polarity: Polarity, tiny_checkpoint: Path) -> None:
    generator = random.Random(4)
    cells = [make_cell(generator, without=b"").decode("utf-8", "replace") for _ in range(N_RECORDS)]
    rows: list[dict[str, object]] = [
        {"id": i, "title": cell[:5], "content": cell, "more": [cell, None]} for i, cell in enumerate(cells)
    ]
    data = "\n".join(json.dumps(row, ensure_ascii=i % 2 == 0) for i, row in enumerate(rows)).encode()
    out = label(polarity, tiny_checkpoint, data, ".jsonl").split(b"\n")
    assert out.pop() == b""
    written = list(map(json.loads, out))
    assert [{key: row[key] for key in ("id", "title", "content", "more")} for row in written] == rows
    assert all(set(row) == {"id", "title", "content", "more", "label", "score"} for row in written)


def test_ten_thousand_columns_and_a_line_of_ten_megabytes(polarity: Polarity, tiny_checkpoint: Path) -> None:
    names = [f"c{i}" for i in range(10_000)]
    wide = ",".join(["content", *names]) + "\n" + ",".join(["great", *names]) + "\n"
    out = label(polarity, tiny_checkpoint, wide.encode(), ".csv")
    assert out.splitlines()[1].startswith(b"great,c0,")
    assert out.splitlines()[1].split(b",")[-2] == b"positive"
    long = b"great " * 1_700_000
    assert label(polarity, tiny_checkpoint, b"bad\n" + long + b"\nbad\n", ".txt").count(b"\n") == 3


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_compressed_in_and_out(polarity: Polarity, tiny_checkpoint: Path, suffix: str) -> None:
    from polarity_cli.formats.compression import create_bytes, open_bytes

    with create_bytes(Path(f"in.csv{suffix}"), compression=suffix) as file:
        file.write(b"id,content\n1,great\n2,awful\n")
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "-i", f"in.csv{suffix}", "-o", f"out.csv{suffix}")
    assert outcome.code == 0
    with open_bytes(Path(f"out.csv{suffix}")) as file:
        assert [line.split(b",")[:3] for line in file] == [
            [b"id", b"content", b"label"],
            [b"1", b"great", b"positive"],
            [b"2", b"awful", b"negative"],
        ]


def test_broken_rows_fail_or_are_skipped_or_kept(polarity: Polarity, tiny_checkpoint: Path) -> None:
    Path("r.csv").write_text("id,content\n1,great\n2\n3,awful\n")

    def call(*more: object) -> Outcome:
        return polarity("predict", "--checkpoint", tiny_checkpoint, "-i", "r.csv", *more)

    failed = call()
    assert failed.code == 2
    assert "r.csv:3: 1 fields, expected 2" in failed.stderr
    assert [line.split(",")[0] for line in failed.stdout.splitlines()] == ["id", "1"]
    skipped = call("--on-error", "skip")
    assert skipped.code == 0
    assert [line.split(",")[0] for line in skipped.stdout.splitlines()] == ["id", "1", "3"]
    assert "r.csv:3" in skipped.stderr
    assert "1 broken record was left out" in skipped.stderr
    kept = call("--on-error", "keep")
    assert kept.code == 0
    assert kept.stdout.splitlines()[2] == "2,,,"
    wrong = call("--on-error", "ignore")
    assert wrong.code == 2
    assert "--on-error ignore: choose one of fail, keep, skip" in wrong.stderr


def test_explanation_is_a_field_in_json(polarity: Polarity, tiny_checkpoint: Path) -> None:
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "--explain", "--format", "jsonl", "a great book", "")
    first, blank = map(json.loads, outcome.stdout.splitlines())
    assert [word["word"] for word in first["words"]] == ["a", "great", "book"]
    assert max(first["words"], key=lambda word: float(word["weight"]))["word"] == "great"
    assert "words" not in blank
    document = polarity("predict", "--checkpoint", tiny_checkpoint, "--explain", "--json", "a great book")
    assert json.loads(document.stdout)["predictions"][0]["words"] == first["words"]


def test_both_precisions_answer_alike(polarity: Polarity, tiny_checkpoint: Path) -> None:
    texts = ["a great book", "awful, it was boring", "the best film"]
    answers = [
        polarity("predict", "--checkpoint", tiny_checkpoint, "--format", "jsonl", *more, *texts).stdout
        for more in ([], ["--precision", "fp32"], ["--precision", "int8"])
    ]
    labels = [[json.loads(line)["label"] for line in answer.splitlines()] for answer in answers]
    assert labels == [["positive", "negative", "positive"]] * 3
    assert answers[1] != answers[2]
    graphs = json.loads((tiny_checkpoint / "polarity.json").read_text())["graphs"]
    assert answers[0] == answers[1 if graphs["default"] == "fp32" else 2]
    wrong = polarity("predict", "--checkpoint", tiny_checkpoint, "--precision", "int4", "x")
    assert wrong.code == 2
    assert "--precision int4: choose one of fp32, int8" in wrong.stderr


def test_manifest_says_how_well_the_graphs_agree(tiny_checkpoint: Path) -> None:
    manifest = json.loads((tiny_checkpoint / "polarity.json").read_text())
    graphs = manifest["graphs"]
    assert graphs["fp32"]["largest_logit_difference"] < 1e-3
    assert graphs["int8"]["n_texts"] == manifest["data"]["splits"]["validation"]["n_rows"]
    assert {f"polarity/{name}" for name in GRAPHS.values()} <= set(manifest["files"])
    assert graphs["default"] == ("int8" if graphs["int8"]["equal_labels"] >= 0.995 else "fp32")


def test_checkpoint_without_graphs_is_exported_once(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, cache_dir: Path
) -> None:
    foreign = tmp_path / "foreign"
    shutil.copytree(tiny_checkpoint, foreign)
    (foreign / "polarity.json").unlink()
    shutil.rmtree(foreign / "polarity")
    first = polarity("predict", "--checkpoint", foreign, "--precision", "fp32", "a great book")
    assert first.code == 0
    assert "has no graph to predict with; one is made now, once" in first.stderr
    assert "checked on 274 built-in reviews, which are English" in first.stderr
    again = polarity("predict", "--checkpoint", foreign, "--precision", "fp32", "a great book")
    assert (again.stdout, again.stderr) == (first.stdout, f"Model: {foreign}\n")
    assert first.stdout == polarity("predict", "--checkpoint", tiny_checkpoint, "--precision", "fp32", "a great book").stdout
    (entry,) = list((cache_dir / "graphs").iterdir())
    (entry / GRAPHS["fp32"]).write_bytes(b"torn")
    mended = polarity("predict", "--checkpoint", foreign, "--precision", "fp32", "a great book")
    assert mended.stdout == first.stdout
    assert polarity("predict", "--checkpoint", foreign, "--precision", "fp32", "a great book").stderr == again.stderr
    (foreign / "config.json").write_text((foreign / "config.json").read_text() + "\n")
    assert "one is made now" in polarity("predict", "--checkpoint", foreign, "a great book").stderr


def test_torn_graph_in_a_checkpoint_is_made_anew(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(tiny_checkpoint, folder)
    graph = folder / "polarity" / GRAPHS["fp32"]
    graph.write_bytes(graph.read_bytes()[:-100])
    outcome = polarity("predict", "--checkpoint", folder, "--precision", "fp32", "a great book")
    assert outcome.code == 0
    assert f"{graph} is damaged: it is not as it was written; one is made now" in outcome.stderr
    assert outcome.stdout == polarity("predict", "--checkpoint", tiny_checkpoint, "--precision", "fp32", "a great book").stdout
    graph.unlink()
    (tmp_path / "cache" / "graphs").rename(tmp_path / "away")
    outcome = polarity("predict", "--checkpoint", folder, "--precision", "fp32", "a great book")
    assert f"{graph} is missing; one is made now" in outcome.stderr


@pytest.mark.parametrize(
    "older",
    [
        {"fp32": "polarity.fp32.onnx", "int8": "polarity.int8.onnx"},
        {"fp32": "model.onnx", "int8": "model.int8.onnx"},
    ],
    ids=lambda names: names["fp32"],
)
def test_graphs_of_older_checkpoints_are_found_by_their_older_names(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, older: dict[str, str]
) -> None:
    folder = tmp_path / "older"
    shutil.copytree(tiny_checkpoint, folder)
    manifest = json.loads((folder / "polarity.json").read_text())
    for precision, name in GRAPHS.items():
        (folder / "polarity" / name).rename(folder / older[precision])
        manifest["files"][older[precision]] = manifest["files"].pop(f"polarity/{name}")
    (folder / "polarity.json").write_text(json.dumps(manifest))
    outcome = polarity("predict", "--checkpoint", folder, "a great book")
    assert outcome.stdout == polarity("predict", "--checkpoint", tiny_checkpoint, "a great book").stdout
    assert "made now" not in outcome.stderr


def test_text_of_one_record_is_answered_alike_alone_and_among_others(polarity: Polarity, tiny_checkpoint: Path) -> None:
    texts = ["a great book", "awful", "it was the best film of my life", "so boring that we left"]
    together = polarity("predict", "--checkpoint", tiny_checkpoint, "--format", "jsonl", *texts * 50).stdout.splitlines()
    alone = [polarity("predict", "--checkpoint", tiny_checkpoint, "--format", "jsonl", text).stdout.strip() for text in texts]
    assert together == alone * 50


@pytest.mark.slow
def test_prediction_imports_nothing_heavy(tiny_checkpoint: Path, tmp_path: Path) -> None:
    outcome = run_polarity(
        "predict",
        "--checkpoint",
        tiny_checkpoint,
        "great",
        cwd=tmp_path,
        cache=tmp_path,
        environment={"PYTHONPROFILEIMPORTTIME": "1"},
    )
    imported = {
        line.split("|")[-1].strip().split(".")[0] for line in outcome.stderr.splitlines() if line.startswith("import time:")
    }
    assert {"onnxruntime", "tokenizers", "numpy"} <= imported
    heavy = {"torch", "transformers", "datasets", "accelerate", "sklearn", "pyarrow", "pandas", "onnx", "rich"}
    assert not imported & heavy


def test_gzip_output_is_whole(polarity: Polarity, tiny_checkpoint: Path) -> None:
    out = label(polarity, tiny_checkpoint, gzip.compress(b"great\n" * 3000), ".txt.gz")
    assert gzip.decompress(out).count(b"\n") == 3000
