"""What answers for a checkpoint once it is opened, as `verbs/open_model` returns it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polarity_cli.data.tokenizing import ReviewTokenizer
    from polarity_cli.encoder.gpu_engine import GpuEngine
    from polarity_cli.encoder.torch_engine import TorchCheckpoint, TorchEngine
    from polarity_cli.inference.graphs import GraphFolder
    from polarity_cli.inference.onnx_engine import GraphEngine

WEIGHTS = "weights"
"""The precision of a model that torch runs as it is stored."""
BFLOAT16 = "bf16"
"""That of a model that a GPU runs in bfloat16."""


@dataclass(frozen=True)
class OpenedModel:
    """A checkpoint that is ready to answer."""

    engine: GraphEngine | GpuEngine | TorchEngine
    precision: str
    """What answers: `int8` or `fp32`, a graph, `weights` as they are, in float32, or `bf16`, those in bfloat16."""
    positive: int
    """The index of the class that means positive."""
    threshold: float | None
    """From this probability of positive on the answer is positive; None where the likelier class answers."""
    sigmoid: bool
    """Whether its head scores each class by itself."""
    source: TorchCheckpoint | GraphFolder
    """What it was opened from."""
    device: str = "cpu"
    """Where it answers: `cpu`, or a GPU, `cuda:0`."""

    @property
    def name(self) -> str:
        """What answers, in words, to stand behind `in`: `int8`, `torch`, `bfloat16 on cuda:0`."""
        if self.device != "cpu" or self.precision == BFLOAT16:
            return f"{'bfloat16' if self.precision == BFLOAT16 else 'float32'} on {self.device}"
        return "torch" if self.precision == WEIGHTS else self.precision

    @property
    def exact_engine(self) -> GraphEngine | GpuEngine | TorchEngine:
        """What answers so finely that what each word adds can be told: in float32 in place of bfloat16."""
        return self.engine.make_exact() if self.precision == BFLOAT16 else self.engine  # type: ignore[union-attr]

    def load_tokenizer(self) -> ReviewTokenizer:
        """Return what turns texts into token ids for it.

        Raises:
            CheckpointError: the tokenizer is missing or damaged.
        """
        return self.source.load_tokenizer()
