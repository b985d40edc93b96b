"""Change a sealed checkpoint: files are added, and its manifest and card say so. Used by the verb `export`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polarity_cli.cache.hashes import hash_file
from polarity_cli.cache.publish import read_json, report_unwritable, write_json
from polarity_cli.checkpoint.card import write_card
from polarity_cli.checkpoint.manifest import MANIFEST, read_manifest

_CARD = "README.md"


def reseal_checkpoint(folder: Path, about: Mapping[str, Any], changed: Iterable[str]) -> None:
    """Write what is new into a checkpoint's manifest, which comes last, and into its card, unless somebody has edited that.

    Args:
        folder: of a checkpoint that this program made; one without a manifest is left as it is.
        about: keys of the manifest with their new values.
        changed: paths inside the folder of files that are new or other than they were, or gone.

    Raises:
        CacheError: the disk refuses.
    """
    manifest: dict[str, Any] | None = read_json(folder / MANIFEST)
    if manifest is None or read_manifest(folder) is None:
        return
    files = {name: sha256 for name, sha256 in manifest["files"].items() if name not in set(changed)}
    manifest |= about
    with report_unwritable(folder):
        files |= {name: hash_file(folder / name) for name in changed if (folder / name).is_file()}
        card = folder / _CARD
        if card.is_file() and hash_file(card) == files.get(_CARD):
            write_card(card, manifest)
            files[_CARD] = hash_file(card)
        write_json(folder / MANIFEST, {**manifest, "files": dict(sorted(files.items()))})
