"""The verbs as functions, and the examples in the docstrings, run as they stand."""

from __future__ import annotations

import copy
import doctest
import pickle
from pathlib import Path

import pytest

from polarity_cli import DataConfig, PolarityError, PredictConfig, TrainConfig, prepare, train
from polarity_cli.api import predictor, runs
from polarity_cli.errors import InterruptedRunError, UsageError, WorkerError


@pytest.mark.parametrize("module", [predictor, runs], ids=["predictor", "runs"])
def test_examples_in_docstrings_run_as_they_stand(
    module: object,
    tiny_checkpoint: Path,
    tiny_encoder: Path,
    reviews_csv: Path,
    tmp_path: Path,
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ckpt").symlink_to(tiny_checkpoint)
    (tmp_path / "encoder").symlink_to(tiny_encoder)
    done = doctest.testmod(module, globs={}, optionflags=doctest.NORMALIZE_WHITESPACE)  # type: ignore[arg-type]
    assert done.attempted >= 5
    assert done.failed == 0


def test_cache_folder_is_that_of_the_environment(
    tiny_encoder: Path, reviews_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLARITY_CACHE", str(tmp_path / "named"))
    prepared = prepare(DataConfig(source=str(reviews_csv), encoder=str(tiny_encoder)))
    assert prepared.folder.is_relative_to(tmp_path / "named")


def test_files_need_an_output(reviews_csv: Path) -> None:
    with pytest.raises(UsageError, match="no output"):
        runs.predict(PredictConfig(input=(str(reviews_csv),)))
    with pytest.raises(UsageError, match="no input"):
        runs.predict(PredictConfig(output=Path("out.csv")))


def test_texts_and_lists_serve_as_paths_and_tuples(
    tiny_checkpoint: Path, reviews_csv: Path, tmp_path: Path, cache_dir: Path
) -> None:
    asked = PredictConfig(
        checkpoint=str(tiny_checkpoint),
        input=str(reviews_csv),  # type: ignore[arg-type]
        text=["content"],  # type: ignore[arg-type]
        output=str(tmp_path / "labelled.csv"),  # type: ignore[arg-type]
    )
    assert runs.predict(asked).n_records == 60
    assert (tmp_path / "labelled.csv").read_text(encoding="utf-8").count("\n") == 61


def test_a_recipe_that_is_only_named_is_refused(reviews_csv: Path, tiny_encoder: Path) -> None:
    data = DataConfig(source=str(reviews_csv), encoder=str(tiny_encoder))
    with pytest.raises(UsageError, match="names a recipe and has the values of another"):
        train(TrainConfig(data=data, recipe="article", unfreeze=0))


def test_what_is_no_config_is_refused_in_words() -> None:
    with pytest.raises(TypeError, match=r"Found str; expected a config, such as DataConfig\(source='reviews.csv'\)"):
        prepare("reviews.csv")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        UsageError("wrong", hint="do it"),
        WorkerError("failed", exit_code=3, hint="again"),
        InterruptedRunError(15, kept="All is kept", goes_on=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_from_other_processes(error: PolarityError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert (str(again), again.__dict__) == (str(error), error.__dict__)
