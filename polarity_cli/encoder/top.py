"""The top: the trainable blocks, pooler and classifier, from hidden states at the cut to logits.

It is the classification model itself with the frozen blocks taken out and the embeddings replaced by the hidden states that
`encoder/trunk` made, so each family's own code builds its masks and position biases. The last block answers for the classifier's
token alone. Next: `training/loop`.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from polarity_cli.encoder.families import Family, can_be_cut, find_family, get_blocks, has_submodule
from polarity_cli.encoder.fast.attention import use_fast_attention
from polarity_cli.encoder.fast.dropout import use_fast_dropout
from polarity_cli.encoder.first_token.block import shorten_last
from polarity_cli.encoder.freeze import FreezePlan
from polarity_cli.encoder.trunk import Trunk, replace_modules


class _GivenInputs(nn.Module):
    """Stand in for the embeddings: the hidden states at the cut are the first trainable block's input."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        hidden = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor) and value.is_floating_point()]
        states: Tensor = next(value for value in hidden if value.dim() == 3)
        return states


class _NoBlock(nn.Module):
    """Stand in for the blocks when only the classifier trains: some encoders want at least one."""

    attention_type = "full_attention"

    def __init__(self, *, returns_tuple: bool) -> None:
        super().__init__()
        self.returns_tuple = returns_tuple

    def forward(self, hidden_states: Tensor, *args: object, **kwargs: object) -> Tensor | tuple[Tensor, None]:
        return (hidden_states, None) if self.returns_tuple else hidden_states


class Top(nn.Module):
    """The trained part of an encoder; its parameters are those of the model it was cut from."""

    def __init__(self, model: PreTrainedModel, plan: FreezePlan) -> None:
        super().__init__()
        family = find_family(model.config)
        above = shorten_last(model, list(get_blocks(model, family)[plan.cut :])) or [
            _NoBlock(returns_tuple=family.block_returns_tuple)
        ]
        top = replace_modules(model, {family.path(family.blocks): nn.ModuleList(above), **_inputs(model, family)})
        self.model = replace_modules(top, use_fast_dropout(top))
        use_fast_attention(model)

    def train(self, mode: bool = True) -> Top:
        """Set the mode of what trains; what is frozen in the top (DeBERTa's position table, say) stays in eval mode."""
        super().train(mode)
        for module in self.modules():
            own = list(module.parameters(recurse=False))
            if own and not any(parameter.requires_grad for parameter in own):
                module.train(False)
        return self

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the logits `(B, 2)` for hidden states `(B, T, H)` at the cut and a mask `(B, T)`."""
        logits: Tensor = self.model(inputs_embeds=hidden, attention_mask=attention_mask).logits
        return logits


class Whole(nn.Module):
    """The top of an encoder whose embeddings train too: there is no trunk, and it starts from token ids.

    It takes any classification model; one of a family that cannot be cut runs as it is.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        if not can_be_cut(model.config):
            self.model = model
            return
        whole = replace_modules(model, _shorten_blocks(model))
        self.model = replace_modules(whole, use_fast_dropout(whole))
        use_fast_attention(model)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None, **more: Tensor) -> Tensor:
        """Return the logits `(B, 2)` for token ids `(B, T)`, and a mask `(B, T)` or one that the family's code takes too.

        `more` is what else that code takes.
        """
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask, **more).logits
        return logits


def split_model(model: PreTrainedModel, plan: FreezePlan) -> tuple[Trunk | None, Top | Whole]:
    """Return the model's trunk (None where everything trains) and top; both share its parameters."""
    if plan.embeddings_train:
        return None, Whole(model)
    return Trunk(model, plan), Top(model, plan)


def _shorten_blocks(model: PreTrainedModel) -> dict[str, nn.Module]:
    family = find_family(model.config)
    return {family.path(family.blocks): nn.ModuleList(shorten_last(model, list(get_blocks(model, family))))}


def _inputs(model: PreTrainedModel, family: Family) -> dict[str, nn.Module]:
    paths = [path for path in map(family.path, family.inputs) if has_submodule(model, path)]
    return {path: _GivenInputs() for path in paths}
