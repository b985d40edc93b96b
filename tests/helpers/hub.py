"""Serve a small Hugging Face Hub on the loopback address, and build small repositories for it.

Its clients read `HF_ENDPOINT` when imported, so a test runs them in a subprocess with `Hub.environment`.
"""

import os
import random
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.helpers.hub_faults import Answer, Fault, Faults
from tests.helpers.hub_repository import Repository, found, missing
from tests.helpers.hub_uploads import Uploads, Written

TOKENS = """\
[PAD] [UNK] [CLS] [SEP] [MASK]
a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 . , ! ? ' -
the it is was this that my we you of to in on for with and but so very not book film
awful bad boring broken poor refund waste worst
amazing best excellent good great love perfect superb"""
SPECIAL_TOKENS, SIGNS, COMMON_WORDS, *LABEL_WORDS = (line.split() for line in TOKENS.splitlines())

# Slashes inside a revision or a folder come quoted, so a route is matched before it is unquoted.
API_ROUTE = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<id>[^/]+(?:/[^/]+)??)"
    r"(?:/(?P<what>revision|tree|paths-info)/(?P<revision>[^/]+)(?:/(?P<path>.+))?)?"
)
FILE_ROUTE = re.compile(r"/(?:(?P<kind>datasets)/)?(?P<id>[^/]+(?:/[^/]+)?)/(?P<what>resolve)/(?P<revision>[^/]+)/(?P<path>.+)")


@dataclass(frozen=True)
class Request:
    """Hold what was asked, its path unquoted and without the query, and the bytes of the answer's body."""

    method: str
    path: str
    status: int
    n_bytes: int


class Hub:
    """Serve folders as Hub repositories while the context is open; each is given by its id."""

    def __init__(self, models: dict[str, Path], datasets: dict[str, Path]) -> None:
        self.models = {repo_id: Repository(folder) for repo_id, folder in models.items()}
        self.datasets = {repo_id: Repository(folder) for repo_id, folder in datasets.items()}
        self.requests: list[Request] = []  # in order; appending needs no lock
        self.faults = Faults()
        self.uploads = Uploads(self.models)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def n_bytes(self, suffix: str = "") -> int:
        """Return how many bytes were sent for the paths that end in `suffix`."""
        return sum(request.n_bytes for request in self.requests if request.path.endswith(suffix))

    def environment(self, home: Path) -> dict[str, str]:
        """Return the variables for a client that knows no other Hub, keeps its cache in `home`, and may write."""
        # The user's own cache, token or offline switch would change what a test sees.
        foreign = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}
        return inherited | own | {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}

    def answer(self, path: str, query: dict[str, list[str]], byte_range: str) -> Answer:
        """Return the answer to a path that is still quoted; `query` holds a posted form too."""
        route = API_ROUTE.fullmatch(path) or FILE_ROUTE.fullmatch(path)
        if route is None:
            return missing("")
        repo_id, revision, within = (unquote(route[name] or "") for name in ("id", "revision", "path"))
        repository = (self.datasets if route["kind"] == "datasets" else self.models).get(repo_id)
        if repository is None:
            return missing("RepoNotFound")
        if revision not in ("", "main", repository.sha):
            return missing("RevisionNotFound")
        if route["what"] == "resolve":
            return repository.read_file(within, byte_range)
        if route["what"] == "tree":
            return repository.read_tree(within, recursive=query.get("recursive") == ["true"])
        if route["what"] == "paths-info":
            asked = query.get("paths", [])
            return found([repository.entries[path] for path in asked if path in repository.entries])
        siblings = [{"rfilename": path} for path in repository.files]
        about = {"id": repo_id, "sha": repository.sha, "private": repository.private, "cardData": repository.card_data}
        return found({**about, "siblings": siblings})


class _Handler(BaseHTTPRequestHandler):
    """Pass requests on to a hub and note them there."""

    protocol_version = "HTTP/1.1"  # connections stay open, as the real Hub's do
    disable_nagle_algorithm = True  # headers and body are two writes; the second shall not wait

    def __init__(self, hub: Hub, *args: Any) -> None:
        self.hub = hub
        super().__init__(*args)

    def handle(self) -> None:
        """Serve a connection until the client leaves, at whatever moment that is."""
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        """Answer; a HEAD request gets the headers alone."""
        url = urlsplit(self.path)
        path = unquote(url.path)
        fault = self.hub.faults.take(self.command, path)
        body = self._read_body(fault)
        if body is None:
            self.hub.requests.append(Request(self.command, path, 0, 0))
            self.close_connection = True
            return
        written = Written(self.command, url.path, body, self.headers.get("Authorization", ""))
        answer = None if fault is not None and fault.is_lost_before else self.hub.uploads.answer(written, self.hub.endpoint)
        if answer is None:
            is_form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
            form = body.decode() if is_form else ""
            answer = self.hub.answer(url.path, parse_qs(f"{url.query}&{form}"), self.headers.get("Range", ""))
        self._send(path, fault.change(*answer) if fault is not None else answer, fault)

    def _read_body(self, fault: Fault | None) -> bytes | None:
        """Return what was sent with a request; None where a fault cuts the connection in the middle of it."""
        n_bytes = int(self.headers.get("Content-Length", "0"))
        if fault is None or fault.cut_body_after is None:
            return self.rfile.read(n_bytes)
        self.rfile.read(min(fault.cut_body_after, n_bytes))
        return None

    def _send(self, path: str, answer: Answer, fault: Fault | None) -> None:
        status, headers, body = answer
        sent = b"" if self.command == "HEAD" else body if fault is None else body[: fault.cut_after]
        # Noted before it is sent, so that a client that has its answer finds it among the requests.
        self.hub.requests.append(Request(self.command, path, status, len(sent)))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)
        if fault is not None and fault.cut_after is not None:
            self.wfile.flush()
            time.sleep(fault.stall_s)
            self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' standard error free of requests."""


