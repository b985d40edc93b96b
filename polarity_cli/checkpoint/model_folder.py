"""A model's folder, opened once: checked, and its config and its tokenizer read when they are first wanted, once each.

An encoder to train and a checkpoint to predict with are opened by it; functions take it instead of a path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polarity_cli.cache.publish import read_json
from polarity_cli.checkpoint.folder_check import check_folder
from polarity_cli.checkpoint.tokenizer import ModelTokenizer, read_tokenizer
from polarity_cli.errors import CheckpointError

CONFIG = "config.json"


@dataclass(eq=False)
class ModelFolder:
    """A folder that was checked, with its config."""

    path: Path
    name: str
    """What the user calls it."""
    config: dict[str, Any]
    """The object in its config.json."""
    _tokenizer: ModelTokenizer | None = field(default=None, init=False, repr=False)

    @classmethod
    def open(cls, path: Path, name: str | None = None) -> ModelFolder:
        """Check a folder and read its config.

        Raises:
            CheckpointError: it has no config.json, a file is damaged or not what its name says, or leads out of the folder.
        """
        if not (path / CONFIG).is_file():
            hint = "`polarity train` makes one."
            raise CheckpointError(f"{path}: no checkpoint (there is no {CONFIG} in it).", hint=hint)
        check_folder(path)
        config = read_json(path / CONFIG)
        if config is None:
            raise CheckpointError(f"{path / CONFIG}: not an encoder's config (it is not a JSON object).")
        return cls(path, name or str(path), config)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process is told; it loads the tokenizer itself."""
        return {**self.__dict__, "_tokenizer": None}

    @property
    def config_path(self) -> Path:
        """Where its config is, for messages."""
        return self.path / CONFIG

    def load_tokenizer(self, convert: Callable[[ModelFolder], ModelTokenizer]) -> ModelTokenizer:
        """Return the tokenizer, loaded by the first call; `convert` makes it where it cannot be read as it is stored.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        if self._tokenizer is None:
            self._tokenizer = read_tokenizer(self.path, self.config) or convert(self)
        return self._tokenizer
