"""`polarity predict` on many files: nested folders, what is finished, what is killed, shares, ranks and limits."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.commands import REPOSITORY, Outcome

Polarity = Callable[..., Outcome]
N_FILES, N_ROWS = 6, 3000


def write_files(folder: Path, n_rows: int = 3) -> None:
    """Write a file of each of three formats in each of two nested folders."""
    texts = [("great", "awful", "so boring", "")[i % 4] + (f" book {i}" if i % 4 < 3 else "") for i in range(n_rows)]
    for year in ("year=2023", "year=2024"):
        (folder / year).mkdir(parents=True)
        pq.write_table(pa.table({"id": range(n_rows), "content": texts}), folder / year / "part-0.parquet", row_group_size=1000)
        (folder / year / "part-1.jsonl").write_text("".join(json.dumps({"content": text}) + "\n" for text in texts))
        (folder / year / "part-2.txt").write_text("".join(text + "\n" for text in texts))


def read_all(folder: Path) -> dict[str, bytes]:
    """Return the outputs of a folder, without what is hidden."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and ".polarity" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def call(polarity: Polarity, checkpoint: Path, *args: object) -> Outcome:
    outcome = polarity("predict", "--checkpoint", checkpoint, *args)
    assert outcome.code == 0, outcome.stderr
    return outcome


def test_nested_folder_keeps_its_shape_and_is_labelled_once(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "in")
    (tmp_path / "in" / "_SUCCESS").write_text("")
    first = call(polarity, tiny_checkpoint, "--input", "in", "--output", "out")
    assert "6 files; 18 reviews: " in first.stderr
    before = read_all(tmp_path / "out")
    assert list(before) == [f"{year}/{name}" for year in ("year=2023", "year=2024")
                            for name in ("part-0.parquet", "part-1.jsonl", "part-2.txt")]  # fmt: skip
    again = call(polarity, tiny_checkpoint, "--input", "in", "--output", "out")
    assert again.stderr.splitlines()[-1] == "6 files, 6 skipped as finished; nothing is left to label."
    assert read_all(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda out, source: out.unlink(), "was removed; labelled again"),
        (lambda out, source: out.write_text("mine"), "was changed by another program; labelled again"),
        (lambda out, source: source.write_text("great\n"), "has another input; labelled again"),
        (lambda out, source: os.utime(source, (1, 1)), "has another input; labelled again"),
    ],
)
def test_what_changed_is_labelled_again_and_said(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, change: Callable[[Path, Path], object], said: str
) -> None:
    write_files(tmp_path / "in")
    call(polarity, tiny_checkpoint, "--input", "in", "--output", "out")
    source, out = (tmp_path / folder / "year=2024" / "part-2.txt" for folder in ("in", "out"))
    change(out, source)
    outcome = call(polarity, tiny_checkpoint, "--input", "in", "--output", "out")
    assert f"out/year=2024/part-2.txt {said}" in outcome.stderr
    assert "6 files, 5 skipped as finished; " in outcome.stderr
    assert out.read_text().count("\n") == source.read_text().count("\n")


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--threshold", "0.9"), "threshold"),
        (("--min-confidence", "0.9"), "min_confidence"),
        (("--precision", "fp32"), "precision"),
        (("--prefix", "x_"), "prefix"),
        (("--on-error", "skip"), "on_error"),
        (("--encoding", "utf-8"), "encoding"),
    ],
)
def test_other_settings_label_all_again(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, more: tuple[str, ...], what: str
) -> None:
    write_files(tmp_path / "in")
    call(polarity, tiny_checkpoint, "--input", "in", "--output", "out", "--precision", "int8")
    outcome = call(
        polarity,
        tiny_checkpoint,
        "--input",
        "in",
        "--output",
        "out",
        *(more if what == "precision" else ("--precision", "int8", *more)),
    )
    assert f"out/year=2023/part-0.parquet and 5 more was made with another {what}; labelled again." in outcome.stderr
    assert "skipped" not in outcome.stderr


