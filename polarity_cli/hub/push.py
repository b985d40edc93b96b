"""Send files to a model's repository on the Hub, in one commit, so that an interrupted push goes on where it stood.

Large files go first, one after the other, to the Hub's store, which keeps them by their SHA-256: those that it has are not sent
again. The commit comes last, and names the one that it stands on, so that it is made once, and never over one that came
in between.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache.hashes import hash_file
from polarity_cli.config import Context
from polarity_cli.errors import HubError, UsageError
from polarity_cli.hub.repository import CARD, Repository, connect_to_write
from polarity_cli.records import Advance

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

    from polarity_cli.hub.client import RetryingClient

Content = Path | bytes
_MEGABYTE = 1_000_000
_OUTDATED = 412
_HASH_DIGITS = 64


@dataclass(frozen=True)
class Change:
    """What a repository is to be made to hold."""

    files: Mapping[str, Content]
    """By their paths inside it."""
    removed: tuple[str, ...]
    """Paths that go."""
    message: str
    """The commit's first line."""


@dataclass(frozen=True)
class Pushed:
    """What a push came to."""

    repo: str
    url: str
    """The page of the model."""
    commit: str
    replaced: str | None
    """The commit that it stands on, which the Hub keeps; None in a new repository."""
    private: bool
    is_new_repository: bool
    changed: tuple[str, ...]
    """Files that the commit adds or changes; where there are none, and none removed, it made no commit."""
    removed: tuple[str, ...]
    n_bytes: int
    """Bytes that were sent of them."""
    n_bytes_there: int
    """Bytes of them that the Hub's store had, as after a push that was interrupted."""


def push_files(repository: Repository, change: Change, *, private: bool, context: Context) -> Pushed:
    """Make a repository hold files, in one commit; those that it holds already are left alone.

    Args:
        repository: as `hub/repository` found it; it is made where it is not there.
        change: the files.
        private: whether a repository that is made is private.
        context: whom to tell.

    Raises:
        UsageError: the repository is public, and `private` was asked for.
        HubError: the Hub is out of reach or refuses; or somebody else's commit came in between.
    """
    if private and repository.exists and not repository.private:
        raise UsageError(
            f"--private: {repository.name} is there already, and everybody can see it.",
            hint=f"Make it private on its page, {_name_page(repository.name)}/settings, or choose another name.",
        )
    there = repository.files
    changed = {path: content for path, content in change.files.items() if not _is_there(content, there.get(path))}
    change = replace(change, files=changed, removed=tuple(sorted(there.keys() & set(change.removed))))
    result = Pushed(
        repository.name,
        _name_page(repository.name),
        commit=repository.commit or "",
        replaced=repository.commit,
        private=repository.private if repository.exists else private,
        is_new_repository=not repository.exists,
        changed=tuple(changed),
        removed=change.removed,
        n_bytes=0,
        n_bytes_there=0,
    )
    if repository.exists and not changed and not change.removed:
        return result
    with connect_to_write(repository.name, context.observer) as client:
        _check_card(change.files.get(CARD), context)
        parent = repository.commit or _create(repository.name, private=private)
        commit, n_bytes = _send(repository.name, parent, change, client, context)
    n_in_all = sum(map(_measure, changed.values()))
    return replace(result, commit=commit, n_bytes=n_bytes, n_bytes_there=n_in_all - n_bytes)


def _name_page(repo: str) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{repo}"


