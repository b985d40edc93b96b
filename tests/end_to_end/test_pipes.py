"""`polarity predict` among the tools of a shell: pipes that close, trickle, or are named; memory; interrupts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks.processes import measure, polarity
from tests.helpers.commands import REPOSITORY, start_predict

pytestmark = pytest.mark.slow


def shell(command: str, checkpoint: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    predict = f"{sys.executable} -m polarity_cli predict --checkpoint {checkpoint}"
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; predict() {{ {predict} "$@"; }}; {command}'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "POLARITY_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(REPOSITORY)},
        timeout=120,
        check=False,
    )


def test_lines_that_trickle_in_are_answered_within_a_fifth_of_a_second(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with start_predict(tiny_checkpoint, tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        waits = []
        for number in range(12):
            time.sleep(0.02)
            begun = time.monotonic()
            process.stdin.write(b"great book %d\n" % number)
            process.stdin.flush()
            assert process.stdout.readline().endswith(b"\tgreat book %d\n" % number)
            waits.append(time.monotonic() - begun)
        process.stdin.close()
        assert process.wait(timeout=20) == 0
    assert sorted(waits[1:])[-3] < 0.2  # the first waits for the start; a busy machine may hold up one or two


def test_tools_of_the_shell(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "reviews.txt").write_text("great book\nawful film\n\nthe best\n")
    counted = shell("cat reviews.txt | predict | cut -f1 | sort | uniq -c | sed 's/^ *//'", tiny_checkpoint, tmp_path)
    assert counted.stdout.splitlines() == ["1 ", "1 negative", "2 positive"]
    copied = shell(
        "predict < reviews.txt | tee copy.txt | wc -l; cmp copy.txt <(predict --input reviews.txt)", tiny_checkpoint, tmp_path
    )
    assert (copied.stdout.strip(), copied.returncode) == ("4", 0)
    each = shell(
        "printf 'great\\0awful\\0' | xargs -0 -n1 bash -c 'echo \"$1\"' _ | predict | cut -f1 | xargs", tiny_checkpoint, tmp_path
    )
    assert each.stdout == "positive negative\n"
    headed = shell("yes 'great product' | predict | head -n 1; echo ${PIPESTATUS[1]}", tiny_checkpoint, tmp_path)
    assert headed.stdout == shell("predict 'great product'; echo 0", tiny_checkpoint, tmp_path).stdout
    assert headed.stderr == f"Model: {tiny_checkpoint}\n"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_jq_reads_what_is_written(tiny_checkpoint: Path, tmp_path: Path) -> None:
    command = 'printf \'{"content": "great"}\\n{"content": "awful"}\\n\' | predict --input-format jsonl | jq -r .label'
    assert shell(command, tiny_checkpoint, tmp_path).stdout == "positive\nnegative\n"


def test_fifo_is_read_and_written(tiny_checkpoint: Path, tmp_path: Path) -> None:
    command = "mkfifo in out; (printf 'great\\nawful\\n' > in &); (predict --input in --output out &); cut -f1 out"
    assert shell(command, tiny_checkpoint, tmp_path).stdout == "positive\nnegative\n"


def test_reader_that_leaves_a_fifo_ends_the_program_quietly(tiny_checkpoint: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in")
    # The writer keeps the FIFO open without writing more: the reading thread waits while the program ends.
    written = "(exec 3> in; printf 'great\\n%.0s' {1..20000} >&3; sleep 30) &"
    command = f"{written} predict --input in | head -n 1; echo ${{PIPESTATUS[0]}}; kill %1"
    begun = time.monotonic()
    done = shell(command, tiny_checkpoint, tmp_path)
    assert done.stdout.splitlines()[1:] == ["0"]
    assert done.stdout.startswith("positive\t")
    assert time.monotonic() - begun < 25


def test_interrupted_run_ends_at_once_and_leaves_what_it_wrote(tiny_checkpoint: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "many.txt", tmp_path / "out.txt"
    source.write_text("great book\n" * 300_000)
    with start_predict(tiny_checkpoint, tmp_path, "--input", source, "--output", output) as process:
        partial = tmp_path / "out.txt.partial"
        deadline = time.monotonic() + 30
        while not partial.exists() or partial.stat().st_size == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert process.wait(timeout=20) == 130
        assert time.monotonic() - begun < 5
        assert process.stderr is not None
        assert process.stderr.read().decode() == f"Model: {tiny_checkpoint}\npolarity: interrupted.\n"
    assert not output.exists()
    assert 0 < partial.read_bytes().count(b"\n") < 300_000


def test_memory_does_not_grow_with_the_stream(tiny_checkpoint: Path, tmp_path: Path) -> None:
    peaks = []
    for n_lines in (20_000, 200_000):
        source = tmp_path / "lines.txt"
        source.write_text("".join(f"great book {i % 1000}\n" for i in range(n_lines)))
        command = polarity("predict", "--checkpoint", tiny_checkpoint)
        environment = {"POLARITY_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(REPOSITORY)}
        peaks.append(measure(command, stdin=source, environment=environment).peak_bytes / 1e6)
    assert peaks[1] < 250
    assert peaks[1] < peaks[0] + 20
