"""What the small Hub in `tests/helpers/hub` does with what is sent to it: repositories made, large files stored, commits.

As the real Hub does: large files go to a store that keeps them by SHA-256, in one piece or in parts, before the commit that names
them; a commit that does not stand on the newest one is refused.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tests.helpers.hub_faults import Answer
from tests.helpers.hub_repository import LARGE, Repository, found

TOKEN, READER = "hf_writer", "hf_reader"
USER = "me"
"""Whose token may write, and only to repositories of its own."""
_NAME = r"(?P<repo>[^/]+/[^/]+)"
_FIRST_FILES = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}


@dataclass(frozen=True)
class Written:
    """A request, with its body."""

    method: str
    path: str
    body: bytes
    authorization: str

    def read(self) -> Any:
        """Return the JSON in the body."""
        return json.loads(self.body)


class Uploads:
    """The store, and the repositories that commits change."""

    def __init__(self, models: dict[str, Repository]) -> None:
        self.models = models
        self.store: dict[str, bytes] = {}
        self.part_bytes: int | None = None
        """Bytes of each part that a large file is sent in; None takes it in one piece."""
        self.commits: list[str] = []
        """The messages of the commits that were made, in order."""
        self.meanwhile: dict[str, bytes] = {}
        """Files that somebody else commits just before the next commit comes."""
        self._parts: dict[str, dict[int, bytes]] = {}
        self._routes = {
            ("GET", r"/api/whoami-v2"): self._who,
            ("POST", r"/api/repos/create"): self._create,
            ("POST", r"/api/validate-yaml"): self._validate,
            ("POST", rf"/api/models/{_NAME}/preupload/main"): self._choose_ways,
            ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch"): self._offer,
            ("PUT", r"/store/(?P<sha256>[0-9a-f]{64})(/(?P<part>\d+))?"): self._put,
            ("POST", r"/store/(?P<sha256>[0-9a-f]{64})/complete"): self._complete,
            ("POST", r"/store/(?P<sha256>[0-9a-f]{64})/verify"): self._verify,
            ("POST", rf"/api/models/{_NAME}/commit/main"): self._commit,
        }

    def answer(self, written: Written, endpoint: str) -> Answer | None:
        """Return the answer to a request that is about writing; None to any other."""
        for (method, pattern), reply in self._routes.items():
            match = re.fullmatch(pattern, written.path)
            if match is None or method != written.method:
                continue
            if written.path.startswith("/store/") or reply == self._validate:  # the store's addresses are their own permission
                return reply(written, match, endpoint)
            token = written.authorization.removeprefix("Bearer ")
            if token not in (TOKEN, READER):
                return refuse(HTTPStatus.UNAUTHORIZED, "Invalid credentials in Authorization header")
            repo = match.groupdict().get("repo") or (f"{USER}/" if "/repos/create" not in written.path else self._name(written))
            if method == "POST" and (token == READER or not repo.startswith(f"{USER}/")):
                return refuse(HTTPStatus.FORBIDDEN, "You don't have the rights to write there")
            return reply(written, match, endpoint)
        return None

    def _name(self, written: Written) -> str:
        asked = written.read()
        return f"{asked['organization'] or USER}/{asked['name']}"

    def _who(self, written: Written, match: re.Match[str], endpoint: str) -> Answer:
        return found({"type": "user", "name": USER, "orgs": []})

    def _create(self, written: Written, match: re.Match[str], endpoint: str) -> Answer:
        name = self._name(written)
        about = {"url": f"{endpoint}/{name}", "name": name}
        if name in self.models:
            return HTTPStatus.CONFLICT, {}, json.dumps({**about, "error": "You already created this model repo"}).encode()
        self.models[name] = Repository(_FIRST_FILES, private=written.read().get("visibility") == "private")
        return found(about)

    def _validate(self, written: Written, match: re.Match[str], endpoint: str) -> Answer:
        front = Repository({"README.md": written.read()["content"].encode()}).card_data
        if front.get("license") == "unheard-of":
            return HTTPStatus.BAD_REQUEST, {}, json.dumps({"errors": [{"message": '"license" must be one of ...'}]}).encode()
        return found({"errors": [], "warnings": [] if front else [{"message": "empty or missing yaml metadata"}]})

    def _choose_ways(self, written: Written, match: re.Match[str], endpoint: str) -> Answer:
        repository, ways = self.models[match["repo"]], []
        ignored = repository.files.get(".gitignore", b"").decode().split()
        for file in written.read()["files"]:
            path, entry = file["path"], repository.entries.get(file["path"], {})
            way = "lfs" if path.endswith(LARGE) else "regular"
            known = {"oid": entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]} if entry else {}
            ways.append({"path": path, "uploadMode": way, "shouldIgnore": path in ignored, **known})
        return found({"files": ways, "commitOid": repository.sha})

    def _offer(self, written: Written, match: re.Match[str], endpoint: str) -> Answer:
        """Say where the objects go that are not in the store."""
        return found({"transfer": "basic", "objects": [self._offer_one(each, endpoint) for each in written.read()["objects"]]})

    def _offer_one(self, asked: dict[str, Any], endpoint: str) -> dict[str, Any]:
        if asked["oid"] in self.store:
            return asked
        place = f"{endpoint}/store/{asked['oid']}"
        upload: dict[str, Any]
        if self.part_bytes is None:
            upload = {"href": place}
        else:
            n_parts = -(-asked["size"] // self.part_bytes)
            parts = {str(number): f"{place}/{number}" for number in range(1, n_parts + 1)}
            upload = {"href": f"{place}/complete", "header": {"chunk_size": str(self.part_bytes), **parts}}
        return {**asked, "actions": {"upload": upload, "verify": {"href": f"{place}/verify"}}}

    def _put(self, written: Written, match: re.Match[str], endpoint: str) -> Answer:
        if match["part"] is not None:
            self._parts.setdefault(match["sha256"], {})[int(match["part"])] = written.body
            return HTTPStatus.OK, {"ETag": hashlib.md5(written.body, usedforsecurity=False).hexdigest()}, b""
        return self._keep(match["sha256"], written.body)

    def _complete(self, written: Written, match: re.Match[str], endpoint: str) -> Answer:
        parts = self._parts.pop(match["sha256"], {})
        return self._keep(match["sha256"], b"".join(content for _, content in sorted(parts.items())))

    def _keep(self, sha256: str, content: bytes) -> Answer:
        if hashlib.sha256(content).hexdigest() != sha256:
            return refuse(HTTPStatus.BAD_REQUEST, "The provided sha256 does not match what was computed")
        self.store[sha256] = content
        return HTTPStatus.OK, {}, b""

    def _verify(self, written: Written, match: re.Match[str], endpoint: str) -> Answer:
        asked = written.read()
        is_kept = len(self.store.get(asked["oid"], b"")) == asked["size"]
        return found({}) if is_kept else refuse(HTTPStatus.NOT_FOUND, "not in the store")

    def _commit(self, written: Written, match: re.Match[str], endpoint: str) -> Answer:
        header, *operations = (json.loads(line) for line in written.body.splitlines())
        name = match["repo"]
        if self.meanwhile:
            self.change(name, self.meanwhile)
            self.meanwhile = {}
        before = self.models[name]
        if header["value"].get("parentCommit") not in (None, before.sha):
            return refuse(HTTPStatus.PRECONDITION_FAILED, "A commit has happened since. Please refresh and try again.")
        files = dict(before.files)
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.store[value["oid"]]
            else:
                del files[value["path"]]
        self._replace(name, files)
        self.commits.append(header["value"]["summary"])
        sha = self.models[name].sha
        return found({"success": True, "commitOid": sha, "commitUrl": f"{endpoint}/{name}/commit/{sha}"})

    def change(self, name: str, files: dict[str, bytes]) -> None:
        """Commit files as somebody does on the page of a repository."""
        self._replace(name, {**self.models[name].files, **files})

    def _replace(self, name: str, files: dict[str, bytes]) -> None:
        before = self.models[name]
        self.models[name] = Repository(files, private=before.private, n_commits=before.n_commits + 1)


def refuse(status: HTTPStatus, message: str) -> Answer:
    """Return an error as the Hub words it."""
    return status, {"X-Error-Message": message}, json.dumps({"error": message}).encode()
