"""Run the real clients of the Hugging Face Hub against the small one: what they load, fetch and raise."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.hub import Hub, build_amazon_polarity, build_tiny_bert

MODEL, DATASET = "bert-base-uncased", "fancyzhx/amazon_polarity"
STREAM = f'load_dataset({DATASET!r}, split="train", streaming=True, revision="main")'
# Arrow reads up to 32 MiB of neighbouring row groups at once, and fsspec 5 MiB past them; resharded, each is alone.
STREAM_BY_GROUP = STREAM[:-1] + ', storage_options={"hf": {"block_size": 2**14}}).reshard()'

# Arrow may still be reading ahead when a client has its rows; an interpreter that then shuts down can abort or
# hang, so the client leaves at once.
EPILOGUE = "\nimport json, os\nprint(json.dumps(result), flush=True)\nos._exit(0)\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build a model and 6 MB of reviews: four shards, each of forty row groups of 250 rows."""
    root = tmp_path_factory.mktemp("repositories")
    build_tiny_bert(root / "model")
    build_amazon_polarity(root / "reviews", n_train=40_000, n_test=200, rows_per_group=250, n_shards=4)
    return root / "model", root / "reviews"


@pytest.fixture
def hub(folders: tuple[Path, Path]) -> Iterator[Hub]:
    """Serve the two repositories to one test."""
    with Hub(models={MODEL: folders[0]}, datasets={DATASET: folders[1]}) as hub:
        yield hub


