"""A block that answers for the first token alone, in place of a model's last one. Used by `encoder/trunk` and `encoder/top`."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from polarity_cli.encoder.families import FAMILIES, Compute, find_family


class FirstTokenBlock(nn.Module):
    """A block that answers for the first token alone; its parameters are those of the block it was made from."""

    def __init__(self, block: nn.Module, compute: Compute, *, returns_tuple: bool) -> None:
        super().__init__()
        self.block = block
        self.attention_type = getattr(block, "attention_type", "full_attention")
        self._compute = compute
        self._returns_tuple = returns_tuple
        self.train(block.training)

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor | tuple[Tensor, None]:
        """Return the block's output `(B, 1, H)` at the first token, for hidden states `(B, T, H)`."""
        output = self._compute(self.block, hidden_states, *args, **kwargs)
        return (output, None) if self._returns_tuple else output


def reads_first_token(config: Any) -> bool:
    """Tell whether the classifier of this encoder reads the first token alone, and its last block can be computed for it."""
    pools_all = getattr(config, "classifier_pooling", "cls") != "cls"  # ModernBERT may average the tokens
    mixes_heads = bool(getattr(config, "talking_head", False))  # DeBERTa may mix the scores of all heads
    family = FAMILIES.get(config.model_type)
    return family is not None and family.first_token is not None and not pools_all and not mixes_heads


def shorten_last(model: PreTrainedModel, blocks: list[nn.Module]) -> list[nn.Module]:
    """Return the last blocks of `model` with the very last one for the first token alone, where the head reads no other."""
    if not blocks or not reads_first_token(model.config):
        return blocks
    family = find_family(model.config)
    assert family.first_token is not None  # as `reads_first_token` found
    return [*blocks[:-1], FirstTokenBlock(blocks[-1], family.first_token, returns_tuple=family.block_returns_tuple)]
