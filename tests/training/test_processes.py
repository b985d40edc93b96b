"""Several processes do what one does: the same weights, metrics, features and files, each made once."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from polarity_cli.cache.hashes import hash_file
from polarity_cli.distributed.cache_group import Claims, claim_batches
from polarity_cli.distributed.world import World
from polarity_cli.training.state import find_states
from tests.helpers.reviews import make_reviews, write_csv
from tests.helpers.several import Report, Server

pytestmark = pytest.mark.slow
TRAIN = {"--learning-rate": 1e-3, "--epochs": 2, "--batch-size": 8}
"""Options of a run, where a test gives no others."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.fixture(scope="module")
def quiet_encoder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder without dropout."""
    return silence(tiny_encoder, tmp_path_factory.mktemp("quiet") / "encoder")


def silence(encoder: Path, target: Path) -> Path:
    """Copy an encoder and take its dropout away."""
    shutil.copytree(encoder, target)
    for path in (target, *target.iterdir()):
        path.chmod(0o755)
    config = json.loads((target / "config.json").read_text())
    dropout = {name: 0.0 for name in config if name.endswith(("dropout_prob", "dropout"))}
    (target / "config.json").write_text(json.dumps({**config, **dropout}))
    assert dropout
    return target


class Place:
    """A folder with reviews, where runs have caches of their own."""

    def __init__(self, server: Server, folder: Path, encoder: Path, *, n_rows: int = 130) -> None:
        self.server, self.folder, self.encoder = server, folder, encoder
        write_csv(folder / "reviews.csv", make_reviews(n_rows))

    def train(self, n: int, *more: object, name: str = "", **order: object) -> list[Report]:
        name = name or f"out{n}"
        environments = [{"POLARITY_CACHE": str(self.folder / f"{name}-cache")}] * n
        usual = [word for option, value in TRAIN.items() if option not in more for word in (option, value)]
        args = ("train", "reviews.csv", "--encoder", self.encoder, "--out", name, "--no-graphs", *usual, *more)
        return self.server.run(n, *args, cwd=self.folder, **{"environments": environments, **order})

    def read(self, name: str) -> dict[str, torch.Tensor]:
        return load_file(self.folder / name / "model.safetensors")

    def read_steps(self, name: str) -> list[dict[str, float]]:
        lines = (self.folder / name / "history.jsonl").read_text().splitlines()
        return [record for record in map(json.loads, lines) if record["kind"] == "step"]


@pytest.fixture
def place(server: Server, tmp_path: Path, quiet_encoder: Path) -> Place:
    return Place(server, tmp_path, quiet_encoder)


def check_done(reports: list[Report]) -> None:
    assert [report.code for report in reports] == [0] * len(reports), "\n".join(report.stderr for report in reports)


def measure_distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("more", [(), ("--feature-cache", "off"), ("--unfreeze", "all")], ids=str)
def test_any_number_of_processes_ends_with_the_same_weights(place: Place, tiny_encoder: Path, more: tuple[object, ...]) -> None:
    for n in (1, 2, 3):
        check_done(place.train(n, *more))
    one, steps = place.read("out1"), place.read_steps("out1")
    begun = {f"bert.{name}": weight for name, weight in load_file(tiny_encoder / "model.safetensors").items()}
    assert measure_distance(begun, {name: one[name] for name in begun}) > 1e-3
    for n in (2, 3):
        assert measure_distance(one, place.read(f"out{n}")) < 1e-5
        for mine, theirs in zip(steps, place.read_steps(f"out{n}"), strict=True):
            assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
            assert {k: v for k, v in mine.items() if k != "loss"} == {k: v for k, v in theirs.items() if k != "loss"}


def test_folds_come_to_the_same_scores_in_any_number_of_processes(place: Place) -> None:
    for n in (1, 2):
        check_done(place.train(n, "--folds", 2, "--epochs", 1))
    assert measure_distance(place.read("out1"), place.read("out2")) < 1e-5
    one, two = (np.load(place.folder / name / "out_of_fold.npy") for name in ("out1", "out2"))
    assert np.abs(one - two).max() < 1e-5
    assert len(one) == 130


def test_processes_that_outnumber_the_reviews_of_a_batch_end_with_the_same_weights(place: Place) -> None:
    for n in (1, 4):
        check_done(place.train(n, "--batch-size", 2, "--epochs", 1))
    assert min(step["n_reviews"] for step in place.read_steps("out4")) < 3
    assert measure_distance(place.read("out1"), place.read("out4")) < 1e-5


def test_each_process_drops_out_by_itself_and_a_run_can_be_repeated(server: Server, tmp_path: Path, tiny_encoder: Path) -> None:
    place = Place(server, tmp_path, tiny_encoder)
    check_done(place.train(2, name="first"))
    check_done(place.train(2, name="second"))
    assert measure_distance(place.read("first"), place.read("second")) == 0.0


def test_weights_of_the_real_encoder_agree(server: Server, tmp_path: Path) -> None:
    from polarity_cli.sample.encoder import find_sample_encoder

    place = Place(server, tmp_path, silence(find_sample_encoder()[0], tmp_path / "encoder"))
    for n in (1, 2):
        check_done(place.train(n, "--epochs", 1, "--learning-rate", 1e-4))
    assert measure_distance(place.read("out1"), place.read("out2")) < 1e-5


@pytest.mark.parametrize("n_rows", [1, 3, 53])
def test_evaluation_counts_every_row_once(server: Server, tmp_path: Path, tiny_checkpoint: Path, n_rows: int) -> None:
    write_csv(tmp_path / "reviews.csv", make_reviews(n_rows, seed=n_rows))
    found = []
    for n in (1, 2, 3, 4):
        reports = server.run(
            n,
            *("evaluate", tiny_checkpoint, "reviews.csv", "--split", "all", "--json", "--errors", f"mistakes{n}.csv"),
            cwd=tmp_path,
            environments=[{"POLARITY_CACHE": str(tmp_path / "cache")}] * n,
        )
        check_done(reports)
        assert [report.stdout for report in reports[1:]] == [""] * (n - 1)
        found.append(json.loads(reports[0].stdout)["metrics"])
        assert (tmp_path / f"mistakes{n}.csv").read_bytes() == (tmp_path / "mistakes1.csv").read_bytes()
    assert found[0]["n"] == n_rows
    assert found == [found[0]] * 4  # to the last digit


def test_every_batch_is_in_the_shard_of_one_process() -> None:
    for n_batches in range(12):
        for n in range(1, 6):
            states: list[Any] = [SimpleNamespace(num_processes=n, process_index=index) for index in range(n)]
            shards = [list(World(state).shard(range(n_batches), lambda batch: 1)) for state in states]
            assert sorted(batch for part in shards for batch, _ in part) == list(range(n_batches))
            if n_batches:
                assert sum(count for _, count in shards[0]) == n_batches  # what the main process shows as done


def open_claims(port: int) -> Claims:
    store = torch.distributed.TCPStore("127.0.0.1", port, is_master=False)  # type: ignore[attr-defined]
    return Claims(store, "batches")


def claim_until(folder: Path, port: int, n_batches: int, n_processes: int) -> tuple[list[int], int]:
    claims = open_claims(port)
    (folder / f"ready-{os.getpid()}").touch()
    while len(list(folder.glob("ready-*"))) < n_processes:
        time.sleep(0.001)
    begun: list[int] = []
    claimed = list(claim_batches(range(n_batches), claims, begun.append, lambda batch: 1))
    return claimed, sum(begun)


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a store, such as the processes of a run meet at; it is there while the test runs."""
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    yield store.port
    del store