def run_client(hub: Hub, home: Path, code: str) -> Any:
    """Return the `result` that client code sets, which must be JSON."""
    command = [sys.executable, "-c", code + EPILOGUE]
    done = subprocess.run(command, env=hub.environment(home), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def ask(hub: Hub, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    """Return the hub's answer to a request made without a client, and its body."""
    connection = HTTPConnection(hub.endpoint.removeprefix("http://"), timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_transformers_loads_model_and_tokenizer(hub: Hub, tmp_path: Path) -> None:
    code = f"""
from transformers import AutoModelForSequenceClassification, AutoTokenizer
model = AutoModelForSequenceClassification.from_pretrained({MODEL!r})
tokenizer = AutoTokenizer.from_pretrained({MODEL!r})
logits = model(**tokenizer("What a great book!", return_tensors="pt")).logits
result = [type(model).__name__, list(logits.shape), tokenizer.tokenize("What a great BOOK!")]
"""
    name, shape, tokens = run_client(hub, tmp_path, code)
    assert (name, shape) == ("BertForSequenceClassification", [1, 2])
    assert tokens == ["w", "##h", "##a", "##t", "a", "great", "book", "!"]
    assert hub.n_bytes("model.safetensors") == len(hub.models[MODEL].files["model.safetensors"])
    assert "added_tokens.json" not in hub.models[MODEL].files
    assert {request.status for request in hub.requests if request.path.endswith("added_tokens.json")} == {404}


def test_tiny_bert_keeps_pooler_and_is_the_same_each_time(folders: tuple[Path, Path], tmp_path: Path) -> None:
    torch.rand(1)  # the weights shall not depend on what was drawn before
    build_tiny_bert(tmp_path)
    again, first = (folder / "model.safetensors" for folder in (tmp_path, folders[0]))
    assert again.read_bytes() == first.read_bytes()
    assert b'"pooler.dense.weight"' in first.read_bytes()


def test_api_gives_commits_files_and_listings(hub: Hub, tmp_path: Path) -> None:
    code = f"""
from huggingface_hub import HfApi
api = HfApi()
model, dataset = api.model_info({MODEL!r}), api.dataset_info({DATASET!r})
pinned = api.dataset_info({DATASET!r}, revision=dataset.sha).sha
names = [sibling.rfilename for sibling in model.siblings]
top = [entry.path for entry in api.list_repo_tree({DATASET!r}, repo_type="dataset")]
all = [entry.path for entry in api.list_repo_tree({DATASET!r}, repo_type="dataset", recursive=True)]
sizes = [info.size for info in api.get_paths_info({DATASET!r}, ["README.md", "x"], repo_type="dataset")]
result = [model.sha, dataset.sha, pinned, names, top, all, sizes]
"""
    model_sha, dataset_sha, pinned, names, top, everything, sizes = run_client(hub, tmp_path, code)
    reviews = hub.datasets[DATASET]
    assert (model_sha, dataset_sha, pinned) == (hub.models[MODEL].sha, reviews.sha, reviews.sha)
    assert names == list(hub.models[MODEL].files)
    assert sorted(top) == ["README.md", "amazon_polarity"]
    assert sorted(everything) == sorted(["amazon_polarity", *reviews.files])
    assert sizes == [len(reviews.files["README.md"])]


@pytest.mark.parametrize(("stream", "share"), [(STREAM, 0.3), (STREAM_BY_GROUP, 0.15)])
def test_streaming_gives_first_rows_for_few_bytes(
    hub: Hub, folders: tuple[Path, Path], tmp_path: Path, stream: str, share: float
) -> None:
    n_rows = 600  # more than two row groups
    code = f"""
import pyarrow.parquet as pq
from datasets import load_dataset
rows = {stream}
expected = pq.read_table({str(folders[1] / "amazon_polarity" / "train-00000-of-00004.parquet")!r})
n_examples = {{name: split.num_examples for name, split in rows.info.splits.items()}}
same = list(rows.take({n_rows})) == expected.slice(0, {n_rows}).to_pylist()
result = [same, rows.features["label"].names, n_examples]
"""
    assert run_client(hub, tmp_path, code) == [True, ["negative", "positive"], {"train": 40_000, "test": 200}]
    n_all = sum(len(content) for path, content in hub.datasets[DATASET].files.items() if "/train-" in path)
    assert 0 < hub.n_bytes(".parquet") < share * n_all


def test_missing_repository_file_and_revision_have_their_own_errors(hub: Hub, tmp_path: Path) -> None:
    code = f"""
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

def raises(error, function, *args, **options):
    try:
        function(*args, **options)
    except error:
        return True

result = [
    raises(RepositoryNotFoundError, HfApi().model_info, "no/such-model"),
    raises(RepositoryNotFoundError, HfApi().dataset_info, {MODEL!r}),
    raises(RepositoryNotFoundError, hf_hub_download, "no/such-model", "config.json"),
    raises(RemoteEntryNotFoundError, hf_hub_download, {MODEL!r}, "no-such-file.json"),
    raises(RevisionNotFoundError, HfApi().model_info, {MODEL!r}, revision="no-such-branch"),
]
"""
    assert run_client(hub, tmp_path, code) == [True] * 5


def test_range_requests_get_their_part(hub: Hub) -> None:
    content = hub.models[MODEL].files["config.json"]
    path, size = f"/{MODEL}/resolve/main/config.json", len(content)
    for requested, part in {"bytes=5-9": content[5:10], f"bytes={size - 3}-{size + 9}": content[-3:]}.items():
        response, body = ask(hub, path, Range=requested)
        assert (response.status, body) == (206, part)
    assert response.headers["Content-Range"] == f"bytes {size - 3}-{size - 1}/{size}"
    beyond, _ = ask(hub, path, Range=f"bytes={size}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert [request.n_bytes for request in hub.requests] == [5, 3, 0]


def test_head_gives_size_etag_and_commit_without_body(hub: Hub) -> None:
    response, body = ask(hub, f"/{MODEL}/resolve/main/config.json", method="HEAD")
    content = hub.models[MODEL].files["config.json"]
    assert (response.headers["Content-Length"], body) == (str(len(content)), b"")
    assert response.headers["X-Repo-Commit"] == hub.models[MODEL].sha
    assert response.headers["ETag"].strip('"') == hub.models[MODEL].entries["config.json"]["oid"]
    assert hub.n_bytes() == 0


def test_nothing_outside_the_folder_is_served(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    os.symlink(tmp_path / "secret", tmp_path / "model" / "link")
    with Hub(models={"m": tmp_path / "model"}, datasets={}) as hub:
        for path in ("link", "../secret", "..%2Fsecret", "%2E%2E/secret", str(tmp_path / "secret")):
            assert ask(hub, f"/m/resolve/main/{path}")[0].status == 404
        assert list(hub.models["m"].files) == ["config.json"]


def test_commit_changes_with_the_content_alone(tmp_path: Path) -> None:
    for name, content in {"a": "1", "b": "1", "c": "2"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(content)
    with Hub(models={name: tmp_path / name for name in "abc"}, datasets={}) as hub:
        a, b, c = (hub.models[name].sha for name in "abc")
    assert a == b != c
    assert len(a) == 40
