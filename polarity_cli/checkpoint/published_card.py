"""The card that a checkpoint is published with: made anew, or as its user has edited it, with the licence in its front.

Used by the verb `export`, beside `checkpoint/published`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polarity_cli.checkpoint.card import CARD, make_card
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.published import check_no_folder, hash_content, is_inside
from polarity_cli.errors import CheckpointError, UsageError
from polarity_cli.hub.licenses import OTHER, check_license

_MOST_BYTES = 1 << 22


@dataclass(frozen=True)
class PublicCard:
    """A card, and what is said of it."""

    content: bytes
    made: str | None
    """The SHA-256 of the card that was made of the manifest, by which an edited one is known; None where none was."""


@dataclass(frozen=True)
class OwnCard:
    """The card in a checkpoint's folder."""

    content: bytes | None
    """None where there is none."""
    is_edited: bool
    """Whether its user wrote it, or changed it since it was made."""
    front: dict[str, Any]
    """What stands in its front."""


def read_own_card(checkpoint: Checkpoint) -> OwnCard:
    """Return the card in a checkpoint's folder.

    Raises:
        CheckpointError: it is no text, or a link to something elsewhere, or it names a folder of this machine.
    """
    path = checkpoint.folder / CARD
    if not path.is_file():
        return OwnCard(None, False, {})
    if not is_inside(path):
        raise CheckpointError(f"{path}: a link that leaves its folder.", hint="Copy the file into the folder.")
    if path.stat().st_size > _MOST_BYTES:
        raise CheckpointError(f"{path}: too large for a card ({path.stat().st_size:,} bytes).")
    content = path.read_bytes()
    front = read_metadata(content, str(path))
    is_edited = checkpoint.manifest is None or hash_content(content) != checkpoint.manifest.files.get(CARD)
    if is_edited:
        check_no_folder(CARD, content)
    return OwnCard(content, is_edited, front)


def read_metadata(card: bytes | None, where: str) -> dict[str, Any]:
    """Return what stands in the front of a card; empty where there is no card or no front.

    Raises:
        CheckpointError: it is no text, or its front is no YAML.
    """
    import yaml  # type: ignore[import-untyped, unused-ignore]
    from huggingface_hub.repocard import RepoCard

    try:
        return dict(vars(RepoCard(card.decode("utf-8-sig")).data)) if card else {}
    except (ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise CheckpointError(f"{where}: its front is no YAML of a card ({' '.join(str(error).split())[:200]}).") from error


def find_license(asked: str | None, own: Mapping[str, Any], there: Mapping[str, Any], repo: str) -> str:
    """Return the licence that a checkpoint is published under: the one asked for, else its card's, else the repository's.

    Args:
        asked: by `--license`.
        own: the front of the checkpoint's card.
        there: that of the card on the Hub.
        repo: the repository, for messages.

    Raises:
        UsageError: nothing says one, or it is none that the Hub knows.
    """
    name: object
    for name, where, front in ((asked, "--license", own), (own.get("license"), CARD, own), (there.get("license"), repo, there)):
        if name is None:
            continue
        if not isinstance(name, str):
            raise UsageError(f"{where}: its licence is {str(name)[:80]}, expected one id.", hint="Say which with --license ID.")
        check_license(name, where if where == "--license" else f"{where}: license")
        if name == OTHER and not (front.get("license_name") or own.get("license_name")):
            raise UsageError(
                "A licence of your own needs a name.",
                hint=f"Write `license: other`, `license_name: ...` and `license_link: ...` into the front of {CARD}.",
            )
        return name
    raise UsageError(
        f"--push {repo}: nothing says under which licence others may use the model.",
        hint="Add --license ID, such as apache-2.0, mit or cc-by-4.0; that of the encoder and of the reviews may bind you.",
    )


def make_public_card(own: bytes | None, manifest: Mapping[str, Any] | None, *, license: str, repo: str) -> PublicCard:
    """Return the card that is published.

    Args:
        own: the card that its user wrote, which is kept but for its licence; None makes one.
        manifest: as it is published; None for a model of another program.
        license: the licence's id.
        repo: `USER/NAME`.

    Raises:
        CheckpointError: the manifest is damaged.
    """
    made = None
    if manifest is not None:
        try:
            made = make_card({**manifest, "license": license}, repo=repo).encode()
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError("The manifest is damaged: no card can be made of it.") from error
    elif own is None:
        own = f"---\nlibrary_name: transformers\npipeline_tag: text-classification\n---\n\n# {repo.rpartition('/')[2]}\n".encode()
    content = _set_license(own, license) if own is not None else made or b""
    return PublicCard(content, None if made is None else hash_content(made))


def _set_license(card: bytes, license: str) -> bytes:
    """Return a card with a licence in its front; the rest stays as it was."""
    from huggingface_hub.repocard import RepoCard

    text = card.decode("utf-8-sig")
    parsed = RepoCard(text)
    if parsed.data.get("license") == license:
        return card
    parsed.data["license"] = license
    return str(parsed).encode()