def test_every_batch_is_claimed_by_one_process(tmp_path: Path, port: int) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = list(pool.map(claim_until, [tmp_path] * 3, [port] * 3, [5_000] * 3, [3] * 3))
    assert all(claimed for claimed, _ in results)
    assert sorted(number for claimed, _ in results for number in claimed) == list(range(5_000))
    assert [n_begun for _, n_begun in results] == [5_000] * 3  # each knows how far all are


def test_nothing_is_left_to_do_once_a_process_has_failed(port: int) -> None:
    one, other = open_claims(port), open_claims(port)
    assert [one.claim(), other.claim()] == [0, 1]
    other.close()
    assert list(claim_batches(range(5), one, lambda n: None, lambda batch: 1)) == []


def find_files(folder: Path, name: str) -> list[Path]:
    return sorted(path for path in folder.rglob(name) if not path.parent.name.startswith("."))


def test_features_are_made_together_once_and_mapped_by_all(place: Place) -> None:
    check_done(place.train(1, name="alone"))
    reports = place.train(3, name="three")
    check_done(reports)
    alone, three = (find_files(place.folder / f"{name}-cache", "hidden.f16") for name in ("alone", "three"))
    assert len(three) == 3  # train, validation, test
    assert [path.parent.name for path in three] == [path.parent.name for path in alone]
    assert list(map(hash_file, three)) == list(map(hash_file, alone))
    for report in reports:
        assert {Path(path).name for path in report.written if "/features/" in path and path.endswith(".f16")} == {"hidden.f16"}
        assert sorted({path for path in report.mapped if path.endswith(".f16")}) == [str(path) for path in three]
    again = place.train(2, name="three")
    check_done(again)
    assert not any(path.endswith(".f16") for report in again for path in report.written)


def test_only_the_main_process_writes_and_speaks(place: Place) -> None:
    main, *others = place.train(3, "--track", "tensorboard", name="out")
    check_done([main, *others])
    assert "Epoch 2 of 2" in main.stderr
    assert "checkpoint" in main.stdout
    assert len(find_files(place.folder / "out-cache", "model.safetensors")) == 1
    assert len(find_files(place.folder / "out-cache", "events.out.tfevents.*")) == 2  # the scalars and the settings
    assert any(Path(path).parent.name == "data" for path in main.written)
    for other in others:
        assert (other.stdout, other.stderr) == ("", "")
        mine = {path for path in other.written if str(place.folder) in path}
        assert all(path.endswith("hidden.f16") or "/seen/" in path or "/locks/group-" in path for path in mine), mine
    assert not list((place.folder / "out-cache" / "locks").glob("group-*"))