def build_tiny_bert(folder: Path) -> None:
    """Write a random BERT of four blocks, with its pooler, and an uncased WordPiece tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    tokens = dict.fromkeys([*TOKENS.split(), *(f"##{sign}" for sign in SIGNS)])
    ids = {token: i for i, token in enumerate(tokens)}
    sizes = BertConfig(vocab_size=len(ids), hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=64)
    with torch.random.fork_rng():  # leaves the caller's random numbers as they were
        torch.manual_seed(0)
        BertModel(sizes).save_pretrained(folder)
    BertTokenizer(vocab=ids, model_max_length=512).save_pretrained(folder)


def build_amazon_polarity(folder: Path, *, n_train: int, n_test: int, rows_per_group: int, n_shards: int) -> None:
    """Write random reviews, laid out as `fancyzhx/amazon_polarity`, with `n_shards` files for train."""
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]

    generator = random.Random(0)
    sizes: list[int] = []
    (folder / "amazon_polarity").mkdir(parents=True)
    for split, n_rows, n_parts in (("train", n_train, n_shards), ("test", n_test, 1)):
        table = pa.table(_make_reviews(generator, n_rows))
        sizes += [table.nbytes, n_rows]
        for part in range(n_parts):
            first, end = n_rows * part // n_parts, n_rows * (part + 1) // n_parts
            path = folder / "amazon_polarity" / f"{split}-{part:05}-of-{n_parts:05}.parquet"
            pq.write_table(table.slice(first, end - first), path, row_group_size=rows_per_group)
    (folder / "README.md").write_text(AMAZON_POLARITY_CARD % tuple(sizes))


def _make_reviews(generator: random.Random, n_rows: int) -> dict[str, list[int] | list[str]]:
    """Return the columns of random reviews; a quarter of the words tells the label."""
    labels = [generator.randrange(2) for _ in range(n_rows)]
    titles = [" ".join(generator.choices(COMMON_WORDS + LABEL_WORDS[label], k=4)) for label in labels]
    contents = [" ".join(generator.choices(COMMON_WORDS + LABEL_WORDS[label], k=70)) for label in labels]
    return {"label": labels, "title": titles, "content": contents}


AMAZON_POLARITY_CARD = """\
---
dataset_info:
  config_name: amazon_polarity
  features:
  - name: label
    dtype: {class_label: {names: {'0': negative, '1': positive}}}
  - {name: title, dtype: string}
  - {name: content, dtype: string}
  splits:
  - {name: train, num_bytes: %d, num_examples: %d}
  - {name: test, num_bytes: %d, num_examples: %d}
configs:
- config_name: amazon_polarity
  data_files:
  - {split: train, path: amazon_polarity/train-*}
  - {split: test, path: amazon_polarity/test-*}
---
"""


def build_configured_set(folder: Path) -> None:
    """Write a set of two configurations: `stars`, whose test split has no labels, and `plain`, which has no test split."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    generator = random.Random(1)
    sizes = {"stars": {"train": 60, "validation": 20, "test": 30}, "plain": {"train": 40, "validation": 10}}
    for config, splits in sizes.items():
        (folder / config).mkdir(parents=True)
        for split, n_rows in splits.items():
            columns: dict[str, list[int] | list[str]] = _make_reviews(generator, n_rows)
            if (config, split) == ("stars", "test"):
                columns["label"] = [-1] * n_rows
            pq.write_table(pa.table(columns), folder / config / f"{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text(CONFIGURED_CARD)


CONFIGURED_CARD = """\
---
dataset_info:
- config_name: stars
  features:
  - name: label
    dtype: {class_label: {names: {'0': negative, '1': positive}}}
  - {name: title, dtype: string}
  - {name: content, dtype: string}
- config_name: plain
  features:
  - {name: label, dtype: int64}
  - {name: title, dtype: string}
  - {name: content, dtype: string}
configs:
- config_name: stars
  data_files:
  - {split: train, path: stars/train-*}
  - {split: validation, path: stars/validation-*}
  - {split: test, path: stars/test-*}
- config_name: plain
  data_files:
  - {split: train, path: plain/train-*}
  - {split: validation, path: plain/validation-*}
---
"""
