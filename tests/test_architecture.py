"""The shape of the house: imports go down, and what must start at once imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "polarity_cli"
GROUND = {"__init__", "config", "context", "errors", "machine", "read_options", "recipes", "records", "text"}
VERBS = {"prepare", "train", "evaluate", "predict", "labelling", "open_predictor", "reviews_to_score"}
ORDER = tuple(
    "formats cache hub sample distributed data scoring checkpoint inference encoder features export training".split()  # noqa: SIM905
)
"""The rooms, lowest first: each may import those before it."""
ROOMS = set(ORDER)
DOWN = {room: set(ORDER[:place]) for place, room in enumerate(ORDER)}
"""Which rooms a room may import: those that the road runs through before it."""
ABOVE = {"torch", "transformers", "accelerate", "onnx"}
"""What only rooms above the torch line import."""
BELOW_THE_LINE = (GROUND | set(ORDER[: ORDER.index("encoder")])) - {"distributed"}
HEAVY = {"torch", "transformers", "datasets", "accelerate", "sklearn", "numpy", "pyarrow", "pandas", "rich"}


def find_imports(path: Path) -> set[str]:
    """Return the modules of this package that a file imports, anywhere in it, below the package's name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.removeprefix("polarity_cli.").split(".")[0] for name in names if name.startswith("polarity_cli.")}
    return found


def may_import(place: str) -> set[str]:
    if place == "cli":
        return GROUND | VERBS | ROOMS | {"cli"}
    if place in VERBS:
        return GROUND | ROOMS | {"prepare"} | {"labelling": {"predict"}, "evaluate": {"reviews_to_score"}}.get(place, set[str]())
    if place in ROOMS:
        return GROUND | DOWN[place] | {place}
    return GROUND | {"__version__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    place = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = may_import("cli" if place == "__main__" else place) | {"__version__"}
    assert find_imports(path) <= allowed


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_skin_prints_or_exits(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] in ("cli", "__main__.py") or path.name == "worker_exit.py":
        return
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)} | {
        ast.unparse(c) for c in calls if isinstance(c, ast.Attribute)
    }
    assert not names & {"print", "exit", "quit", "sys.exit", "os._exit", "input"}


def name_packages(path: Path) -> set[str]:
    """Return the packages that a file imports, anywhere in it, types included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        names |= {node.module} if isinstance(node, ast.ImportFrom) and node.module else set()
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_below_the_line_nothing_names_torch(path: Path) -> None:
    place = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if place in BELOW_THE_LINE:
        assert not name_packages(path) & ABOVE


def list_imported(*args: str) -> set[str]:
    code = (
        "import sys\nfrom polarity_cli.cli.app import run\n"
        f"code = run({list(args)!r})\n"
        "print(code, *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    code_printed, *modules = done.stderr.splitlines()[-1].split()
    assert code_printed == "0"
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize(
    "args", [("--help",), ("--version",), ("train", "--help"), ("predict", "--help"), ("cache", "prune", "--help")], ids=" ".join
)
def test_help_imports_nothing_heavy(args: tuple[str, ...]) -> None:
    assert not list_imported(*args) & HEAVY


def test_files_and_functions_stay_short() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 250, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.name != "command":
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}: {node.name}"
