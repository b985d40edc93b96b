"""What each command prints with `--json`, as JSON Schema (draft 2020-12), for programs that read it.

A document's first key, `schema`, names its schema: `polarity/evaluate/1` is `evaluate.1.json` here. A schema lists every key, so
that a new one in a document needs a line in it. Its number rises, in a file beside the earlier one, when a key goes or means
something else. Nothing of ours is imported here, and `tests/cli/test_schemas.py` holds the commands to it.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def list_schemas() -> tuple[str, ...]:
    """Return the names of all schemas, sorted: `polarity/evaluate/1`."""
    names = (resource.name for resource in files(__name__).iterdir() if resource.name.endswith(".json"))
    return tuple(sorted(f"polarity/{name.removesuffix('.json').replace('.', '/')}" for name in names))


def read_schema(name: str) -> dict[str, Any]:
    """Return a schema by its name, which is what a document has under `schema`.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in list_schemas():
        raise ValueError(f"{name!r} is no schema; choose one of {', '.join(list_schemas())}")
    file = f"{name.removeprefix('polarity/').replace('/', '.')}.json"
    schema: dict[str, Any] = json.loads(files(__name__).joinpath(file).read_text(encoding="utf-8"))
    return schema
