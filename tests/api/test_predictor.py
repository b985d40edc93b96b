"""A checkpoint as a function: the answers of `polarity predict`, in kind, from any thread and process."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polarity_cli import Prediction, Predictor
from polarity_cli.errors import CheckpointError, UsageError
from tests.helpers.commands import REPOSITORY, Outcome

GOOD, BAD = "superb great best", "awful boring worst"
AWKWARD = [
    GOOD,
    BAD,
    "",
    " \t\n ",
    "great " * 3000,
    "awful " + "x" * 100_000,
    "\U0001f600 great \u2764\ufe0f",
    "nul\0l great",
    "\ufeffbest",
    "multiple\nlines\r\nawful",
    "\u202egnirob",
]


@pytest.fixture
def predictor(tiny_checkpoint: Path, cache_dir: Path) -> Predictor:
    return Predictor(tiny_checkpoint)


def test_answers_come_in_kind(predictor: Predictor) -> None:
    assert isinstance(predictor(GOOD), Prediction)
    assert [found.label for found in predictor([GOOD, BAD])] == ["positive", "negative"]
    assert predictor((GOOD, BAD)) == predictor(np.array([GOOD, BAD])) == predictor(pa.array([GOOD, BAD]))
    assert predictor([GOOD, BAD]) == predictor(np.array([GOOD, BAD], dtype=object))
    assert predictor([]) == []
    assert [found.label for found in predictor([None, float("nan"), np.nan, GOOD])] == ["", "", "", "positive"]


def test_series_of_pandas_are_texts(predictor: Predictor) -> None:
    pd = pytest.importorskip("pandas")
    for series in (pd.Series([GOOD, None], index=[7, 3]), pd.Series([GOOD, None], dtype="string"), pd.Series([GOOD, pd.NA])):
        assert [found.label for found in predictor(series)] == ["positive", ""]
    assert predictor(pd.Series([BAD, BAD], dtype="category"))[1].label == "negative"


@pytest.mark.parametrize("threads", [None, 1])
def test_labels_and_scores_are_those_of_the_command(
    polarity: Callable[..., Outcome], tiny_checkpoint: Path, tmp_path: Path, threads: int | None
) -> None:
    table = pa.table({"title": ["Great", None, *[""] * len(AWKWARD)], "content": ["awful love", "best", *AWKWARD]})
    pq.write_table(table, tmp_path / "in.parquet")
    outcome = polarity(
        "predict", "--checkpoint", tiny_checkpoint, "--input", tmp_path / "in.parquet", "--output", tmp_path / "out.parquet"
    )
    assert outcome.code == 0, outcome.stderr
    expected = pq.read_table(tmp_path / "out.parquet")
    found = Predictor(tiny_checkpoint, threads=threads)(table)
    assert found.schema == expected.schema
    assert found.drop_columns("score") == expected.drop_columns("score")
    for ours, theirs in zip(found["score"].to_pylist(), expected["score"].to_pylist(), strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or abs(ours - theirs) < 2e-6


def test_lone_surrogate_is_read_as_the_command_reads_it(predictor: Predictor) -> None:
    assert predictor("great \ud800 love") == predictor("great \ufffd love")


def test_options_are_those_of_the_command(tiny_checkpoint: Path, cache_dir: Path) -> None:
    score = Predictor(tiny_checkpoint)(GOOD).score
    assert score is not None
    assert Predictor(tiny_checkpoint, threshold=(1 + score) / 2)(GOOD).label == "negative"
    assert Predictor(tiny_checkpoint, min_confidence=(1 + score) / 2)(GOOD).label == "uncertain"
    assert Predictor(tiny_checkpoint, positive_class="negative")(GOOD).label == "negative"
    assert sorted(Predictor(tiny_checkpoint, prefix="p_")({"text": [GOOD]})) == ["p_label", "p_score", "text"]
    for wrong in ({"threshold": 3}, {"precision": "int4"}, {"min_confidence": 2}, {"threads": 0}):
        with pytest.raises(UsageError):
            Predictor(tiny_checkpoint, **wrong)
    with pytest.raises(CheckpointError, match="no such folder") as caught:
        Predictor(tiny_checkpoint / "elsewhere")
    assert "polarity train" in str(caught.value.__notes__)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3, "Found int"),
        (None, "Found NoneType"),
        (b"great", "Found bytes"),
        ([GOOD, b"great"], "Text 2 is bytes.*decode"),
        ([GOOD, 3], "Text 2 is int"),
        (np.array([1, 2]), "Text 1 is int"),
        (np.array([[GOOD]]), r"2 dimensions, \(1, 1\)"),
        (np.array(GOOD), "0 dimensions"),
        ([[GOOD]], "Text 1 is list"),
        (iter([GOOD]), r"list_iterator.*list\(...\)"),
        ({"text": GOOD}, "Column 'text' is str.*map_batches"),
        ({1: [GOOD]}, "called 1"),
    ],
)
def test_what_is_no_text_is_refused_in_words(predictor: Predictor, value: object, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        predictor(value)


def test_predictor_is_pickled_with_its_options_alone(
    tiny_checkpoint: Path, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_checkpoint.parent)
    predictor = Predictor(tiny_checkpoint.name, threads=1, min_confidence=0.5)
    expected = predictor([GOOD, BAD])
    pickled = pickle.dumps(predictor)
    assert len(pickled) < 1000
    monkeypatch.chdir(tmp_path)
    for other in (pickle.loads(pickled), copy.deepcopy(predictor), copy.copy(predictor)):
        assert other([GOOD, BAD]) == expected
        assert {**other.get_params(), "checkpoint": None} == {**predictor.get_params(), "checkpoint": None}


def test_default_checkpoint_is_the_same_where_it_arrives(
    tiny_checkpoint: Path, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLARITY_CHECKPOINT", str(tiny_checkpoint))
    pickled = pickle.dumps(Predictor())
    monkeypatch.setenv("POLARITY_CHECKPOINT", str(tmp_path / "other"))
    assert pickle.loads(pickled)(GOOD).label == "positive"


def label_in_child(predictor: Predictor, texts: list[str]) -> list[Prediction]:
    return predictor(texts)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_give_the_same_answers(tiny_checkpoint: Path, cache_dir: Path, method: str) -> None:
    predictor = Predictor(tiny_checkpoint, threads=2)
    texts = [f"{GOOD if n % 3 else BAD} {'great ' * (n % 7)}" for n in range(200)]
    expected = predictor(texts)  # so that threads are there that a forked process has not
    with multiprocessing.get_context(method).Pool(2) as pool:
        for found in pool.starmap_async(label_in_child, [(predictor, texts)] * 2).get(timeout=120):
            assert [answer.label for answer in found] == [answer.label for answer in expected]


_FORKED = """
import os, sys, threading
from polarity_cli import Predictor
predictor = Predictor(sys.argv[1], threads=2)
texts = ["great love", "awful", "x y z", "great"] * 50
labels = [answer.label for answer in predictor(texts)]
child = os.fork()
if child == 0:
    os._exit(0 if [answer.label for answer in predictor(texts)] == labels else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_forked_process_opens_the_model_again(tiny_checkpoint: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORKED, tiny_checkpoint],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "POLARITY_CACHE": str(tmp_path)},
        timeout=120,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


