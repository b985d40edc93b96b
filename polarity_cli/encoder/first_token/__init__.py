"""The last block for the one token that the classifier reads: the same logits and gradients for a fraction of the work.

Keys and values are needed of every token, the rest of the block (query, output, feed-forward) of the first token alone.
`attend` has the attention, `layouts` and `deberta` what each family builds around it.
To add a family, add one function and one line below; the tests of every family try it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from polarity_cli.encoder.families import find_family
from polarity_cli.encoder.first_token.deberta import compute_deberta, compute_deberta_v2
from polarity_cli.encoder.first_token.layouts import compute_bert, compute_distilbert, compute_modernbert, compute_mpnet

Compute = Callable[..., Tensor]
"""From a block, hidden states `(B, T, H)` and what the encoder passes beside them, to the first token's output `(B, 1, H)`."""

_COMPUTE: dict[str, Compute] = {
    "bert": compute_bert,
    "camembert": compute_bert,
    "deberta": compute_deberta,
    "deberta-v2": compute_deberta_v2,
    "distilbert": compute_distilbert,
    "electra": compute_bert,
    "ernie": compute_bert,
    "modernbert": compute_modernbert,
    "mpnet": compute_mpnet,
    "roberta": compute_bert,
    "xlm-roberta": compute_bert,
}


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
    return config.model_type in _COMPUTE and not pools_all and not mixes_heads


def shorten_last(model: PreTrainedModel, blocks: list[nn.Module]) -> list[nn.Module]:
    """Return the last blocks of `model` with the very last one for the first token alone, where the head reads no other."""
    if not blocks or not reads_first_token(model.config):
        return blocks
    compute, returns_tuple = _COMPUTE[model.config.model_type], find_family(model.config).block_returns_tuple
    return [*blocks[:-1], FirstTokenBlock(blocks[-1], compute, returns_tuple=returns_tuple)]
