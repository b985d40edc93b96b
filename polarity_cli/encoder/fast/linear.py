"""The frozen blocks' matrix products through oneDNN, which on a CPU is faster than torch's default for float32.

The weights are put into oneDNN's own order once. With all-MiniLM-L6-v2 on two cores that made the pass through the trunk 8% to
10% faster. torch offers oneDNN for float32 only through the operators that its compiler uses; where they are missing, or off the
CPU, nothing changes. For the products of blocks that train it gained nothing (7.6 s an epoch either way): they would have
to be put in order again at each step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polarity_cli.encoder.first_token.block import FirstTokenBlock

_PACKED_FOR = 2048
"""Rows (tokens) that the weights are ordered for; other numbers work too."""


class FrozenLinear(nn.Module):
    """A linear layer that takes no gradient, with the weights of another in oneDNN's order."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _PACKED_FOR)
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, states: Tensor) -> Tensor:
        """Return `states` `(..., H)` float32 times the weights, plus the bias."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(states, self._packed, self._bias, "none", [], "")
        return product


def use_packed_linears(model: nn.Module) -> dict[str, nn.Module]:
    """Return a replacement for each linear layer of `model`, by its path; none where it would not be faster.

    A block that answers for one token keeps its layers, whose weights it folds.
    """
    has_products = hasattr(torch.ops.mkldnn, "_linear_pointwise")
    if not has_products or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return {}
    if any(parameter.device.type != "cpu" or parameter.dtype != torch.float32 for parameter in model.parameters()):
        return {}
    folded = tuple(f"{path}." for path, module in model.named_modules() if isinstance(module, FirstTokenBlock))
    layers = ((path, module) for path, module in model.named_modules() if type(module) is nn.Linear)
    return {path: FrozenLinear(module) for path, module in layers if not path.startswith(folded)}
