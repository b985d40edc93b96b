"""No command speaks to anybody but the Hub that it was told of, or leaves files of its libraries behind: system calls say so.

A library may connect from native code, or from a thread that ends with the process, where no hook of Python's hears of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.commands import REPOSITORY
from tests.helpers.hub import Hub, build_amazon_polarity, build_tiny_bert
from tests.helpers.reviews import make_reviews, write_csv

pytestmark = pytest.mark.slow

OFF = ("DO_NOT_TRACK", "HF_", "ORT_", "DISABLE_", "TORCHINDUCTOR_", "XDG_", "POLARITY_")
"""How variables begin that would hide what a command does by itself."""
SPEAKS = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg)\(")
ADDRESS = re.compile(r'sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)|sin6_port=htons\((\d+)\).*?"([0-9a-f:.]+)"')
RESOLVERS = ("nscd", "resolve", "dns")
MAKES = re.compile(r'\b(?:openat|creat|mkdir|mkdirat|rename|symlink)\((?:AT_FDCWD, )?"([^"]+)"')


@dataclass(frozen=True)
class Traced:
    """What a command did."""

    code: int
    output: str
    told: list[str]
    """System calls that speak to another address than the loopback's, or ask for one's name."""
    asked_here: list[str]
    """System calls that connect to the loopback address."""
    made: list[str]
    """Files and folders that it made in the user's folder, and what it left in the one for temporary files."""


@pytest.fixture(scope="session")
def strace(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program that traces, where it is there and may."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    log = tmp_path_factory.mktemp("strace") / "log"
    done = subprocess.run([found, "-f", "--seccomp-bpf", "-o", str(log), "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("strace may not trace here, or is older than 5.3")
    return found


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("reviews") / "reviews.csv", make_reviews(120))


def run_traced(strace: str, folder: Path, *args: object, **environment: str) -> Traced:
    """Run a command line, with a home and a folder for temporary files that are empty, and return what it did."""
    home, temporary, log = folder / "home", folder / "temporary", folder / "trace"
    for path in (home, temporary):
        path.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OFF)}
    own = {"HOME": str(home), "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(home / ".cache"), "PYTHONPATH": str(REPOSITORY)}
    calls = "trace=connect,sendto,sendmsg,sendmmsg,openat,creat,mkdir,mkdirat,rename,symlink"
    options = ("-f", "--seccomp-bpf", "-qq", "-s", "300", "-e", "signal=none", "-e", calls, "-o", str(log))
    done = subprocess.run(
        [strace, *options, sys.executable, "-m", "polarity_cli", *map(str, args)],
        cwd=folder,
        env={**inherited, **own, "POLARITY_CACHE": str(folder / "cache"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = log.read_text(errors="replace").splitlines()
    told, asked_here = find_told(lines)
    made = {found[1] for line in lines if "O_CREAT" in line or "openat(" not in line for found in MAKES.finditer(line)}
    made = {path for path in made if Path(path).is_relative_to(home)}
    left = {str(path) for path in (*home.rglob("*"), *temporary.rglob("*"))}
    return Traced(done.returncode, done.stdout + done.stderr, told, asked_here, sorted(made | left))


def find_told(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the calls that speak to another address than the loopback's or ask for a name, and those that connect to it."""
    told, asked_here = [], []
    for line in filter(SPEAKS.search, lines):
        addresses = [(a or c, b or d) for a, b, c, d in ADDRESS.findall(line)]
        is_here = all(address.startswith("127.") or address == "::1" for _, address in addresses)
        if not is_here or any(port == "53" for port, _ in addresses) or asks_for_a_name(line):
            told.append(line)
        elif addresses and "connect(" in line:
            asked_here.append(line)
    return told, asked_here


def asks_for_a_name(line: str) -> bool:
    """Tell whether a call reaches for a local socket of those that look names up."""
    found = re.search(r'sun_path=@?"([^"]+)"', line)
    return found is not None and any(name in found[1] for name in RESOLVERS)


def check_silent(traced: Traced) -> None:
    assert traced.code == 0, traced.output
    assert traced.told == []
    assert traced.made == []


@pytest.mark.parametrize("offline", [(), ("--offline",)], ids=["online", "offline"])
def test_every_command_tells_nobody_and_leaves_nothing(
    strace: str, reviews: Path, tiny_encoder: Path, tmp_path: Path, offline: tuple[str, ...]
) -> None:
    def run(*args: object) -> None:
        traced = run_traced(strace, tmp_path, *args, *offline)
        check_silent(traced)
        assert traced.asked_here == []

    run("prepare", reviews, "--encoder", tiny_encoder)
    run("train", reviews, "--encoder", tiny_encoder, "--epochs", 1)
    run("evaluate", "ckpt")
    run("predict", "--checkpoint", "ckpt", "great product")
    for name in ("polarity.json", "polarity/fp32.onnx", "polarity/int8.onnx"):
        (tmp_path / "ckpt" / name).unlink()
    run("predict", "--checkpoint", "ckpt", "great product")  # which exports it
    run("cache", "list")


def test_help_tells_nobody_and_leaves_nothing(strace: str, tmp_path: Path) -> None:
    traced = run_traced(strace, tmp_path, "--help")
    check_silent(traced)
    assert traced.asked_here == []


def test_trace_tells_who_is_spoken_to() -> None:
    ours = '7 connect(3, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("127.0.0.1")}, 16) = 0'
    abroad = ours.replace("127.0.0.1", "20.42.73.27")
    by_six = '7 connect(3, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2603::1", &sin6_addr)}, 28) = -1'
    look_up = ours.replace("8080", "53")
    by_socket = '7 connect(3, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 42) = 0'
    assert find_told([ours, abroad, by_six, look_up, by_socket]) == ([abroad, by_six, look_up, by_socket], [ours])


def test_sample_tells_nobody_and_leaves_nothing(strace: str, tmp_path: Path) -> None:
    check_silent(run_traced(strace, tmp_path, "train", "--sample", "--unfreeze", 0, "--epochs", 1, "--rows", 200, "--no-graphs"))


def test_hub_is_asked_for_what_was_named_and_nothing_else(strace: str, tmp_path: Path) -> None:
    build_tiny_bert(tmp_path / "bert")
    build_amazon_polarity(tmp_path / "reviews", n_train=300, n_test=50, rows_per_group=100, n_shards=1)
    with Hub({"a/bert": tmp_path / "bert"}, {"a/reviews": tmp_path / "reviews"}) as hub:
        known = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "127.0.0.1"}
        command = ("train", "a/reviews", "--encoder", "a/bert", "--rows", 200, "--no-graphs")
        check_silent(run_traced(strace, tmp_path, *command, **known))
        assert hub.requests
        strange = [request.path for request in hub.requests if not re.search("a/bert|a/reviews", request.path)]
        assert strange == []