def test_another_checkpoint_labels_all_again(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    import shutil

    write_files(tmp_path / "in")
    copy = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint, copy)
    call(polarity, tiny_checkpoint, "--input", "in", "--output", "out")
    assert "6 skipped as finished" in call(polarity, copy, "--input", "in", "--output", "out").stderr  # the same content
    manifest = json.loads((copy / "polarity.json").read_text())
    (copy / "polarity.json").write_text(json.dumps({**manifest, "threshold": None, "made_otherwise": 1}))
    assert "made with another checkpoint" in call(polarity, copy, "--input", "in", "--output", "out").stderr


def test_damaged_note_is_as_none(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "in")
    call(polarity, tiny_checkpoint, "--input", "in", "--output", "out")
    (tmp_path / "out" / ".polarity" / "year=2024" / "part-2.txt.json").write_text("{")
    (tmp_path / "out" / ".polarity" / "year=2024" / "part-1.jsonl.json").write_text('{"settings": 3}')
    assert "6 files, 4 skipped as finished" in call(polarity, tiny_checkpoint, "--input", "in", "--output", "out").stderr


def test_outputs_are_inputs_of_the_next_run_and_not_of_the_same(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    write_files(tmp_path / "in")
    for _ in range(2):
        outcome = call(polarity, tiny_checkpoint, "--input", "in", "--output", "in/out")
        assert "6 files" in outcome.stderr
    assert "passed over out." in outcome.stderr
    (tmp_path / "in" / "out" / "half.csv.partial").write_text("torn")
    outcome = call(polarity, tiny_checkpoint, "--input", "in/out", "--output", "next")
    assert "passed over half.csv.partial" in outcome.stderr
    assert read_all(tmp_path / "next").keys() == {name for name in read_all(tmp_path / "in" / "out") if "partial" not in name}
    outcome = call(polarity, tiny_checkpoint, "--input", "in/out/**", "--output", "third")
    assert "passed over half.csv.partial" in outcome.stderr
    assert "6 files; " in outcome.stderr
    assert read_all(tmp_path / "third").keys() == read_all(tmp_path / "next").keys()


def test_same_names_in_two_folders_stay_apart(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    for name, text in (("a", "great"), ("b", "awful")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "r.txt").write_text(text + "\n")
    call(polarity, tiny_checkpoint, "--input", "a", "--input", "b", "--output", "out")
    assert {name: data[:8] for name, data in read_all(tmp_path / "out").items()} == {
        "a/r.txt": b"positive",
        "b/r.txt": b"negative",
    }
    call(polarity, tiny_checkpoint, "--input", "a/r.txt", "--input", "b/r.txt", "--output", "files")
    assert read_all(tmp_path / "files").keys() == {"a/r.txt", "b/r.txt"}
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "--input", "a", "--input", "a/r.txt", "--output", "out")
    assert outcome.code == 2
    assert "two inputs would be written to r.txt" in outcome.stderr


def start(checkpoint: Path, tmp_path: Path, *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "polarity_cli", "predict", "--checkpoint", str(checkpoint), *args],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "POLARITY_CACHE": str(tmp_path / "cache")},
    )


def test_killed_at_any_time_and_repeated_gives_the_same_bytes(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "in", N_ROWS)
    call(polarity, tiny_checkpoint, "--input", "in", "--output", "whole")
    whole = read_all(tmp_path / "whole")
    assert len(whole) == N_FILES
    out = tmp_path / "out"

    def count(pattern: str) -> int:
        return len(list(out.rglob(pattern)))

    points: list[Callable[[], bool]] = [
        lambda: count("answers-*.json") > 0,  # before the first output
        lambda: count("*.partial") > 0,  # within the first one
        lambda: count("part-*.parquet") > 0,  # about the time of its note
        lambda: count("part-1.jsonl.partial") > 0 and count("part-*.json") > 0,
        lambda: len(read_all(out)) >= 4,
    ]
    skipped = 0
    for point in points:
        process = start(tiny_checkpoint, tmp_path, "--input", "in", "--output", "out")
        while process.poll() is None and not (out.exists() and point()):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        done = {name: data for name, data in read_all(out).items() if not name.endswith(".partial")}
        assert done.items() <= whole.items()  # what has its name is whole
    process = start(tiny_checkpoint, tmp_path, "--input", "in", "--output", "out")
    said = process.communicate()[1].decode()
    assert process.returncode == 0, said
    skipped = int(said.split(" files, ")[1].split(" skipped")[0])
    assert skipped >= 3
    assert read_all(out) == whole


