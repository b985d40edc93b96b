"""The base on a system that lacks what POSIX has: no flock, no flags of `open` for links and folders, no signal masks.

It stands in for Windows, where the tests do not run: what `import` finds and what `os` and `signal` have there is taken away.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.commands import REPOSITORY, Outcome, run_polarity

MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")
OF_OS = (
    "O_CLOEXEC",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "fork",
    "geteuid",
    "getuid",
    "mkfifo",
    "sched_getaffinity",
    "statvfs",
    "sysconf",
)
OF_SIGNAL = ("SIGHUP", "SIGKILL", "SIGPIPE", "pthread_kill", "pthread_sigmask", "sigwait")
WITHOUT = f"""import os, signal, sys
sys.modules.update(dict.fromkeys({MODULES!r}))
for module, names in ((os, {OF_OS!r}), (signal, {OF_SIGNAL!r})):
    for name in names:
        delattr(module, name)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH that takes them away when Python starts."""
    folder = tmp_path_factory.mktemp("without")
    (folder / "sitecustomize.py").write_text(WITHOUT)
    return folder


def run(folder: Path, cwd: Path, *args: object, stdin: bytes | None = None) -> Outcome:
    environment = {"PYTHONPATH": f"{folder}:{REPOSITORY}"}
    return run_polarity(*args, cwd=cwd, cache=cwd / "cache", stdin=stdin, environment=environment)


@pytest.mark.parametrize("args", [("--version",), ("--help",), ("train", "--help"), ("predict", "--help")])
def test_program_starts(folder: Path, tmp_path: Path, args: tuple[str, ...]) -> None:
    outcome = run(folder, tmp_path, *args)
    assert (outcome.code, outcome.stderr) == (0, "")


def test_answers_are_those_of_any_system(folder: Path, tmp_path: Path, tiny_checkpoint: Path) -> None:
    texts = b"great superb love\nterrible awful broken\n"
    args = ("predict", "--checkpoint", tiny_checkpoint)
    answers = run(folder, tmp_path, *args, stdin=texts).stdout
    assert [line.partition("\t")[0] for line in answers.splitlines()] == ["positive", "negative"]
    assert answers == run_polarity(*args, cwd=tmp_path, cache=tmp_path / "other", stdin=texts).stdout
    (tmp_path / "reviews.csv").write_text("text\ngreat superb love\n")
    for _ in range(2):  # the second time over what is there
        outcome = run(folder, tmp_path, *args, "--input", "reviews.csv", "--output", "labelled.csv")
        assert outcome.code == 0, outcome.stderr
    assert (tmp_path / "labelled.csv").read_text().startswith("text,label,score\ngreat superb love,positive,")


def test_checkpoint_that_is_a_link_out_of_its_folder_is_refused_too(folder: Path, tmp_path: Path, tiny_checkpoint: Path) -> None:
    (tmp_path / "ckpt").mkdir()
    for path in tiny_checkpoint.iterdir():
        (tmp_path / "ckpt" / path.name).symlink_to(path)
    outcome = run(folder, tmp_path, "predict", "--checkpoint", "ckpt", "great")
    assert outcome.code != 0
    assert "leads out" in outcome.stderr or "link" in outcome.stderr
