"""The optimizer and the learning rate's schedule."""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW, Optimizer


def make_optimizer(top: nn.Module, *, learning_rate: float, weight_decay: float) -> AdamW:
    """Return AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) over the parameters of `top` that train.

    Biases and normalisation weights, which have one dimension, do not decay.
    """
    trainable = [parameter for parameter in top.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=learning_rate, fused=True)


def scale_learning_rate(step: int, *, n_steps: int, warmup: float) -> float:
    """Return the share of the highest learning rate at a step, counted from 0: a straight rise, then a straight fall to 0."""
    n_warmup = round(warmup * n_steps)
    if step < n_warmup:
        return (step + 1) / n_warmup
    return max(0.0, (n_steps - step) / max(1, n_steps - n_warmup))


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Let the next step be taken at a learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