def test_shards_in_any_order_are_together_the_whole(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "in", 2500)
    call(polarity, tiny_checkpoint, "--input", "in", "--output", "whole", "--precision", "fp32")
    for k in (2, 4, 1, 3):
        call(polarity, tiny_checkpoint, "--input", "in", "--output", "out", "--precision", "fp32", "--shard", f"{k}/4")
    assert read_all(tmp_path / "out") == read_all(tmp_path / "whole")
    assert (
        "skipped as finished" in call(polarity, tiny_checkpoint, "--input", "in", "--output", "out", "--precision", "fp32").stderr
    )


def test_one_parquet_file_is_divided_by_its_row_groups(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "in", 2500)
    source = "in/year=2023/part-0.parquet"
    call(polarity, tiny_checkpoint, "--input", source, "--output", "whole.parquet", "--precision", "fp32")
    said = [
        call(polarity, tiny_checkpoint, "-i", source, "-o", "out", "--precision", "fp32", "--shard", f"{k}/5").stderr
        for k in range(1, 6)
    ]
    assert sum("nothing to do" in one for one in said) == 2
    assert any("row groups 1 to 1" in one for one in said)
    parts = sorted((tmp_path / "out").glob("*.parquet"))
    assert all(".shard-0" in path.name and "-of-05.parquet" in path.name for path in parts)
    assert pa.concat_tables(map(pq.read_table, parts)).equals(pq.read_table(tmp_path / "whole.parquet"))


def test_shards_that_cannot_be_right_are_refused(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("great\nawful\n")
    for args, said in [
        (("-i", "r.txt", "-o", "o.jsonl", "--shard", "2/3"), "each of 3 processes would write it anew"),
        (("great", "--shard", "1/2"), "texts and standard input cannot be divided"),
        (("-i", "r.txt", "--shard", "1/2", "--limit", "1"), "the first records of all inputs are one process's work"),
        (("-i", "r.txt", "--shard", "3/2"), "--shard 3/2: expected a number from 1 to 2"),
        (("-i", "r.txt", "--shard", "0/0"), "--shard 0/0: expected a number from 1"),
        (("-i", "r.txt", "--shard", "three"), "--shard three: expected two numbers, such as 3/64"),
    ]:
        outcome = polarity("predict", "--checkpoint", tiny_checkpoint, *args)
        assert (outcome.code, said in outcome.stderr) == (2, True), (args, outcome.stderr)
    named = [call(polarity, tiny_checkpoint, "-i", "r.txt", "-o", f"o-{k}.txt", "--shard", f"{k}/2") for k in (1, 2)]
    assert sum("nothing to do" in one.stderr for one in named) == 1
    printed = [call(polarity, tiny_checkpoint, "-i", "r.txt", "--shard", f"{k}/2").stdout.count("\n") for k in (1, 2)]
    assert sorted(printed) == [0, 2]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "txt", "xlsx"])
