"""The encoder families: where each keeps its blocks, what stands before and after them, and how its last block is shortened.

First step of the encoder's road: `encoder/trunk` and `encoder/top` cut a model by the row found here.
To add a family, add one row and one line in `tests/encoder/test_families.py`.

Imports torch, so modules that must start at once import it inside functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from polarity_cli.encoder.first_token.deberta import compute_deberta, compute_deberta_v2
from polarity_cli.encoder.first_token.layouts import compute_bert, compute_distilbert, compute_modernbert, compute_mpnet
from polarity_cli.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Compute = Callable[..., Tensor]
"""From a block, hidden states `(B, T, H)` and what the encoder passes beside them, to the first token's output `(B, 1, H)`."""


@dataclass(frozen=True)
class Family:
    """One encoder family, as dotted module paths inside its sequence-classification model."""

    base: str
    """The encoder itself, without the classifier."""
    blocks: str = "encoder.layer"
    """The `ModuleList` of blocks, below `base`."""
    inputs: tuple[str, ...] = ("embeddings",)
    """Modules below `base` that turn `input_ids` into the first block's input, in order."""
    after: tuple[str, ...] = ()
    """Modules below `base` that run after the last block and belong to the top; absent ones are skipped."""
    block_returns_tuple: bool = False
    """Whether a block returns `(hidden_states, ...)` rather than the hidden states alone."""
    head: tuple[str, ...] = ("classifier",)
    """Modules with weights of their own between the last block and the logits, from the root; the last one gives the logits."""
    without_effect: tuple[str, ...] = ()
    """Weights of a block that change no answer: a key's bias adds the same to all scores of a query, and softmax takes it out.

    Their gradient is 0 but for rounding, which AdamW would blow up to steps of the full learning rate.
    """

    first_token: Compute | None = None
    """The block's output for the first token alone; None where its last block is computed for all tokens."""
    projections: tuple[str, str, str] | None = None
    """A block's projections of keys, values and context, where its scores are plain products; see `export/simplify`."""

    def path(self, name: str) -> str:
        """Return the path of `name` from the root of the classification model."""
        return f"{self.base}.{name}"


_TWO_LAYERS = ("classifier.dense", "classifier.out_proj")
_POOLER_BEFORE = ("pooler.dense", "classifier")


def _like_bert(
    base: str,
    *,
    head: tuple[str, ...],
    after: tuple[str, ...] = ("pooler",),
    inputs: tuple[str, ...] = ("embeddings",),
) -> Family:
    """Return the row of a family whose blocks are BERT's."""
    return Family(
        base,
        after=after,
        head=head,
        without_effect=("attention.self.key.bias",),
        first_token=compute_bert,
        projections=("attention.self.key", "attention.self.value", "attention.output.dense"),
        inputs=inputs,
    )


FAMILIES: dict[str, Family] = {
    "bert": _like_bert("bert", head=("bert.pooler.dense", "classifier")),
    "camembert": _like_bert("roberta", head=_TWO_LAYERS),
    "deberta": Family("deberta", block_returns_tuple=True, head=_POOLER_BEFORE, first_token=compute_deberta),
    "deberta-v2": Family("deberta", block_returns_tuple=True, head=_POOLER_BEFORE, first_token=compute_deberta_v2),
    "distilbert": Family(
        "distilbert",
        blocks="transformer.layer",
        head=("pre_classifier", "classifier"),
        without_effect=("attention.k_lin.bias",),
        first_token=compute_distilbert,
        projections=("attention.k_lin", "attention.v_lin", "attention.out_lin"),
    ),
    "electra": _like_bert("electra", inputs=("embeddings", "embeddings_project"), after=(), head=_TWO_LAYERS),
    "ernie": _like_bert("ernie", head=("ernie.pooler.dense", "classifier")),
    "modernbert": Family(
        "model",
        blocks="layers",
        after=("final_norm",),
        head=("head.dense", "head.norm", "classifier"),
        first_token=compute_modernbert,
    ),
    "mpnet": Family(
        "mpnet",
        after=("pooler",),
        block_returns_tuple=True,
        head=_TWO_LAYERS,
        without_effect=("attention.attn.k.bias",),
        first_token=compute_mpnet,
        projections=("attention.attn.k", "attention.attn.v", "attention.attn.o"),
    ),
    "roberta": _like_bert("roberta", head=_TWO_LAYERS),
    "xlm-roberta": _like_bert("roberta", head=_TWO_LAYERS),
}

REFUSED: dict[str, str] = {
    "albert": "ALBERT uses one block again and again, so its last blocks cannot train while the first stay frozen",
}


def find_family(config: PretrainedConfig) -> Family:
    """Return the family of an encoder.

    Raises:
        CheckpointError: the family is unknown, or its blocks cannot be cut.
    """
    model_type = config.model_type
    if model_type in REFUSED:
        raise CheckpointError(f"{REFUSED[model_type]}.", hint=f"Choose an encoder of: {', '.join(sorted(FAMILIES))}.")
    if model_type not in FAMILIES:
        raise CheckpointError(
            f"Encoders of the family {model_type!r} are not supported.",
            hint=f"Choose an encoder of: {', '.join(sorted(FAMILIES))}.",
        )
    if getattr(config, "conv_kernel_size", 0):
        # DeBERTa-v2 adds a convolution after block 0 by its place in the list, which a cut list would repeat.
        raise CheckpointError("DeBERTa encoders with a convolution (conv_kernel_size) cannot be cut into blocks.")
    return FAMILIES[model_type]


def can_be_cut(config: PretrainedConfig) -> bool:
    """Tell whether an encoder is of a family that can be cut into blocks."""
    try:
        find_family(config)
    except CheckpointError:
        return False
    return True


def get_blocks(model: nn.Module, family: Family) -> nn.ModuleList:
    """Return the encoder's blocks, in order."""
    blocks: nn.ModuleList = model.get_submodule(family.path(family.blocks))  # type: ignore[assignment]
    return blocks


def has_submodule(model: nn.Module, path: str) -> bool:
    """Tell whether `path` names a module of `model` that is there (a model may hold `None` in its place)."""
    try:
        model.get_submodule(path)
    except AttributeError:
        return False
    return True
