"""What a release checks before it is published: one version in the tag, the built files and the changelog."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import REPOSITORY

SCRIPT = REPOSITORY / ".github" / "release_notes.py"
CHANGELOG = (
    "# Changelog\n\n## 0.2.0 (2026-11-28)\n\n- New.\n- Newer.\n\n## 0.1.0 (unreleased)\n\n- Old.\n\n## 0.0.9 (2026-01-01)\n"
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the script, a changelog of three versions, and what was built of one."""
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "dist").mkdir()
    return tmp_path


def run(repository: Path, tag: str, built: str) -> subprocess.CompletedProcess[str]:
    for name in (f"polarity_cli-{built}-py3-none-any.whl", f"polarity_cli-{built}.tar.gz"):
        (repository / "dist" / name).touch()
    command = [sys.executable, str(repository / ".github" / SCRIPT.name), tag, str(repository / "dist")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_notes_are_those_of_the_version_alone(repository: Path) -> None:
    done = run(repository, "v0.2.0", "0.2.0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "- New.\n- Newer.\n", "")


@pytest.mark.parametrize(
    ("tag", "built", "phrase"),
    [
        ("v0.2.0", "0.1.0", "The tag v0.2.0 is not the version that was built: polarity_cli-0.1.0"),
        ("v0.1.0", "0.1.0", "0.1.0 is still called unreleased"),
        ("v0.0.9", "0.0.9", "nothing is said of 0.0.9"),
        ("v0.3.0", "0.3.0", "no heading `## 0.3.0` (found: 0.2.0, 0.1.0, 0.0.9)"),
    ],
)
def test_release_that_contradicts_itself_is_refused(repository: Path, tag: str, built: str, phrase: str) -> None:
    done = run(repository, tag, built)
    assert (done.returncode, done.stdout) == (1, "")
    assert phrase in done.stderr