def test_ranked_records_keep_their_columns_in_every_format(
    polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path, suffix: str
) -> None:
    texts = ["great", "", "awful boring", "so so", "the best great book", "bad"]
    rows = [{"n": i, "content": text} for i, text in enumerate(texts * 60)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    call(polarity, tiny_checkpoint, "-i", "in.jsonl", "-o", "all.jsonl", "--precision", "fp32")
    answers = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    best = sorted(
        (row for row in answers if row["label"]),
        key=lambda row: -row["score"] if row["label"] == "negative" else row["score"] - 1,
    )
    if suffix == "txt":
        (tmp_path / "in.txt").write_text("".join(f"{row['content']}\n" for row in rows))
    else:
        polarity("predict", "--checkpoint", tiny_checkpoint, "-i", "in.jsonl", "-o", f"in.{suffix}", "--prefix", "old_")
    call(
        polarity,
        tiny_checkpoint,
        "-i",
        f"in.{suffix}",
        "-o",
        f"o.{suffix}",
        "--rank",
        "negative",
        "--limit",
        "70",
        "--precision",
        "fp32",
        "--text",
        "content",
    ) if suffix != "txt" else call(
        polarity, tiny_checkpoint, "-i", "in.txt", "-o", "o.txt", "--rank", "negative", "--limit", "70", "--precision", "fp32"
    )
    if suffix == "txt":
        shown = [line.split("\t")[2] for line in (tmp_path / "o.txt").read_text().splitlines()]
        assert shown == [row["content"] for row in best[:70]]
        return
    out = call(
        polarity, tiny_checkpoint, "-i", f"o.{suffix}", "--format", "csv", "--text", "content", "--prefix", "again_"
    ).stdout
    written = list(csv.DictReader(io.StringIO(out, newline="")))
    assert [int(float(row["n"])) for row in written] == [row["n"] for row in best[:70]]


def test_limit_stops_reading_and_spans_inputs(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.csv").write_text("id,content\n" + "".join(f"{name}{i},great\n" for i in range(3)))
    (tmp_path / "b.csv").write_text((tmp_path / "b.csv").read_text() + "torn\n")
    outcome = call(polarity, tiny_checkpoint, "-i", "a.csv", "-i", "b.csv", "-i", "c.csv", "--limit", "5", "-o", "o.csv")
    assert [line.split(",")[0] for line in (tmp_path / "o.csv").read_text().splitlines()] == ["id", "a0", "a1", "a2", "b0", "b1"]
    assert "5 reviews: " in outcome.stderr
    document = json.loads(call(polarity, tiny_checkpoint, "-i", "a.csv", "--limit", "2", "--json").stdout)
    assert (document["n_records"], len(document["predictions"]), document["limit"]) == (2, 2, 2)


def test_rank_in_a_document_and_its_refusals(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("great\n\nawful\nbest\n")
    document = json.loads(
        call(polarity, tiny_checkpoint, "-i", "r.txt", "--rank", "negative", "--limit", "1", "--json", "--explain").stdout
    )
    assert [row["text"] for row in document["predictions"]] == ["awful"]
    assert document["predictions"][0]["words"][0]["word"] == "awful"
    assert (document["rank"], document["n_records"], document["n_files"]) == ("negative", 4, 1)
    for args, said in [
        (("--rank", "negative"), "--rank negative needs --limit N"),
        (("--rank", "sure", "--limit", "3"), "--rank sure: choose one of negative, positive, uncertain"),
        (("--limit", "0"), "--limit 0: expected a number from 1"),
    ]:
        outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "-i", "r.txt", *args)
        assert (outcome.code, said in outcome.stderr) == (2, True), outcome.stderr
    (tmp_path / "o").mkdir()
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "-i", "r.txt", "-o", "o", "--rank", "negative", "--limit", "3")
    assert outcome.code == 2
    assert "it is a folder, and --rank negative gives one list" in outcome.stderr


def test_document_of_a_folder_says_what_became_of_each_file(polarity: Polarity, tiny_checkpoint: Path, tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator

    from polarity_cli.schemas import read_schema

    write_files(tmp_path / "in", 2500)
    documents = []
    for more in ((), (), ("--shard", "1/40"), ("--shard", "2/40")):
        outcome = call(polarity, tiny_checkpoint, "--input", "in", "--output", "out", "--json", "--precision", "int8", *more)
        documents.append(json.loads(outcome.stdout))
        assert list(Draft202012Validator(read_schema(documents[-1]["schema"])).iter_errors(documents[-1])) == []
    first, again, *shards = documents
    assert (first["n_files"], first["n_skipped"], first["n_records"], sum(first["labels"].values())) == (6, 0, 15_000, 15_000)
    assert (again["n_files"], again["n_skipped"], again["n_records"]) == (6, 6, 0)
    assert [file["skipped"] for file in again["files"]] == [True] * 6
    assert all((tmp_path / file["output"]).is_file() for file in first["files"])
    assert [shard["shard"] for shard in shards] == [[1, 40], [2, 40]]
    assert all(shard["n_files"] == len(shard["files"]) for shard in shards)
    assert min(shard["n_files"] for shard in shards) == 0
