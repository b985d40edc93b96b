"""The package as people install it: a wheel in a fresh environment, without torch, and the line that adds a format."""

from __future__ import annotations

import email
import json
import os
import shlex
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from polarity_cli import __version__
from tests.helpers.commands import REPOSITORY, Outcome

pytestmark = pytest.mark.slow

ABSENT = ("accelerate", "datasets", "onnx", "pandas", "psutil", "pyarrow", "scipy", "sklearn", "sympy", "torch", "transformers")
MOST_MB = 170
"""What the base may take without bytecode, as `uv tool install` and `pip install --no-compile` leave it: 165 were measured.

onnxruntime has 52 of them and NumPy 58; tokenizers with huggingface_hub and hf_xet, which it asks for, 27; typer with rich,
Pygments and pydantic, which it asks for, 14. None of these can be left out. The bytecode that pip compiles takes another 41.
"""
NOT_OURS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the wheel in it."""

    folder: Path
    seconds: float
    """That pip took to install."""

    def run(self, program: str, *args: object, cwd: Path, stdin: bytes | None = None) -> Outcome:
        """Run one of its programs with a cache of the test's own."""
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        done = subprocess.run(
            [self.folder / "bin" / program, *map(str, args)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            cwd=cwd,
            env={**kept, "POLARITY_CACHE": str(cwd / "cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            timeout=600,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    def list_sizes(self, *, bytecode: bool) -> dict[str, float]:
        """Return the MB of each package and folder, with its bytecode or without, and without those of pip itself."""
        (site,) = self.folder.glob("lib/python*/site-packages")
        paths = [path for path in site.iterdir() if not path.name.startswith(NOT_OURS)]
        files = {path: [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()] for path in paths}
        return {
            path.name: sum(file.stat().st_size for file in inner if bytecode or file.suffix != ".pyc") / 1e6
            for path, inner in files.items()
        }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a wheel, built as pip builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip"]
    probe = [*pip, "download", "-q", "--no-deps", "--retries", "0", "--timeout", "30", "-d", str(folder / "probe"), "hatchling"]
    found = subprocess.run(probe, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"no package index can be reached: {found.stderr.strip().splitlines()[-1]}")
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", str(folder), str(REPOSITORY)], check=True)
    (built,) = folder.glob("polarity_cli-*.whl")
    return built


@pytest.fixture(scope="module")
def make_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Environment]:
    """What makes a fresh environment with the base alone."""

    def make() -> Environment:
        folder = tmp_path_factory.mktemp("environment") / "venv"
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        started = time.monotonic()
        subprocess.run([folder / "bin" / "pip", "install", "-q", str(wheel)], check=True)
        return Environment(folder, time.monotonic() - started)

    return make


@pytest.fixture(scope="module")
def base(make_environment: Callable[[], Environment]) -> Environment:
    """An environment with the base, which tests leave as it is."""
    return make_environment()


def test_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "polarity_cli"], capture_output=True, text=True, cwd=REPOSITORY, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout, so what belongs to the package is not known")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == set(listed.stdout.split())
    for part in ("py.typed", "schemas/train.1.json", "sample/reviews/train.jsonl", "scoring/report/templates/style.css"):
        assert f"polarity_cli/{part}" in names


def test_wheel_says_what_it_is_and_which_pythons_it_is_for(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(archive.read(name))
    assert (metadata["Name"], metadata["Version"], metadata["Requires-Python"]) == ("polarity-cli", __version__, ">=3.11")
    assert metadata["License-Expression"] == "MIT"
    assert name.replace("METADATA", "licenses/LICENSE") in archive.namelist()
    pythons = {line.rpartition(" ")[2] for line in metadata.get_all("Classifier", []) if "Python :: 3." in line}
    assert pythons == {"3.11", "3.12", "3.13", "3.14"}
    assert str(metadata.get_payload()).startswith("# polarity\n")


def test_base_is_small_and_has_nothing_of_an_extra(
    base: Environment, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    sizes = base.list_sizes(bytecode=False)
    total, compiled = sum(sizes.values()), sum(base.list_sizes(bytecode=True).values())
    largest = ", ".join(f"{name} {sizes[name]:.0f}" for name in sorted(sizes, key=sizes.__getitem__, reverse=True)[:14])
    print(f"installed in {base.seconds:.1f} s, {total:.0f} MB, {compiled:.0f} with bytecode: {largest}")
    record_property("install_seconds", round(base.seconds, 1))
    record_property("install_mb", round(total))
    record_property("install_mb_with_bytecode", round(compiled))
    assert total < MOST_MB, largest
    code = f"import importlib.util\nprint([name for name in {ABSENT!r} if importlib.util.find_spec(name)])"
    assert base.run("python", "-c", code, cwd=tmp_path).stdout == "[]\n"
    assert base.run("pip", "check", cwd=tmp_path).code == 0


def test_base_has_its_help_and_version(base: Environment, tmp_path: Path) -> None:
    assert base.run("polarity", "--version", cwd=tmp_path).stdout.startswith("polarity ")
    for command in ([], ["predict"], ["train"], ["evaluate"], ["prepare"], ["export"], ["cache"]):
        outcome = base.run("polarity", *command, "--help", cwd=tmp_path)
        assert (outcome.code, outcome.stderr) == (0, "")


def test_base_labels_a_stream_a_csv_and_a_jsonl(base: Environment, tmp_path: Path, tiny_checkpoint: Path) -> None:
    def predict(*args: object, stdin: bytes | None = None) -> str:
        outcome = base.run("polarity", "predict", "--checkpoint", tiny_checkpoint, *args, cwd=tmp_path, stdin=stdin)
        assert outcome.code == 0, outcome.stderr
        return outcome.stdout

    lines = predict(stdin=b"great superb love\nterrible awful broken\n").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["positive", "negative"]
    (tmp_path / "reviews.csv").write_text("title,content\nGreat,superb love\nBad,awful broken\n")
    predict("--input", "reviews.csv", "--output", "labelled.csv")
    assert [line.split(",")[2] for line in (tmp_path / "labelled.csv").read_text().splitlines()] == [
        "label",
        "positive",
        "negative",
    ]
    (tmp_path / "reviews.jsonl").write_text('{"text": "great superb love"}\n{"text": "terrible awful broken"}\n')
    answers = map(json.loads, predict("--input", "reviews.jsonl").splitlines())
    assert [answer["label"] for answer in answers] == ["positive", "negative"]
    predict("--input", "reviews.csv", "--output", "labelled.jsonl.zst")
    assert (tmp_path / "labelled.jsonl.zst").stat().st_size > 0


@pytest.mark.parametrize(
    ("args", "extra"),
    [
        (["train", "reviews.csv"], "train"),
        (["train", "--sample"], "sample"),
        (["evaluate", "ckpt"], "train"),
        (["prepare", "reviews.csv"], "train"),
        (["export", "ckpt"], "train"),
        (["predict", "--checkpoint", "ckpt", "--input", "x.parquet"], "parquet"),
        (["predict", "--checkpoint", "ckpt", "--input", "x.xlsx"], "excel"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_base_says_which_line_installs_the_rest(
    base: Environment, tmp_path: Path, tiny_checkpoint: Path, args: Sequence[str], extra: str
) -> None:
    (tmp_path / "ckpt").symlink_to(tiny_checkpoint)
    for name in ("reviews.csv", "x.parquet", "x.xlsx"):
        (tmp_path / name).write_text("label,text\n1,fine\n")
    outcome = base.run("polarity", *args, cwd=tmp_path)
    assert outcome.code == 2
    message, hint = outcome.stderr.splitlines()
    assert f"needs the extra `{extra}`" in message
    assert hint == f"pip install 'polarity-cli[{extra}]'"


def test_the_line_that_is_named_adds_the_format(
    make_environment: Callable[[], Environment], tmp_path: Path, tiny_checkpoint: Path
) -> None:
    environment = make_environment()
    for suffix in ("parquet", "xlsx"):
        labelled = f"labelled.{suffix}"
        common = ("predict", "--checkpoint", tiny_checkpoint)
        predict = (*common, "great superb love", "--output", labelled)
        hint = environment.run("polarity", *predict, cwd=tmp_path).stderr.splitlines()[-1]
        program, *args = shlex.split(hint)
        installed = environment.run(program, *args, cwd=tmp_path)
        assert installed.code == 0, installed.stderr
        assert environment.run("polarity", *predict, cwd=tmp_path).code == 0
        again = environment.run("polarity", *common, "--input", labelled, "--format", "csv", cwd=tmp_path)
        assert again.code == 0, again.stderr
        assert again.stdout.splitlines()[1].startswith("great superb love,positive,")