def test_machines_with_caches_of_their_own_each_prepare_and_pass(place: Place) -> None:
    check_done(place.train(1))
    caches = [place.folder / "first", place.folder / "second"]
    environments = [{"POLARITY_CACHE": str(caches[rank % 2])} for rank in range(4)]
    check_done(place.train(4, name="apart", environments=environments))
    assert measure_distance(place.read("out1"), place.read("apart")) < 1e-5
    for cache in caches:
        assert len(find_files(cache, "hidden.f16")) == 3
        assert len(find_files(cache, "train.arrow")) == 1
    assert not (caches[1] / "checkpoints").exists()


def test_machines_that_share_a_cache_leave_the_features_to_the_first(place: Place) -> None:
    check_done(place.train(1))
    reports = place.train(3, name="shared", machines=["first", "second", "first"])
    check_done(reports)
    assert measure_distance(place.read("out1"), place.read("shared")) < 1e-5
    has_written = [any(path.endswith("hidden.f16") for path in report.written) for report in reports]
    assert has_written == [True, False, True]


def test_machines_with_another_encoder_are_refused_though_it_has_the_same_tokens(place: Place) -> None:
    folders = [place.folder / name for name in ("first", "second")]
    for seed, folder in enumerate(folders):
        shutil.copytree(place.encoder, folder / "encoder")
        torch.manual_seed(seed)
        weights = {name: torch.randn_like(weight) for name, weight in load_file(folder / "encoder" / "model.safetensors").items()}
        save_file(weights, folder / "encoder" / "model.safetensors", {"format": "pt"})
        shutil.copy(place.folder / "reviews.csv", folder)
    for _ in range(2):  # the second time with tokens in both caches
        reports = place.server.run(
            2,
            *("train", "reviews.csv", "--encoder", "encoder", "--no-graphs"),
            cwd=place.folder,
            folders=list(map(str, folders)),
            environments=[{"POLARITY_CACHE": str(folder / "cache")} for folder in folders],
        )
        assert "".join(report.stderr for report in reports).count("hold something else") == 1


def test_machines_with_other_reviews_are_refused(place: Place) -> None:
    other = place.folder / "other"
    other.mkdir()
    write_csv(other / "reviews.csv", make_reviews(130, seed=5))
    environments = [{"POLARITY_CACHE": str(place.folder / name)} for name in ("first", "second")]
    reports = place.server.run(
        2,
        "train",
        "reviews.csv",
        "--encoder",
        place.encoder,
        cwd=place.folder,
        environments=environments,
        folders=["", str(other)],
    )
    assert sorted(report.code for report in reports)[0] == 2
    assert "".join(report.stderr for report in reports).count("hold something else") == 1


def test_mpi_starts_processes_too(place: Place) -> None:
    check_done(place.train(1))
    check_done(place.train(2, by_mpi=True))
    assert measure_distance(place.read("out1"), place.read("out2")) < 1e-5


def test_run_goes_on_with_another_number_of_processes(place: Place) -> None:
    check_done(place.train(1))
    broken = place.train(2, name="out", breaks={"SIGKILL": [1, 17]})
    assert [report.code for report in broken] == [76, -9]
    assert "What was learned up to step 16 is kept." in broken[0].stderr
    assert "Go on with: polarity train" in broken[0].stderr
    (run,) = (place.folder / "out-cache" / "runs").iterdir()
    assert len(find_states(run)) == 1
    reports = place.train(3, name="out")
    check_done(reports)
    assert "Going on after step 16 of" in reports[0].stderr
    assert "processes 2, now 3" in reports[0].stderr
    assert measure_distance(place.read("out1"), place.read("out")) < 1e-5


def test_run_of_one_process_goes_on_with_two(place: Place) -> None:
    check_done(place.train(2))
    broken = place.train(1, name="out", breaks={"SIGTERM": [0, 9]})
    assert broken[0].code == 143
    check_done(place.train(2, name="out"))
    assert measure_distance(place.read("out2"), place.read("out")) < 1e-5


def test_traceback_is_shown_once(place: Place) -> None:
    reports = place.train(3, breaks={"raise": [1, 5]})
    assert [report.code for report in reports] == [76, 1, 76]
    assert reports[1].stderr.count("Traceback") == 1
    assert "ZeroDivisionError: a bug" in reports[1].stderr
    assert "Another process of this run ended." in reports[0].stderr
    assert "Traceback" not in reports[0].stderr
    assert reports[2].stderr == ""


@pytest.mark.parametrize("more", [("--unfreeze", 9), ("--nonsense",), ("--learning-rate", 1e30)], ids=str)
def test_error_that_all_meet_is_said_once(place: Place, more: tuple[object, ...]) -> None:
    reports = place.train(3, *more)
    said = [line for report in reports for line in report.stderr.splitlines() if "polarity:" in line or "No such option" in line]
    assert len(said) == 1, said
    assert reports[0].code == (1 if "--learning-rate" in more else 2)
