"""The shape of the house: imports go down, file by file; below the line nothing knows torch; what must start at once does."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.helpers.commands import REPOSITORY

PACKAGE = REPOSITORY / "polarity_cli"
GROUND = (
    "__init__",
    "schemas",
    "errors",
    "text",
    "recipes",
    "machine",
    "extras",
    "records",
    "read_options",
    "context",
    "config",
    "train_config",
    "export_config",
    "make_config",
)
"""Files at the root, and the folder of schemas, that everything may import; each may import those before it."""
BELOW_THE_LINE = ("formats", "cache", "hub", "sample", "distributed", "data", "scoring", "checkpoint", "inference")
"""The rooms that work without torch, lowest first; each may import those before it."""
ABOVE_THE_LINE = ("encoder", "features", "export", "training")
ORDER = (*GROUND, *BELOW_THE_LINE, *ABOVE_THE_LINE, "verbs", "api", "cli", "__main__")
DOOR = PACKAGE / "__init__.py"
"""Names for type checkers what lies above it, and imports none of that before it is asked for."""
TORCH = {"torch", "transformers", "accelerate", "onnx"}
HEAVY = TORCH | {"datasets", "sklearn", "numpy", "pyarrow", "pandas", "rich"}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def name_place(path: Path) -> str:
    """Return the room of a file, or the name of a file at the root."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = {name_module(path): path for path in FILES}


@cache
def list_imports(path: Path) -> set[str]:
    """Return every module that a file imports, wherever in it: inside functions and for types alone too."""
    imported = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            imported |= {name if name in MODULES else node.module for name in names}
    return imported


def list_own_imports(path: Path) -> set[Path]:
    return set() if path == DOOR else {MODULES[name] for name in list_imports(path) if name in MODULES}


def name_file(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_every_room_and_every_file_at_the_root_has_its_place() -> None:
    assert {name_place(path) for path in FILES} == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=name_file)
def test_imports_go_down(path: Path) -> None:
    own = name_place(path)
    above = {name_place(other) for other in list_own_imports(path) - {path}} - {own, *ORDER[: ORDER.index(own)]}
    assert not above - {"__init__"}, "imported from above"


def test_no_file_imports_itself_by_a_circle() -> None:
    graph = {name_file(path): {name_file(other) for other in list_own_imports(path)} for path in FILES}
    order = tuple(graphlib.TopologicalSorter(graph).static_order())  # CycleError names the files
    assert set(order) == set(map(name_file, FILES))


@pytest.mark.parametrize("path", FILES, ids=name_file)
def test_nothing_below_the_line_names_torch(path: Path) -> None:
    if name_place(path) in (*GROUND, *BELOW_THE_LINE) and name_place(path) != "distributed":
        assert not {name.split(".")[0] for name in list_imports(path)} & TORCH


@pytest.mark.parametrize("path", FILES, ids=name_file)
def test_only_the_skin_prints_or_exits(path: Path) -> None:
    if name_place(path) in ("cli", "__main__") or path.name == "worker_exit.py":
        return
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)} | {
        ast.unparse(c) for c in calls if isinstance(c, ast.Attribute)
    }
    assert not names & {"print", "exit", "quit", "sys.exit", "os._exit", "input"}


def list_imported(*args: str) -> set[str]:
    """Return the modules that a command line imports, by their full names."""
    code = (
        "import sys\nfrom polarity_cli.cli.app import run\n"
        f"code = run({list(args)!r})\n"
        "print(code, *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    code_printed, *modules = done.stderr.splitlines()[-1].split()
    assert code_printed == "0"
    return set(modules)


def test_package_imports_nothing_until_it_is_asked_for_a_name() -> None:
    code = "import os, sys; before = set(sys.modules); import polarity_cli; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.split() == ["polarity_cli"]


@pytest.mark.parametrize(
    "args", [("--help",), ("--version",), ("train", "--help"), ("predict", "--help"), ("cache", "prune", "--help")], ids=" ".join
)
def test_help_imports_nothing_heavy(args: tuple[str, ...]) -> None:
    imported = list_imported(*args)
    assert not {name.split(".")[0] for name in imported} & HEAVY
    assert not {name for name in imported if name.startswith("polarity_cli.distributed.")} - {
        "polarity_cli.distributed.environment",
        "polarity_cli.distributed.worker_exit",
    }


@pytest.mark.parametrize("path", FILES, ids=name_file)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


def find_named_modules(path: Path) -> set[str]:
    """Return each `room/module` that the docstrings of a file name."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    documented = (node for node in nodes if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    return {name for node in documented for name in re.findall(r"`([a-z_]+/[a-z_/]*)`", ast.get_docstring(node) or "")}


NOT_MODULES = {"n/a", "neg/", "pos/"}
"""What docstrings name in that form and is not ours: a label's value, folders of reviews."""


@pytest.mark.parametrize("path", FILES, ids=name_file)
def test_modules_named_in_docstrings_exist(path: Path) -> None:
    for name in find_named_modules(path) - NOT_MODULES:
        assert (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file(), name
