"""The trunk: the frozen blocks, from token ids to the hidden states at the cut.

It stays in eval mode whatever a loop calls, because a frozen block in train mode would still drop out. Next on the road:
`encoder/top`, which starts from these hidden states.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from polarity_cli.encoder.families import find_family, get_blocks, has_submodule
from polarity_cli.encoder.first_token.block import reads_first_token, shorten_last
from polarity_cli.encoder.freeze import FreezePlan

M = TypeVar("M", bound=nn.Module)


class _ReachedCut(Exception):  # noqa: N818 - it carries a value out of the encoder; it is not an error
    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.hidden = hidden


class _Cut(nn.Module):
    """Stand in for the first trainable block and leave the encoder with that block's input."""

    attention_type = "full_attention"  # ModernBERT's encoder asks each block which mask it takes

    def forward(self, hidden_states: Tensor, *args: object, **kwargs: object) -> Tensor:
        raise _ReachedCut(hidden_states)


class Trunk(nn.Module):
    """The frozen part of an encoder; its parameters are those of the model it was cut from.

    Where every block is frozen and the classifier reads one token, `first_token_only` holds and T is 1 in what it returns.
    """

    def __init__(self, model: PreTrainedModel, plan: FreezePlan) -> None:
        super().__init__()
        family = find_family(model.config)
        base = model.get_submodule(family.base)
        blocks = list(get_blocks(model, family)[: plan.cut])
        self.first_token_only = plan.cut == plan.n_blocks and reads_first_token(model.config)
        below = nn.ModuleList([*(shorten_last(model, blocks) if self.first_token_only else blocks), _Cut()])
        unused = {name: nn.Identity() for name in family.after if has_submodule(base, name)}
        self.encoder = replace_modules(base, {family.blocks: below, **unused})
        self.train(False)

    @property
    def hidden_size(self) -> int:
        """H, the width of the hidden states at the cut."""
        return int(self.encoder.config.hidden_size)  # type: ignore[union-attr,arg-type]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.encoder.parameters()).device

    def train(self, mode: bool = True) -> Trunk:
        """Stay in eval mode: a frozen block never drops out."""
        super().train(False)
        return self

    @torch.no_grad()
    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the hidden states at the cut.

        Args:
            input_ids: `(B, T)` int64.
            attention_mask: `(B, T)` int64, 1 for a real token.

        Returns:
            `(B, T, H)` in the dtype of the weights; `(B, 1, H)` with `first_token_only`.
        """
        try:
            self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        except _ReachedCut as reached:
            return reached.hidden
        raise RuntimeError("the encoder ended before its cut")


def replace_modules(model: M, replacements: Mapping[str, nn.Module]) -> M:
    """Return a copy of `model` with some submodules replaced; all other modules and every parameter are shared.

    Only the modules on the way to a replaced one are copied, and those shallowly.
    """
    clone = copy.copy(model)
    clone._modules = dict(model._modules)
    nested: dict[str, dict[str, nn.Module]] = {}
    for path, module in replacements.items():
        head, _, rest = path.partition(".")
        if rest:
            nested.setdefault(head, {})[rest] = module
        else:
            clone._modules[head] = module
    for head, inner in nested.items():
        child = clone._modules[head]
        assert child is not None  # the family table names modules that are there
        clone._modules[head] = replace_modules(child, inner)
    return clone
