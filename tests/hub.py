"""Serve a small Hugging Face Hub on the loopback address, and build small repositories for it.

Its clients read `HF_ENDPOINT` when imported, so a test runs them in a subprocess with `Hub.environment`.
"""

import hashlib
import json
import os
import random
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

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
BYTE_RANGE = re.compile(r"bytes=(?P<first>\d+)-(?P<last>\d*)")

Answer = tuple[HTTPStatus, dict[str, str], bytes]  # status, headers, body


@dataclass(frozen=True)
class Request:
    """Hold what was asked, its path unquoted and without the query, and the bytes of the answer's body."""

    method: str
    path: str
    status: int
    n_bytes: int


class Repository:
    """Hold the files below a folder as they are now, so that no request can reach any other file."""

    def __init__(self, folder: Path) -> None:
        root = folder.resolve(strict=True)  # a link below may lead out of it
        kept = [file for file in sorted(root.rglob("*")) if file.resolve().is_relative_to(root)]
        self.files = {file.relative_to(root).as_posix(): file.read_bytes() for file in kept if file.is_file()}
        self.entries: dict[str, dict[str, Any]] = {}  # what the Hub's tree says of a path
        for name in {str(above) for path in self.files for above in PurePosixPath(path).parents[:-1]}:
            oid = hashlib.sha1(name.encode()).hexdigest()
            self.entries[name] = {"type": "directory", "path": name, "oid": oid}
        for name, content in self.files.items():
            size, oid = len(content), hashlib.sha256(content).hexdigest()
            self.entries[name] = {"type": "file", "path": name, "size": size, "oid": oid}
        self.sha = hashlib.sha1(json.dumps(self.entries, sort_keys=True).encode()).hexdigest()

    def read_tree(self, folder: str, *, recursive: bool) -> Answer:
        """Return the entries of a folder (the root is ""), and those further below if `recursive`."""
        if folder and self.entries.get(folder, {}).get("type") != "directory":
            return _missing("EntryNotFound", self.sha)
        top, paths = PurePosixPath(folder), [PurePosixPath(path) for path in self.entries]
        below = [path for path in paths if path.parent == top or (recursive and top in path.parents)]
        return _found([self.entries[str(path)] for path in below])

    def read_file(self, path: str, byte_range: str) -> Answer:
        """Return a file, or the part of it that a Range header asks for."""
        if path not in self.files:
            return _missing("EntryNotFound", self.sha)
        content, etag = self.files[path], f'"{self.entries[path]["oid"]}"'
        headers = {"ETag": etag, "X-Repo-Commit": self.sha, "Accept-Ranges": "bytes"}
        wanted = BYTE_RANGE.fullmatch(byte_range)
        if wanted is None:
            return HTTPStatus.OK, headers, content
        first, last = int(wanted["first"]), min(int(wanted["last"] or len(content)), len(content) - 1)
        if first > last:
            headers["Content-Range"] = f"bytes */{len(content)}"
            return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers, b""
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return HTTPStatus.PARTIAL_CONTENT, headers, content[first : last + 1]


class Hub:
    """Serve folders as Hub repositories while the context is open; each is given by its id."""

    def __init__(self, models: dict[str, Path], datasets: dict[str, Path]) -> None:
        self.models = {repo_id: Repository(folder) for repo_id, folder in models.items()}
        self.datasets = {repo_id: Repository(folder) for repo_id, folder in datasets.items()}
        self.requests: list[Request] = []  # in order; appending needs no lock
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
        """Return the variables for a client that knows no other Hub and keeps its cache in `home`."""
        # The user's own cache, token or offline switch would change what a test sees.
        foreign = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}
        return inherited | own | {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}

    def answer(self, path: str, query: dict[str, list[str]], byte_range: str) -> Answer:
        """Return the answer to a path that is still quoted; `query` holds a posted form too."""
        route = API_ROUTE.fullmatch(path) or FILE_ROUTE.fullmatch(path)
        if route is None:
            return _missing("")
        repo_id, revision, within = (unquote(route[name] or "") for name in ("id", "revision", "path"))
        repository = (self.datasets if route["kind"] == "datasets" else self.models).get(repo_id)
        if repository is None:
            return _missing("RepoNotFound")
        if revision not in ("", "main", repository.sha):
            return _missing("RevisionNotFound")
        if route["what"] == "resolve":
            return repository.read_file(within, byte_range)
        if route["what"] == "tree":
            return repository.read_tree(within, recursive=query.get("recursive") == ["true"])
        if route["what"] == "paths-info":
            asked = query.get("paths", [])
            return _found([repository.entries[path] for path in asked if path in repository.entries])
        siblings = [{"rfilename": path} for path in repository.files]
        return _found({"id": repo_id, "sha": repository.sha, "private": False, "siblings": siblings})


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
        url, form = urlsplit(self.path), self.rfile.read(int(self.headers.get("Content-Length", "0")))
        query, byte_range = parse_qs(f"{url.query}&{form.decode()}"), self.headers.get("Range", "")
        status, headers, body = self.hub.answer(url.path, query, byte_range)
        sent = b"" if self.command == "HEAD" else body
        # Noted before it is sent, so that a client that has its answer finds it among the requests.
        self.hub.requests.append(Request(self.command, unquote(url.path), status, len(sent)))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' standard error free of requests."""


def _found(value: object) -> Answer:
    return HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _missing(code: str, sha: str = "") -> Answer:
    """Return a 404 that says what is missing; given the commit, clients remember that a file is not there."""
    headers = {"X-Error-Code": code, "X-Repo-Commit": sha}
    return HTTPStatus.NOT_FOUND, {name: value for name, value in headers.items() if value}, b"{}"


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
