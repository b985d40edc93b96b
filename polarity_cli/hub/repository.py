"""Look at a repository of a model before anything is sent to it: whether it is there, what is in it, and who asks.

Next: `hub/push`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.config import Context
from polarity_cli.errors import HubError, UsageError
from polarity_cli.hub import connect, is_repository_name
from polarity_cli.hub.retries import LATER_HINT, UNREACHABLE_HINT, first_line
from polarity_cli.records import Observer

if TYPE_CHECKING:
    from polarity_cli.hub.client import RetryingClient

CARD, MANIFEST = "README.md", "polarity.json"
_PATIENCE_S = 60.0
"""Seconds that an answer may take: a store puts the parts of a large file together before it answers."""
_AGAIN = "Run the same command again: what the Hub has by now is not sent again."
_TOKEN_HINT = "Make a token that may write on https://huggingface.co/settings/tokens, then `hf auth login`, or set HF_TOKEN."
_UNAUTHORIZED, _FORBIDDEN = 401, 403


@dataclass(frozen=True)
class Repository:
    """A model's repository on the Hub, as it was found."""

    name: str
    """`USER/NAME`."""
    commit: str | None = None
    """The newest, 40 hexadecimal digits; None where the repository is not there."""
    private: bool = False
    files: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Bytes of each, and its SHA-256 if it is kept apart from git, else git's own SHA-1."""
    card: bytes | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """Empty where it is not a checkpoint of this program."""

    @property
    def exists(self) -> bool:
        """Whether it is there."""
        return self.commit is not None


def check_push(name: str, context: Context) -> None:
    """Refuse a push that cannot be, before any work is done for it.

    Raises:
        UsageError: the run is offline, or no repository can be called so.
        HubError: there is no token to write with.
    """
    from huggingface_hub import get_token

    if context.offline:
        raise UsageError("--push needs the Hub, and --offline makes no connection.", hint="Leave out one of the two.")
    if not is_repository_name(name):
        raise UsageError(f"--push {name!r}: no repository can be called so.", hint="Name it as --push USER/NAME.")
    if not get_token():
        raise HubError(f"--push {name}: there is no token to write with.", hint=_TOKEN_HINT)


def look_at(name: str, context: Context) -> Repository:
    """Return a repository as it is on the Hub; a name without a user before it is one of the user's own.

    Raises:
        HubError: the Hub is out of reach, or does not know the token.
    """
    from huggingface_hub import HfApi, RepoFile
    from huggingface_hub.errors import RepositoryNotFoundError

    api = HfApi()
    with connect_to_write(name, context.observer):
        user = str(api.whoami()["name"])
        full = name if "/" in name else f"{user}/{name}"
        try:
            info = api.model_info(full)
        except RepositoryNotFoundError:
            return Repository(full)
        tree = api.list_repo_tree(full, recursive=True, revision=info.sha)
        entries = [entry for entry in tree if isinstance(entry, RepoFile)]
        files = {entry.path: (entry.size, entry.lfs.sha256 if entry.lfs else entry.blob_id) for entry in entries}
        small = {path: _download(full, path, info.sha) for path in (CARD, MANIFEST) if path in files}
    return Repository(
        full,
        commit=info.sha,
        private=bool(info.private),
        files=files,
        card=small.get(CARD),
        manifest=_read_object(small.get(MANIFEST)),
    )


def find_languages(repo: str, context: Context) -> list[str]:
    """Return the languages that a model's card on the Hub names, as codes; none where it names none or is not there."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    with connect_to_write(repo, context.observer):
        try:
            data = HfApi().model_info(repo).card_data
        except (RepositoryNotFoundError, GatedRepoError):
            return []
    language = data.get("language") if data is not None else None
    return [str(code) for code in (language if isinstance(language, list) else [language]) if code]


def _download(repo: str, path: str, revision: str | None) -> bytes:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repo, path, revision=revision)).read_bytes()


def _read_object(content: bytes | None) -> dict[str, Any]:
    try:
        value = json.loads(content) if content is not None else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


@contextmanager
def connect_to_write(repo: str, observer: Observer) -> Iterator[RetryingClient]:
    """Let the libraries connect to the Hub inside the block; what the Hub refuses to a token is said in words."""
    import httpx2
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # one bar is shown for all files
    try:
        with connect(repo, observer) as client, _explain_refusals(repo):
            client.timeout = httpx2.Timeout(_PATIENCE_S)
            yield client
    except HubError as error:
        if error.hint in (LATER_HINT, UNREACHABLE_HINT):  # which speak of working without the Hub
            raise HubError(str(error), hint=_AGAIN) from error
        raise


@contextmanager
def _explain_refusals(repo: str) -> Iterator[None]:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except (HfHubHTTPError, RuntimeError) as error:  # a library raises the second because of the first
        answer = error if isinstance(error, HfHubHTTPError) else error.__cause__
        if not isinstance(answer, HfHubHTTPError):
            raise
        status = answer.response.status_code
        if status == _UNAUTHORIZED and "/whoami" in answer.response.url.path:
            raise HubError("The Hub does not know this token: it is wrong, or it has expired.", hint=_TOKEN_HINT) from error
        if status == _FORBIDDEN:
            raise HubError(f"{repo}: this token may not write there.", hint=_TOKEN_HINT) from error
        if answer is error:
            raise
        raise HubError(f"{repo}: the Hub answered with an error ({first_line(answer)}).", hint=_AGAIN) from error