_ALONE = """
import os, sys
from polarity_cli import Predictor
import numpy, onnxruntime, tokenizers
before = len(os.listdir("/proc/self/task"))
Predictor(sys.argv[1], threads=int(sys.argv[2]))([f"great {'love ' * n}" for n in range(100)])
print(len(os.listdir("/proc/self/task")) - before)
"""


def test_one_thread_is_the_callers_own(tiny_checkpoint: Path, tmp_path: Path) -> None:
    started = []
    for threads in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "POLARITY_CACHE": str(tmp_path), "RAYON_NUM_THREADS": "2"}
        command = [sys.executable, "-c", _ALONE, str(tiny_checkpoint), threads]
        done = subprocess.run(command, env=environment, timeout=120, check=True, capture_output=True, text=True)
        started.append(int(done.stdout))
    assert started[0] == 0
    assert started[1] >= 2


def test_several_threads_use_one_predictor(predictor: Predictor) -> None:
    batches = [[f"{GOOD if n % 2 else BAD} {'great ' * (n % 5)}" for n in range(k, k + 40)] for k in range(16)]

    def label(texts: list[str]) -> list[Prediction]:
        return predictor(texts)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(label, batches))  # the first ones load it at the same time
    assert [[a.label for a in part] for part in found] == [[a.label for a in predictor(batch)] for batch in batches]


