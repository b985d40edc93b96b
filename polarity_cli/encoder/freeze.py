"""Where an encoder is cut: the blocks that stay frozen and the modules that train.

The plan is made once from `--unfreeze`; `encoder/trunk` takes what is below the cut, `encoder/top` what is above.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from polarity_cli.config import All
from polarity_cli.encoder.families import find_family, get_blocks, has_submodule
from polarity_cli.errors import UsageError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class FreezePlan:
    """What trains and what stays frozen, in module paths and counts of parameters."""

    n_blocks: int
    cut: int
    """Index of the first trainable block; equal to `n_blocks` when the classifier trains alone."""
    embeddings_train: bool
    trainable_modules: tuple[str, ...]
    n_trainable: int
    n_frozen: int

    def to_json(self) -> dict[str, object]:
        """Return the plan as plain values for the manifest."""
        return asdict(self)


def freeze(model: PreTrainedModel, unfreeze: int | All) -> FreezePlan:
    """Freeze all of `model` but its last `unfreeze` blocks and what follows them, and return the plan.

    With 0 only the classifier trains: a pooler that belongs to the pretrained encoder stays frozen. With `all` everything
    trains, embeddings included. Modules are frozen as objects, never by matching names. What changes no answer stays frozen too.

    Raises:
        UsageError: the encoder has fewer blocks.
        CheckpointError: the family cannot be cut.
    """
    family = find_family(model.config)
    blocks = get_blocks(model, family)
    if unfreeze != "all" and unfreeze > len(blocks):
        raise UsageError(
            f"--unfreeze {unfreeze}: this encoder has {len(blocks)} blocks.",
            hint=f"Give a number from 0 to {len(blocks)}, or 'all' to train the embeddings too.",
        )
    cut = 0 if unfreeze == "all" else len(blocks) - unfreeze
    names = ["the whole model"] if unfreeze == "all" else _trainable_names(model, cut)
    modules = [model] if unfreeze == "all" else [model.get_submodule(name) for name in names]
    model.requires_grad_(False)
    for module in modules:
        module.requires_grad_(True)
    for block in blocks:
        for name in family.without_effect:
            block.get_parameter(name).requires_grad_(False)
    n_trainable = _count(model, trainable=True)
    return FreezePlan(
        n_blocks=len(blocks),
        cut=cut,
        embeddings_train=unfreeze == "all",
        trainable_modules=tuple(names),
        n_trainable=n_trainable,
        n_frozen=_count(model, trainable=False),
    )


def _trainable_names(model: PreTrainedModel, cut: int) -> list[str]:
    """Return the paths of the blocks from `cut` on, of what follows them in the encoder, and of the head."""
    family = find_family(model.config)
    n_blocks = len(get_blocks(model, family))
    names = [f"{family.path(family.blocks)}.{index}" for index in range(cut, n_blocks)]
    if cut < n_blocks:
        names += [path for path in map(family.path, family.after) if has_submodule(model, path)]
    names += [name for name, module in model.named_children() if name != family.base and _has_parameters(module)]
    return names


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _count(model: nn.Module, *, trainable: bool) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad is trainable)
