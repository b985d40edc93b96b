"""The README is true: its commands parse, its map names what is there, and the gate calls its test command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import pytest

from tests.helpers.commands import REPOSITORY, Outcome

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = (
    ".github/CONTRIBUTING.md",
    "polarity_cli/README.md",
    "polarity_cli/distributed/README.md",
    "polarity_cli/formats/README.md",
    "polarity_cli/verbs/README.md",
    "tests/README.md",
    "tests/benchmarks/README.md",
)
"""What stands beside the code; the README leads to it."""
COMMANDS = ("prepare", "train", "evaluate", "predict", "export", "cache")
MOST_LINES = 149


def find_commands() -> list[list[str]]:
    """Return the words of every `polarity COMMAND ...` in the README and the pages beside the code, in blocks or backquotes."""
    text = "\n".join([README, *((REPOSITORY / page).read_text(encoding="utf-8") for page in PAGES)])
    shown = re.findall(r"^    (.+)$", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text)
    found = []
    for line in shown:
        for match in re.finditer(rf"(?:^|[ /])polarity ((?:{'|'.join(COMMANDS)})\b[^|&]*)", line):
            words = shlex.split(match[1], comments=True)
            found.append([word for word in words if not word.startswith("[")])
    return [list(words) for words in dict.fromkeys(map(tuple, found))]


def test_readme_shows_the_commands() -> None:
    assert {words[0] for words in find_commands()} == set(COMMANDS)
    assert len(find_commands()) >= 12


@pytest.mark.parametrize("words", find_commands(), ids=" ".join)
def test_every_flag_of_the_readme_is_one_of_its_commands(polarity: Callable[..., Outcome], words: list[str]) -> None:
    help_page = polarity(words[0], "--help").stdout
    for flag in (word for word in words if word.startswith("--")):
        assert re.search(rf"(^|[\s,]){re.escape(flag)}([\s,]|$)", help_page), flag


def test_two_commands_stand_at_the_top() -> None:
    run_command, test_command = re.findall(r"^    (python3\.11 -m venv .*)$", README, re.MULTILINE)
    assert run_command.endswith(".venv/bin/polarity train --sample --unfreeze 2")
    assert "pip install -e '.[sample]' && " in run_command
    assert test_command.endswith("pip install -e '.[test]' && .venv/bin/python -m pytest")


def test_gate_runs_the_readmes_test_command_and_the_workflow_runs_the_gate() -> None:
    gate = (REPOSITORY / ".ci" / "run").read_text()
    pattern = re.search(r"grep -m1 -E '([^']+)' README.md", gate)
    assert pattern is not None
    assert len(re.findall(pattern[1], README, re.MULTILINE)) == 1
    assert ".ci/run" in (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text()


def test_map_names_every_room_and_every_file_of_the_ground() -> None:
    package = REPOSITORY / "polarity_cli"
    rooms = (package / "README.md").read_text(encoding="utf-8").split("## The rooms")[1].split("## Words")[0]
    for path in package.iterdir():
        if path.is_dir() and path.name != "__pycache__":
            assert f"`{path.name}/`" in rooms
        elif path.suffix == ".py" and not path.name.startswith("__"):
            assert re.search(rf"\b{path.stem}\b", rooms), path.name


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES


def test_readme_leads_to_pages_and_pictures_that_are_there() -> None:
    found = re.findall(r"\]\(([^)]+)\)", README) + re.findall(r'(?:src|srcset)="([^"]+)"', README)
    assert len(found) >= 10
    assert [path for path in found if not (REPOSITORY / path).is_file()] == []


@pytest.mark.parametrize("page", PAGES)
def test_page_names_files_that_are_there(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    for path in re.findall(r"`((?:tests|polarity_cli)/[\w/]+\.py)`", text):
        assert (REPOSITORY / path).is_file(), path
    for path in re.findall(r"`((?:formats|encoder|checkpoint|scoring|cache|cli|helpers)/[\w/]+\.py)`", text):
        assert any((REPOSITORY / top / path).is_file() for top in ("polarity_cli", "tests")), path
    for path in re.findall(r"\]\(([^)]+)\)", text):
        assert ((REPOSITORY / page).parent / path).is_file(), path


def test_every_promise_names_a_test_that_is_there() -> None:
    tests = (REPOSITORY / "tests" / "README.md").read_text(encoding="utf-8")
    block = tests[tests.index("## What is promised") :]
    rows = [row for row in block.splitlines() if row.startswith("| ")][1:]
    named = [path for row in rows for path in re.findall(r"\| `([\w/.]+)` \|$", row)]
    assert len(named) >= 6
    assert all(row.endswith(("` |", "| the same |")) for row in rows)
    assert all((REPOSITORY / "tests" / path).is_file() for path in named)


def test_no_figure_is_missing() -> None:
    assert not re.findall(r"\b[A-Z]+_(?:F1|S)\b", README)


def test_arithmetic_is_what_its_program_prints() -> None:
    from tests.benchmarks.arithmetic import make_table

    assert make_table() in (REPOSITORY / "polarity_cli" / "distributed" / "README.md").read_text(encoding="utf-8")
