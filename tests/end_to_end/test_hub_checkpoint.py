"""Checkpoints by their Hub id, against a Hub on the loopback address: fetched once, checked as folders are, and offline after."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from polarity_cli.inference.graphs import GRAPHS
from tests.helpers.commands import Outcome, run_polarity
from tests.helpers.foreign import ANSWERED, build
from tests.helpers.hub import Hub
from tests.helpers.reviews import make_reviews, write_csv

TEXT = "a great book"


@pytest.mark.slow
def test_checkpoint_on_the_hub_is_predicted_and_evaluated_with_and_then_offline(tiny_checkpoint: Path, tmp_path: Path) -> None:
    build(tmp_path / "theirs", *ANSWERED["roberta"]())
    shutil.copytree(tiny_checkpoint, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    source = write_csv(tmp_path / "reviews.csv", make_reviews(20, seed=3))
    models = {"me/ours": tiny_checkpoint, "them/theirs": tmp_path / "theirs", "them/pickled": tmp_path / "pickled"}
    with Hub(models, {}) as hub:
        run = _make_runner(tmp_path, hub.environment(tmp_path / "hf"))
        answers = {}
        for name, folder in (("me/ours", tiny_checkpoint), ("them/theirs", tmp_path / "theirs")):
            found = run("predict", TEXT, "--json", "--checkpoint", name)
            assert f"Model: {name}\n" in found.stderr
            answers[name] = json.loads(found.stdout)
            assert answers[name]["checkpoint"] == name
            local = json.loads(run("predict", TEXT, "--json", "--checkpoint", folder).stdout)
            assert answers[name]["predictions"] == local["predictions"]
            scored = json.loads(run("evaluate", name, source, "--split", "all", "--json").stdout)
            here = json.loads(run("evaluate", folder, source, "--split", "all", "--json").stdout)
            assert (scored["checkpoint"], scored["metrics"]) == (name, here["metrics"])
        first = run("predict", TEXT, "--checkpoint", "me/ours")
        assert first.stderr == "Model: me/ours\n"  # its own graphs were fetched, so that none is made
        assert {request.path.rpartition("/")[2] for request in hub.requests} >= {*GRAPHS.values(), "polarity.json"}
        n_requests = len(hub.requests)
        for name in ("me/ours", "them/theirs"):
            again = run("predict", TEXT, "--json", "--checkpoint", name, "--offline")
            assert json.loads(again.stdout) == answers[name]
            run("evaluate", name, source, "--split", "all", "--offline")
        assert len(hub.requests) == n_requests
        refused = run("predict", TEXT, "--checkpoint", "them/pickled", code=2)
        assert "them/pickled: no weights in safetensors format" in refused.stderr
        missing = run("predict", TEXT, "--checkpoint", "nobody/nothing", code=1)
        assert "nobody/nothing: not on the Hub" in missing.stderr
        unknown = run("evaluate", "them/unknown", source, "--offline", code=1)
        assert "--offline makes no connection" in unknown.stderr
        (tmp_path / "me").mkdir()
        shutil.copytree(tmp_path / "theirs", tmp_path / "me" / "ours")
        beside = json.loads(run("predict", TEXT, "--json", "--checkpoint", "me/ours").stdout)
        assert beside["predictions"] == answers["them/theirs"]["predictions"]  # a folder of that name comes first


def _make_runner(tmp_path: Path, environment: dict[str, str]) -> Callable[..., Outcome]:
    def run(*args: object, code: int = 0) -> Outcome:
        outcome = run_polarity(*args, cwd=tmp_path, cache=tmp_path / "cache", environment=environment)
        assert outcome.code == code, outcome.stderr
        assert "Traceback" not in outcome.stderr
        return outcome

    return run
