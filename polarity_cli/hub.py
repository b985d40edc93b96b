"""The Hugging Face Hub: which revision a name stands for now, and its errors in words a user can act on.

Every use of the Hub starts with `find_revision`, one short request, so that a Hub out of reach ends a command at once
instead of after the clients' own retries.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from polarity_cli.cache import read_json, write_json
from polarity_cli.config import Context
from polarity_cli.errors import HubError, UsageError

_TIMEOUT_S = 10
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")

UNREACHABLE_HINT = """\
Check the network (or HF_ENDPOINT, for a mirror of the Hub), or work without the Hub:
  polarity train reviews.csv --encoder sample        (the packaged encoder)
  polarity train reviews.csv --encoder ./folder-with-an-encoder
  polarity train --sample                            (built-in reviews and encoder)
  polarity train --offline                           (what an earlier run has fetched)"""


def find_revision(repo: str, *, kind: Literal["dataset", "model"], context: Context) -> str:
    """Return the commit that a Hub repository is at; offline, the one that was fetched last.

    Raises:
        UsageError: the name cannot be a repository's.
        HubError: the Hub is out of reach, or has no such repository; or it was never fetched, and the run is offline.
    """
    if not _NAME.fullmatch(repo):
        raise UsageError(f"{repo!r} is neither a file nor a folder, nor the name of a {kind} on the Hub.")
    known = context.cache_dir / "hub" / "revisions" / f"{kind}--{repo.replace('/', '--')}.json"
    if context.offline:
        revision = (read_json(known) or {}).get("revision")
        if not isinstance(revision, str) or not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise HubError(f"{repo}: not in the cache, and --offline makes no connection.", hint="Run once without --offline.")
        return revision
    revision = _ask_revision(repo, kind)
    known.parent.mkdir(parents=True, exist_ok=True)
    write_json(known, {"revision": revision})
    return revision


def _ask_revision(repo: str, kind: Literal["dataset", "model"]) -> str:
    from huggingface_hub import HfApi

    with connect(repo):
        info = HfApi().repo_info(repo, repo_type=kind, timeout=_TIMEOUT_S)
    if not info.sha:
        raise HubError(f"{repo}: the Hub names no revision of it.")
    return info.sha


@contextmanager
def connect(repo: str) -> Iterator[None]:
    """Turn the clients' errors inside the block into HubError."""
    import httpx2
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
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
    except HFValidationError as error:
        raise UsageError(f"{repo!r} is not the name of a Hub repository.") from error
    except LocalEntryNotFoundError as error:
        raise HubError(f"{repo}: not in the Hub's cache.", hint="Run once without --offline.") from error
    except HfHubHTTPError as error:
        raise HubError(f"{repo}: the Hub answered with an error ({_first_line(error)}).", hint=UNREACHABLE_HINT) from error
    except (httpx2.HTTPError, ConnectionError, TimeoutError, socket.gaierror) as error:
        raise HubError(f"{repo}: the Hub is out of reach ({_first_line(error)}).", hint=UNREACHABLE_HINT) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