def test_many_texts_keep_their_order(predictor: Predictor) -> None:
    texts = [GOOD if n % 3 else BAD for n in range(2500)]
    assert [found.label for found in predictor(texts)] == ["positive" if n % 3 else "negative" for n in range(2500)]


def test_text_is_explained(predictor: Predictor) -> None:
    found = predictor.explain(f" {GOOD} ")
    assert found.words is not None
    assert [word for word, _ in found.words] == GOOD.split()
    assert predictor.explain("  ") == Prediction("", None)
    with pytest.raises(TypeError):
        predictor.explain([GOOD])  # type: ignore[arg-type]


def test_foreign_types_need_no_import() -> None:
    code = "import sys; from polarity_cli import Predictor; print({'numpy', 'torch', 'pandas', 'onnxruntime'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_names_of_the_package_are_found_and_others_are_not() -> None:
    import polarity_cli

    for name in polarity_cli.__all__:
        assert getattr(polarity_cli, name).__name__ == name
        assert name in dir(polarity_cli)
    with pytest.raises(AttributeError, match="nothing"):
        polarity_cli.nothing  # noqa: B018


def test_scikit_learn_takes_it(predictor: Predictor) -> None:
    from sklearn.base import clone, is_classifier
    from sklearn.metrics import classification_report
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    texts, truth = [GOOD, BAD, GOOD], ["positive", "negative", "negative"]
    assert predictor.predict(texts).tolist() == ["positive", "negative", "positive"]
    report: Any = classification_report(truth, predictor.predict(texts), output_dict=True)
    assert report["accuracy"] == pytest.approx(2 / 3)
    scores = predictor.predict_proba([*texts, ""])
    assert scores.shape == (4, 2)
    assert scores.dtype == np.float64
    assert predictor.classes_[scores[:3].argmax(axis=1)].tolist() == predictor.predict(texts).tolist()
    assert np.isnan(scores[3]).all()
    assert scores[:3].sum(axis=1) == pytest.approx(1)
    assert predictor.predict_proba([]).shape == (0, 2)
    assert is_classifier(predictor)
    assert clone(predictor) is predictor
    pipeline = make_pipeline(FunctionTransformer(lambda values: [value.replace("great", "awful") for value in values]), predictor)
    assert pipeline.predict(["great"]).tolist() == ["negative"]
    with pytest.warns(UserWarning, match="trained already"):
        assert predictor.fit(texts, truth) is predictor
    with pytest.raises(TypeError, match=r"give \[text\]"):
        predictor.predict(GOOD)


def turn_round(folder: Path) -> None:
    """Make a checkpoint of another program of one: the same weights with the classes' names the other way round."""
    for name in ("polarity.json", "training_texts.u64"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "polarity")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "positive", "1": "negative"}
    config["label2id"] = {"positive": 0, "negative": 1}
    (folder / "config.json").write_text(json.dumps(config))


def test_checkpoint_that_is_replaced_before_the_first_answer_answers_whole(
    tiny_checkpoint: Path, cache_dir: Path, tmp_path: Path
) -> None:
    live, other = tmp_path / "live", tmp_path / "other"
    shutil.copytree(tiny_checkpoint, live)
    shutil.copytree(tiny_checkpoint, other)
    turn_round(other)
    predictor = Predictor(live, precision="fp32")
    before = pickle.dumps(predictor)
    shutil.rmtree(live)
    shutil.copytree(other, live)
    assert predictor(GOOD).label == "negative"
    for again in (live, other):  # nor is anything kept that mixes the two
        assert Predictor(again, precision="fp32")(GOOD).label == "negative"
    assert pickle.dumps(predictor) != before  # caches that go by a pickle notice the other model
    shutil.rmtree(live)
    with pytest.raises(CheckpointError, match="no such folder"):
        pickle.loads(before)(GOOD)


def test_checkpoint_that_is_gone_before_the_first_answer_is_missed_in_words(
    tiny_checkpoint: Path, cache_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "live")
    predictor = Predictor(tmp_path / "live")
    shutil.rmtree(tmp_path / "live")
    with pytest.raises(CheckpointError, match="no such folder"):
        predictor(GOOD)
