"""What an install without an extra does: it says which line installs it, before any work, and predicts without."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.errors import UsageError
from polarity_cli.extras import EXTRAS, FOR_HUB_SETS, require_extra
from tests.helpers.commands import REPOSITORY, Outcome, run_polarity
from tests.helpers.reviews import make_reviews, write_csv

PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
NAME = PROJECT["name"]
ABSENT = sorted({name for names in EXTRAS.values() for name in names} | {"joblib", "pandas", "psutil", "scipy", "tensorboard"})
"""What the base install lacks."""


def list_requirements(extra: str) -> Iterator[str]:
    """Yield the names of the distributions that an extra of `pyproject.toml` asks for, other extras of this package resolved."""
    for requirement in PROJECT["optional-dependencies"][extra]:
        name = requirement.partition("[")[0].partition(">")[0].partition("~")[0].partition("=")[0]
        if name == NAME:
            for other in requirement.partition("[")[2].rstrip("]").split(","):
                yield from list_requirements(other)
        else:
            yield name


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_modules_of_an_extra_are_those_of_its_requirements(extra: str) -> None:
    of_module = packages_distributions()
    wanted = {name.lower().replace("_", "-") for name in list_requirements(extra)}
    assert {distribution.lower().replace("_", "-") for name in EXTRAS[extra] for distribution in of_module[name]} == wanted


def test_test_extra_brings_every_other() -> None:
    every = {name for extra in PROJECT["optional-dependencies"] for name in list_requirements(extra)}
    assert set(list_requirements("test")) == every


def test_missing_modules_are_named_with_the_line_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    require_extra("excel", "The format xlsx")
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(UsageError) as raised:
        require_extra("excel", "The format xlsx")
    assert str(raised.value) == "The format xlsx needs the extra `excel` (not installed: xlsxwriter)."
    assert raised.value.hint == "pip install 'polarity-cli[excel]'"


def test_library_for_the_hubs_data_sets_is_asked_for_where_one_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    require_extra("train", "polarity train")
    with pytest.raises(UsageError, match=r"imdb needs the extra `train` \(not installed: datasets\)"):
        require_extra("train", "imdb", for_hub_set=True)
    assert set(FOR_HUB_SETS) < set(EXTRAS["train"])


def test_files_are_trained_on_evaluated_and_labelled_without_that_library(tmp_path: Path, tiny_encoder: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['datasets'] = None\n")
    write_csv(tmp_path / "reviews.csv", make_reviews(40))
    environment = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}

    def call(*args: object) -> Outcome:
        outcome = run_polarity(*args, "--json", cwd=tmp_path, cache=tmp_path / "cache", environment=environment)
        assert outcome.code == 0, outcome.stderr
        return outcome

    trained = json.loads(call("train", "reviews.csv", "--encoder", tiny_encoder, "--epochs", 1).stdout)
    assert "datasets" not in trained["versions"]
    assert {"torch", "numpy"} < set(trained["versions"])
    assert json.loads(call("evaluate", "ckpt", "reviews.csv", "--split", "all").stdout)["metrics"]["n"] == 40
    assert json.loads(call("predict", "--input", "reviews.csv").stdout)["n_records"] == 40


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH that makes Python start as if nothing of an extra were installed."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({ABSENT!r}))\n")
    return folder


def run_bare(bare: Path, *args: object, cwd: Path, stdin: bytes | None = None) -> Outcome:
    paths = {"PYTHONPATH": f"{bare}:{REPOSITORY}"}
    return run_polarity(*args, cwd=cwd, cache=cwd / "cache", stdin=stdin, environment=paths)


def test_bare_install_has_nothing_of_an_extra(bare: Path, tmp_path: Path) -> None:
    code = f"import importlib.util\nprint([name for name in {ABSENT!r} if importlib.util.find_spec(name)])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(bare)}, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("args", "extra"),
    [
        (("train", "reviews.csv"), "train"),
        (("train", "reviews.csv", "--processes", "2"), "train"),
        (("train", "--sample"), "sample"),
        (("train", "--plan", "--encoder", "sample"), "sample"),
        (("prepare", "reviews.csv"), "train"),
        (("evaluate", "ckpt"), "train"),
        (("predict", "--checkpoint", "ckpt", "--input", "reviews.parquet"), "parquet"),
        (("predict", "--checkpoint", "ckpt", "--input", "reviews.csv", "--output", "labelled.parquet"), "parquet"),
        (("predict", "--checkpoint", "ckpt", "--input-format", "parquet"), "parquet"),
        (("predict", "--checkpoint", "ckpt", "--input", "reviews.xlsx"), "excel"),
        (("predict", "--checkpoint", "ckpt", "--output", "labelled.xlsx", "great"), "excel"),
        (("predict", "--checkpoint", "without", "great"), "train"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_command_says_which_line_installs_what_it_needs(
    bare: Path, tmp_path: Path, tiny_checkpoint: Path, args: Sequence[str], extra: str
) -> None:
    (tmp_path / "ckpt").symlink_to(tiny_checkpoint)
    shutil.copytree(tiny_checkpoint, tmp_path / "without", ignore=shutil.ignore_patterns("*.onnx", "polarity.json"))
    for name in ("reviews.csv", "reviews.parquet", "reviews.xlsx"):
        (tmp_path / name).write_text("label,text\n1,fine\n")
    before = sorted(tmp_path.iterdir())
    outcome = run_bare(bare, *args, cwd=tmp_path, stdin=b"")
    assert outcome.code == 2
    assert outcome.stdout == ""
    *_, message, hint = outcome.stderr.splitlines()
    assert message.startswith("polarity: ")
    assert f"needs the extra `{extra}`" in message
    assert hint == f"pip install 'polarity-cli[{extra}]'"
    assert "Traceback" not in outcome.stderr
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "cache"] == before


@pytest.mark.parametrize("command", ["train", "prepare", "evaluate", "predict", "cache"])
def test_every_help_page_works_without_an_extra(bare: Path, tmp_path: Path, command: str) -> None:
    outcome = run_bare(bare, command, "--help", cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert f"polarity {command}" in outcome.stdout


def test_predict_labels_text_and_tables_without_an_extra(bare: Path, tmp_path: Path, tiny_checkpoint: Path) -> None:
    def predict(*args: object, stdin: bytes | None = None) -> Outcome:
        outcome = run_bare(bare, "predict", "--checkpoint", tiny_checkpoint, *args, cwd=tmp_path, stdin=stdin)
        assert outcome.code == 0, outcome.stderr
        return outcome

    lines = predict(stdin=b"great superb love\nterrible awful broken\n").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["positive", "negative"]
    (tmp_path / "reviews.csv").write_text("title,content\nGreat,superb love\nBad,awful broken\n")
    predict("--input", "reviews.csv", "--output", "labelled.jsonl.gz", "--explain", "--precision", "fp32")
    predict("--input", "labelled.jsonl.gz", "--output", "labelled.csv", "--text", "title,content", "--prefix", "p_")
    assert (tmp_path / "labelled.csv").read_text().splitlines()[0].endswith("p_label,p_score")
    whole = json.loads(predict("--json", "--input", "reviews.csv").stdout)
    assert whole["n_records"] == 2
