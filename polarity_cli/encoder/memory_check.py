"""What a config asks of the machine, measured before any of it is given. Between `checkpoint/weights` and `encoder/loading`.

Imports torch and transformers, so only functions import this module.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from polarity_cli.checkpoint.weights import FLOATS, read_headers
from polarity_cli.errors import CheckpointError
from polarity_cli.machine import find_memory

_FLOAT_BYTES = 4
_MOST_TIMES = 1.5
"""Weights that a config may ask for, as a multiple of those in the files. What is drawn anew, a pooler and a classifier, is at
most a sixth of an encoder of one block."""


def check_memory(folder: Path, config: Any, *, is_needed: Callable[[str], bool], building: tuple[type[Exception], ...]) -> None:
    """Refuse a config that asks for more than its files hold or than the machine has.

    Args:
        folder: where the weights are.
        config: of the model to be built from them.
        is_needed: tells by its name whether a weight must come from the files.
        building: what transformers raises on a config that no model can be built from.

    Raises:
        CheckpointError: the files are damaged, or hold weights of other shapes or types, or far fewer than the config asks for;
            or the model does not fit into memory.
    """
    stored = read_headers(folder)
    model = _outline(folder, config, building)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    n_asked = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    memory = find_memory()
    if n_asked * _FLOAT_BYTES > memory:
        asked_gb, memory_gb = n_asked * _FLOAT_BYTES / 1e9, memory / 1e9
        raise CheckpointError(
            f"{folder}: its config asks for {asked_gb:,.1f} GB of weights, and this machine has {memory_gb:,.1f} GB of memory.",
            hint="Choose a smaller encoder.",
        )
    n_stored = sum(tensor.n_values for tensor in stored.values() if tensor.dtype in FLOATS)
    if n_asked > _MOST_TIMES * n_stored:
        raise CheckpointError(
            f"{folder}: weights are missing or of another shape than its config says: it asks for {n_asked:,}, "
            f"and its files hold {n_stored:,}."
        )
    prefix = f"{model.base_model_prefix}."
    for name, shape in shapes.items():
        tensor = stored.get(name) or stored.get(name.removeprefix(prefix))
        if tensor is None or not is_needed(name):
            continue
        if tensor.shape != shape:
            raise CheckpointError(
                f"{folder}: weights are missing or of another shape than its config says: {name} is {_show(tensor.shape)}, "
                f"expected {_show(shape)}."
            )
        if tensor.dtype not in FLOATS:
            raise CheckpointError(f"{folder}: {name} is of type {tensor.dtype}, expected one of {', '.join(sorted(FLOATS))}.")


def _outline(folder: Path, config: Any, building: tuple[type[Exception], ...]) -> PreTrainedModel:
    """Return the model of a config without any memory for its weights."""
    try:
        with torch.device("meta"):
            model: PreTrainedModel = AutoModelForSequenceClassification.from_config(  # type: ignore[no-untyped-call]
                copy.deepcopy(config), trust_remote_code=False
            )
    except building as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{folder}: the weights cannot be loaded ({reason[:300]}).") from error
    return model


def _show(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one value"
