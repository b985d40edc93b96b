"""Publish a checkpoint to the Hub: what is sent, under which licence, over what is there. Used by the verb `export`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from polarity_cli.checkpoint.card import CARD
from polarity_cli.checkpoint.card_words import find_base_model, find_languages
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.folder_check import is_path, is_plain_path
from polarity_cli.checkpoint.manifest import MANIFEST
from polarity_cli.checkpoint.published import Selection, hash_content, make_public_manifest, seal, select_files
from polarity_cli.checkpoint.published_card import (
    OwnCard,
    PublicCard,
    find_license,
    make_public_card,
    read_metadata,
    read_own_card,
)
from polarity_cli.config import Context
from polarity_cli.errors import UsageError
from polarity_cli.export_config import ExportConfig
from polarity_cli.hub.push import Change, Pushed, push_files
from polarity_cli.hub.repository import Repository, look_at
from polarity_cli.hub.repository import find_languages as ask_languages

_WEIGHTS = (".bin", ".gguf", ".h5", ".msgpack", ".onnx", ".pt", ".safetensors")
_N_SHOWN = 10


@dataclass(frozen=True)
class Published:
    """What was published."""

    pushed: Pushed
    license: str
    withheld: tuple[str, ...]
    """Files of the checkpoint that stayed here, because they tell which reviews it was trained on."""
    strangers: tuple[str, ...]
    """Files in the checkpoint's folder that are none of its own."""


def publish_to_hub(checkpoint: Checkpoint, config: ExportConfig, context: Context) -> Published:
    """Send a checkpoint's files, all of which are there (see `fetch_rest`), to its repository on the Hub, in one commit.

    Raises:
        UsageError: nothing says a licence, or the repository holds another model's weights, or is public against the wish.
        CheckpointError: the checkpoint is damaged, or tells of this machine.
        HubError: the Hub is out of reach, or refuses.
    """
    own = read_own_card(checkpoint)
    with context.observer.track("Checking the checkpoint"):
        selection = select_files(checkpoint)
    there = look_at(config.push or "", context)
    license = find_license(config.license, own.front, read_metadata(there.card, f"{there.name}/{CARD}"), there.name)
    kept = _choose_card(own, there, context)
    files, card = dict(selection.files), PublicCard(b"", None)
    if checkpoint.manifest is None:
        card = make_public_card(kept or there.card, None, license=license, repo=there.name)
    else:
        manifest = _describe(checkpoint, selection, license, context)
        card = make_public_card(kept, manifest, license=license, repo=there.name)
        files[MANIFEST] = seal(manifest, selection.files, card_sha256=card.made or "")
    files[CARD] = card.content
    change = Change(files, _find_outdated(there, files), f"Publish {there.name.rpartition('/')[2]} with polarity")
    _tell(checkpoint, selection, context)
    pushed = push_files(there, change, private=config.private, context=context)
    return Published(pushed, license, selection.withheld, selection.strangers)


def fetch_rest(checkpoint: Checkpoint, context: Context) -> Checkpoint:
    """Return a checkpoint with all its files; of one on the Hub only those that predict runs have been fetched.

    Raises:
        HubError: the Hub is out of reach.
        CheckpointError: a file is not what its name says.
    """
    if checkpoint.called is None or is_path(checkpoint.called):
        return checkpoint
    from polarity_cli.hub.files import fetch_files

    revision = checkpoint.folder.name
    patterns = sorted(checkpoint.manifest.files) if checkpoint.manifest else [CARD, "LICENSE*", "onnx/*.onnx"]
    fetch_files(checkpoint.called, revision, patterns, repo_type="model", context=context, part="all")
    return Checkpoint.open(checkpoint.folder, checkpoint.called)


def _describe(checkpoint: Checkpoint, selection: Selection, license: str, context: Context) -> dict[str, Any]:
    """Return the manifest that is published: with the licence, and with the languages that the encoder's own card names."""
    about = {"license": license, "withheld": list(selection.withheld)}
    manifest = make_public_manifest(checkpoint, about)
    base_model = find_base_model(manifest["encoder"])
    if base_model is not None and not find_languages(manifest):
        manifest["encoder"] |= {"language": ask_languages(base_model, context)}
    return manifest


def _choose_card(own: OwnCard, there: Repository, context: Context) -> bytes | None:
    """Return the card that somebody has edited, which is kept: the checkpoint's, else that on the Hub; None where neither was."""
    hashes = there.manifest.get("files")
    made = hashes.get(CARD) if isinstance(hashes, Mapping) else None
    is_edited_there = there.card is not None and made is not None and hash_content(there.card) != made
    if own.is_edited and own.content is not None:
        if is_edited_there and there.card != own.content:
            context.observer.note(f"The card of {there.name} was edited there; the one of this folder, edited too, replaces it.")
        return own.content
    if is_edited_there:
        context.observer.note(f"The card of {there.name} was edited there, and stays as it is.")
        return there.card
    return None


def _find_outdated(there: Repository, files: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the files of the checkpoint that was published before and are none of this one's, which would contradict it.

    Raises:
        UsageError: the repository holds weights or graphs that nobody published with this program and that would stay.
    """
    hashes = there.manifest.get("files")
    before = {path for path in hashes if is_plain_path(path)} if isinstance(hashes, Mapping) else set()
    outdated = {*before, MANIFEST} - files.keys() if MANIFEST in there.files else set()
    foreign = [path for path in sorted(there.files) if PurePath(path).suffix in _WEIGHTS and path not in files.keys() | outdated]
    if foreign:
        raise UsageError(
            f"--push {there.name}: it holds another model's files, which would stay: {', '.join(foreign[:_N_SHOWN])}.",
            hint="Choose another name, or delete them on its page.",
        )
    return tuple(sorted(outdated))


def _tell(checkpoint: Checkpoint, selection: Selection, context: Context) -> None:
    """Say what stays here, and what its training run thought of the checkpoint."""
    note = context.observer.note
    if checkpoint.manifest is not None and checkpoint.manifest.is_refused:
        context.observer.warn(f"{checkpoint.name} was not as good as its training run required (--require).")
    if selection.withheld:
        note(
            f"Not published: {', '.join(selection.withheld)}, by which anybody could tell whether a review stood in training. "
            "The reviews are files of your own."
        )
    if selection.strangers:
        more = f" and {len(selection.strangers) - _N_SHOWN:,} more" if len(selection.strangers) > _N_SHOWN else ""
        note(f"Not of the checkpoint, and not published: {', '.join(selection.strangers[:_N_SHOWN])}{more}.")