def _measure(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _is_there(content: Content, there: tuple[int, str] | None) -> bool:
    """Return whether a file of the Hub has this content."""
    size = _measure(content)
    if there is None or there[0] != size:
        return False
    if len(there[1]) == _HASH_DIGITS:
        return there[1] == (hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else hash_file(content))
    read = content if isinstance(content, bytes) else content.read_bytes()
    return there[1] == hashlib.sha1(b"blob %d\0" % size + read, usedforsecurity=False).hexdigest()


def _create(repo: str, *, private: bool) -> str:
    """Make a repository, and return its first commit."""
    from huggingface_hub import HfApi

    HfApi().create_repo(repo, private=private, exist_ok=True)  # it is there where an answer was lost
    info = HfApi().model_info(repo)
    if not info.sha:
        raise HubError(f"{repo}: the Hub names no revision of it.")
    return info.sha


def _send(repo: str, parent: str, change: Change, client: RetryingClient, context: Context) -> tuple[str, int]:
    """Send files and commit them; return the commit, and how many bytes were sent."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    additions = [CommitOperationAdd(path, content) for path, content in change.files.items()]
    n_megabytes = sum(addition.upload_info.size for addition in additions) // _MEGABYTE
    n_sent = 0
    with context.observer.track(f"Sending {repo}", n_megabytes or None, unit="MB" if n_megabytes else "") as advance:
        count = _count_megabytes(advance)
        for addition in sorted(additions, key=lambda addition: addition.upload_info.size):
            n_sent += _send_large(repo, addition, client, count)
        operations: list[Any] = [*additions, *(CommitOperationDelete(path) for path in change.removed)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of the card were told before
            info = _commit(lambda: HfApi().create_commit(repo, operations, commit_message=change.message, parent_commit=parent))
    n_sent += sum(each.upload_info.size for each in additions if each._upload_mode == "regular")
    return _find_own_commit(repo, change) if info is None else str(info.oid), n_sent


def _send_large(repo: str, addition: CommitOperationAdd, client: RetryingClient, count: Callable[[int], None]) -> int:
    """Send a file to the Hub's store, if it is one for it and not there yet; return how many bytes were sent."""
    from huggingface_hub import HfApi

    n_sent = 0

    def note(n_bytes: int) -> None:
        nonlocal n_sent
        n_sent += n_bytes
        count(n_bytes)

    client.sent = note
    HfApi().preupload_lfs_files(repo, [addition], num_threads=1, free_memory=False)
    addition._is_uploaded = True  # or the commit would ask for each once more
    if addition._should_ignore:
        raise HubError(
            f"{repo}: its .gitignore leaves out {addition.path_in_repo}, which belongs to the checkpoint.",
            hint=f"Take that line out of it on {_name_page(repo)}/blob/main/.gitignore.",
        )
    count(addition.upload_info.size - n_sent)
    return n_sent


def _count_megabytes(advance: Advance) -> Callable[[int], None]:
    """Return a function that takes bytes and advances a progress bar by whole megabytes."""
    n_bytes = 0

    def count(more: int) -> None:
        nonlocal n_bytes
        n_before = n_bytes // _MEGABYTE
        n_bytes += more
        advance(n_bytes // _MEGABYTE - n_before)

    return count


def _check_card(card: Content | None, context: Context) -> None:
    """Let the Hub look at a card before anything large is sent, and tell what it warns of.

    Raises:
        UsageError: the Hub takes no such card.
    """
    from huggingface_hub import ModelCard

    if card is None:
        return
    text = (card if isinstance(card, bytes) else card.read_bytes()).decode("utf-8", errors="replace")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            ModelCard(text, ignore_metadata_errors=True).validate(repo_type="model")
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"{CARD}: the Hub does not take it ({reason}).", hint="Correct what stands in its front.") from error
    for warning in caught:
        context.observer.note(f"{CARD}: {' '.join(str(warning.message).split())}")


def _commit(send: Callable[[], Any]) -> Any | None:
    """Return what the Hub says of a commit; None where another one has come in between, which may be this very one: an answer
    can be lost after the Hub has done what was asked."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return send()
    except HfHubHTTPError as error:
        if error.response.status_code != _OUTDATED:
            raise
        return None


def _find_own_commit(repo: str, change: Change) -> str:
    """Return the newest commit where it holds what was to be committed.

    Raises:
        HubError: it does not.
    """
    from huggingface_hub import HfApi, RepoFile

    info = HfApi().model_info(repo)
    tree = [each for each in HfApi().list_repo_tree(repo, recursive=True, revision=info.sha) if isinstance(each, RepoFile)]
    there = {each.path: (each.size, each.lfs.sha256 if each.lfs else each.blob_id) for each in tree}
    if all(_is_there(content, there.get(path)) for path, content in change.files.items()) and not there.keys() & set(
        change.removed
    ):
        return str(info.sha)
    raise HubError(
        f"{repo}: somebody else committed to it meanwhile ({str(info.sha)[:7]}), so nothing was published.",
        hint="Look at what changed there; the same command then publishes over it.",
    )
