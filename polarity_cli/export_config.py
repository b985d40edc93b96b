"""What the verb `export` is asked to do. One of the configs; see `config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polarity_cli.errors import require


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What other programs get of a checkpoint."""

    checkpoint: str | Path | None = None
    """As in `EvaluateConfig`."""
    onnx: bool = False
    """Whether graphs are written; so they are where nothing else is asked for."""
    out: Path | None = None
    """A folder for a copy of the checkpoint, which gets the graphs; None writes them into the checkpoint's own."""
    push: str | None = None
    """A repository on the Hub, `USER/NAME`, that the checkpoint is published to; None publishes nothing."""
    license: str | None = None
    """The Hub's id of the licence that it is published under; None takes that of its card, or of the repository."""
    private: bool = False
    """Whether a repository that is made for it is seen by its owners alone."""

    def __post_init__(self) -> None:
        for flag, is_given in (("--license", self.license is not None), ("--private", self.private)):
            require(
                not is_given or self.push is not None, f"{flag} is for --push.", hint="Name the repository: --push USER/NAME."
            )
        require(
            self.out is None or self.writes_graphs,
            "--out is for a copy with graphs, and none are asked for.",
            hint="Add --onnx, or leave out --out: --push changes nothing in the folder.",
        )

    @property
    def writes_graphs(self) -> bool:
        """Whether graphs are asked for."""
        return self.onnx or self.push is None
