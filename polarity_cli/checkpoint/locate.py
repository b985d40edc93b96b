"""Where an encoder's files are: the packaged sample, a local folder, or a Hub repository fetched into its own cache.

Only configuration, tokenizer and safetensors files are ever fetched or read: a checkpoint is data, never code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polarity_cli.cache.hashes import hash_file
from polarity_cli.cache.layout import fingerprint
from polarity_cli.checkpoint.folder_check import is_path
from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.config import SAMPLE, Context
from polarity_cli.errors import CheckpointError, UsageError
from polarity_cli.hub import find_revision
from polarity_cli.hub.files import fetch_files

_FETCHED = [
    "config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "polarity.json",
    "special_tokens_map.json",
    "*.model",
    "*.safetensors",
    "model.safetensors.index.json",
]


@dataclass(frozen=True)
class EncoderLocation:
    """An encoder's folder and what its content is known by."""

    model: ModelFolder
    revision: str
    """The Hub's commit, or `sha256:` and a hash of the weights."""
    hub_id: str | None = None
    """What the encoder is called on the Hub, where that is known."""

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.model.name

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.model.path


def find_encoder(name: str, context: Context) -> EncoderLocation:
    """Return where an encoder's files are, fetched first where it is on the Hub.

    Raises:
        CheckpointError: the sample encoder is not installed, or the folder holds no encoder.
        HubError: the Hub is out of reach or has no such model.
        UsageError: the name is neither a folder nor a Hub id.
    """
    if not name:
        raise UsageError("--encoder is empty.", hint="Leave it out for bert-base-uncased, or name a folder or a Hub id.")
    if name == SAMPLE:
        # Imported here because only this encoder comes from a package.
        from polarity_cli.sample.encoder import HUB_ID, find_sample_encoder

        folder, sha256 = find_sample_encoder()
        return EncoderLocation(ModelFolder.open(folder, name), f"sha256:{sha256}", HUB_ID)
    return _find_local(Path(name), name) if is_path(name) else fetch_encoder(name, context)


def _find_local(folder: Path, name: str) -> EncoderLocation:
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder.", hint="Give a folder saved by save_pretrained, or a Hub id.")
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{folder}: no encoder (there is no config.json in it).",
            hint="Give a folder saved by save_pretrained, or a Hub id.",
        )
    model = ModelFolder.open(folder, name)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise CheckpointError(
            f"{folder}: no weights in safetensors format.",
            hint="Pickled weights are not read; convert them with save_pretrained.",
        )
    hashes = [hash_file(path) for path in weights]
    return EncoderLocation(model, f"sha256:{hashes[0] if len(hashes) == 1 else fingerprint(hashes)}")


def fetch_encoder(repo: str, context: Context) -> EncoderLocation:
    """Return where a Hub repository's model is, fetched first where it is not in the Hub's cache.

    Raises:
        CheckpointError, HubError, UsageError: see `fetch_model`.
    """
    folder, revision = fetch_model(repo, context)
    return EncoderLocation(ModelFolder.open(folder, repo), revision, repo)


def fetch_model(repo: str, context: Context) -> tuple[Path, str]:
    """Return the folder and the commit of a Hub repository's model, fetched first where it is not in the Hub's cache.

    Raises:
        CheckpointError: it has no weights that are read here.
        HubError: the Hub is out of reach or has no such model.
        UsageError: no repository can be called so.
    """
    revision = find_revision(repo, repo_type="model", context=context)
    files = fetch_files(repo, revision, _FETCHED, repo_type="model", context=context)
    if not any(file.suffix == ".safetensors" for file in files):
        raise CheckpointError(
            f"{repo}: no weights in safetensors format.", hint="Pickled weights are not read; choose another encoder."
        )
    return files[0].parent, revision
