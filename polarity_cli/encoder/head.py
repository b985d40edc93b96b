"""The classifier that training begins with: the checkpoint's own where its two classes are understood, else a new one.

Next: `encoder/freeze`. Imports transformers, so only functions import this module.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from polarity_cli.checkpoint.classes import check_head, describe_guess, find_positive_class, read_names
from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.checkpoint.weights import StoredTensor, read_headers
from polarity_cli.encoder.families import Family, find_family
from polarity_cli.encoder.loading import load_config, load_model
from polarity_cli.errors import CheckpointError
from polarity_cli.records import LABEL_NAMES, POSITIVE


@dataclass(frozen=True)
class Head:
    """What becomes of the classifier that is among an encoder's weights."""

    positive: int | None
    """The index of its positive class; None where it is drawn anew."""
    note: str

    @property
    def kept(self) -> bool:
        """Whether training goes on with it."""
        return self.positive is not None


def scale_logits(model: PreTrainedModel, factor: float) -> None:
    """Multiply both logits of a model by a factor, in the weights of its last layer, so that every program reads it so."""
    layer = model.get_submodule(find_family(model.config).head[-1])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(factor)


def find_head(encoder: ModelFolder) -> Head | None:
    """Return what becomes of a checkpoint's classifier; None for a plain encoder, which has none.

    It is a function of the config and of what the weights' headers say, so a run is known by those files.

    Raises:
        CheckpointError: the family cannot be cut, or a file is damaged.
    """
    family, stored, name = find_family(load_config(encoder)), read_headers(encoder.path), encoder.name
    if f"{family.head[-1]}.weight" not in stored:
        return None
    try:
        _check_whole(family, stored, name)
        names = read_names(encoder.config, name)
        check_head(encoder.config, name)
        positive = find_positive_class(names, None, name)
    except CheckpointError as error:
        return Head(None, f"The classifier is drawn anew: {error}")
    note = f"The classifier of {name} is kept."
    guess = describe_guess(names, None)
    if guess is not None:
        note += f" Its classes are unnamed; {names[positive]} is taken as positive."
    return Head(positive, note)


def load_to_train(encoder: ModelFolder, head: Head | None) -> PreTrainedModel:
    """Return an encoder with a head of two classes, 0 negative and 1 positive, in float32 and eval mode.

    The rows of a head that is kept are exchanged where its first class is the positive one; else it is drawn from torch's random
    state.

    Raises:
        CheckpointError: see `load_model`.
    """
    if head is None or not head.kept:
        return load_model(encoder, new_head=True)
    model = load_model(encoder, new_head=False)
    if head.positive != POSITIVE:
        last = model.get_submodule(find_family(model.config).head[-1])
        with torch.no_grad():
            for parameter in last.parameters():
                parameter.copy_(parameter.flip(0))
    model.config.id2label = dict(enumerate(LABEL_NAMES))
    model.config.label2id = {name: index for index, name in enumerate(LABEL_NAMES)}
    model.config.problem_type = None
    return model


def _check_whole(family: Family, stored: dict[str, StoredTensor], name: str) -> None:
    absent = [module for module in family.head if f"{module}.weight" not in stored]
    if absent:
        raise CheckpointError(f"{name} lacks {absent[0]}, which its classifier reads.")
