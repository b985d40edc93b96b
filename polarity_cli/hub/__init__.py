"""Talk to the Hugging Face Hub: find the commit of a name, and turn errors into messages that a user can act on.

Every use starts with `find_revision`, one short request. Every connection is made inside `connect`, which gives all libraries
our client (`hub/client`) with its retries (`hub/retries`); `hub/files` fetches and checks whole files, `hub/push` sends them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal

from polarity_cli.cache.publish import read_json, write_json
from polarity_cli.config import Context
from polarity_cli.errors import HubError, PolarityError, UsageError
from polarity_cli.hub.retries import LATER_HINT, UNREACHABLE_HINT, first_line
from polarity_cli.records import Observer

if TYPE_CHECKING:
    from polarity_cli.hub.client import RetryingClient

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def is_repository_name(name: str) -> bool:
    """Tell whether a repository on the Hub can have a name."""
    return _NAME.fullmatch(name) is not None and not name.endswith(".git") and ".." not in name and "--" not in name


def find_revision(repo: str, *, repo_type: Literal["dataset", "model"], context: Context) -> str:
    """Return the newest commit of a Hub repository, 40 hexadecimal digits; offline, the commit that was fetched last.

    Raises:
        UsageError: the name is not one that a repository can have.
        HubError: the Hub is out of reach, or has no such repository; or it was never fetched, and the run is offline.
    """
    if not _NAME.fullmatch(repo):
        raise UsageError(f"{repo!r} is neither a file nor a folder, nor the name of a {repo_type} on the Hub.")
    record = context.cache_dir / "hub" / "revisions" / f"{repo_type}--{repo.replace('/', '--')}.json"
    if context.offline:
        revision = (read_json(record) or {}).get("revision")
        if not isinstance(revision, str) or not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise HubError(f"{repo}: not in the cache, and --offline makes no connection.", hint="Run once without --offline.")
        return revision
    revision = _ask_revision(repo, repo_type, context.observer)
    with suppress(OSError):  # a cache that cannot be written is one that an offline run cannot use
        record.parent.mkdir(parents=True, exist_ok=True)
        write_json(record, {"revision": revision})
    return revision


def _ask_revision(repo: str, repo_type: Literal["dataset", "model"], observer: Observer) -> str:
    from huggingface_hub import HfApi

    with connect(repo, observer):
        info = HfApi().repo_info(repo, repo_type=repo_type)
    if not info.sha:
        raise HubError(f"{repo}: the Hub names no revision of it.")
    return info.sha


@contextmanager
def connect(repo: str, observer: Observer) -> Iterator[RetryingClient]:
    """Let the libraries connect to the Hub inside the block, and turn their errors into HubError.

    Passing faults are retried after pauses, which `observer` shows. Do not nest blocks.
    """
    from huggingface_hub import constants, set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    from polarity_cli.hub.client import PIECE_BYTES, RetryingClient

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # the client tells of faults itself
    # Files come by HTTP alone: the library for the Hub's other way has silent retries of its own.
    constants.HF_HUB_DISABLE_XET = True
    constants.HF_HUB_DISABLE_TELEMETRY = True  # also where the library was imported before this package
    constants.DOWNLOAD_CHUNK_SIZE = PIECE_BYTES
    client = RetryingClient(repo, observer)
    set_client_factory(lambda: client)
    try:
        with _translate_errors(repo):
            yield client
        if client.failure is not None:
            raise client.failure
    except (PolarityError, OSError, ValueError, RuntimeError):  # what a library made of it
        if client.failure is not None:
            raise client.failure from None
        raise
    finally:
        set_client_factory(default_client_factory)


@contextmanager
def _translate_errors(repo: str) -> Iterator[None]:
    import httpx2
    from huggingface_hub.errors import (
        FileMetadataError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise HubError(
            f"{repo}: access to it must be granted first.", hint="Accept its terms on its page, then `hf auth login`."
        ) from error
    except RepositoryNotFoundError as error:
        raise HubError(
            f"{repo}: not on the Hub, or not visible without a login.",
            hint="Check the spelling; a local file or folder is given by its path; `hf auth login` opens private ones.",
        ) from error
    except RemoteEntryNotFoundError as error:
        name = error.response.url.path.rpartition("/")[2]
        raise HubError(f"{repo}: the Hub lists {name} and does not have it.", hint=LATER_HINT) from error
    except HFValidationError as error:
        raise UsageError(f"{repo!r} is not the name of a Hub repository.") from error
    except HfHubHTTPError as error:
        raise HubError(f"{repo}: the Hub answered with an error ({first_line(error)}).", hint=UNREACHABLE_HINT) from error
    except (FileMetadataError, LocalEntryNotFoundError) as error:
        raise HubError(f"{repo}: what answered is not a Hub ({first_line(error)}).", hint=UNREACHABLE_HINT) from error
    except FileNotFoundError as error:
        if error.errno is not None:  # a file of this machine
            raise
        raise HubError(f"{repo}: the Hub does not have what it should ({first_line(error)}).", hint=LATER_HINT) from error
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        raise HubError(f"{repo}: the Hub is out of reach ({first_line(error)}).", hint=UNREACHABLE_HINT) from error


def is_of_content(error: OSError) -> bool:
    """Return whether a library raised an OSError about content: one without the number of a system error."""
    return type(error) is OSError and error.errno is None
