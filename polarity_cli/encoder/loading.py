"""Load an encoder's tokenizer and weights with the transformers library, and check what came.

Imports transformers, so only functions import this module.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from polarity_cli.encoder.families import FAMILIES, Family, find_family
from polarity_cli.errors import CheckpointError
from polarity_cli.records import LABEL_NAMES

transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]

_LOADING_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    RecursionError,
    SafetensorError,
)
"""What transformers raises on files that are not what their names say."""


def load_config(folder: Path) -> Any:
    """Return the encoder's transformers config.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder}: no checkpoint (there is no config.json in it).", hint="`polarity train` makes one.")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except _LOADING_ERRORS as error:
        raise CheckpointError(f"{folder / 'config.json'}: not an encoder's config ({_first_line(error)}).") from error
    return config


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Return the encoder's tokenizer, which must be a fast one.

    Raises:
        CheckpointError: there is none, or it is damaged or slow.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        # The Rust tokenizers raise plain Exception on a damaged file.
        raise CheckpointError(f"{folder}: no tokenizer that can be read ({_first_line(error)}).") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise CheckpointError(f"{folder}: no fast tokenizer (tokenizer.json) for {type(tokenizer).__name__}.")
    return tokenizer


def get_longest_input(config: Any, tokenizer: PreTrainedTokenizerFast) -> int:
    """Return the most tokens that the encoder reads, special tokens included."""
    family = FAMILIES.get(config.model_type)
    n_reserved = family.n_reserved_positions if family else 0
    n_positions = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    return min(int(n_positions) - n_reserved, int(tokenizer.model_max_length))


def load_model(folder: Path, *, new_head: bool) -> PreTrainedModel:
    """Return a two-class model in float32 and eval mode.

    With `new_head` the folder holds a pretrained encoder, and the classifier (and a pooler it lacks) is drawn from torch's random
    state; without, it must hold every weight.

    Raises:
        CheckpointError: weights are missing, damaged, or of other shapes than the config says.
    """
    config = load_config(folder)
    if new_head:
        find_family(config)
        config.id2label = dict(enumerate(LABEL_NAMES))
        config.label2id = {name: index for index, name in enumerate(LABEL_NAMES)}
    elif config.num_labels != 2:
        raise CheckpointError(f"{folder}: the model tells {config.num_labels} classes apart, expected 2.")
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are refused below, with their names
            output_loading_info=True,
        )
    except _LOADING_ERRORS as error:
        raise CheckpointError(f"{folder}: the weights cannot be loaded ({_first_line(error)}).") from error
    _check_complete(folder, model, info, new_head=new_head)
    model.eval()
    return model  # type: ignore[no-any-return]


def _check_complete(folder: Path, model: PreTrainedModel, info: dict[str, Any], *, new_head: bool) -> None:
    """Refuse a model whose pretrained weights were not all there, which transformers would draw at random."""
    absent = sorted(set(info["missing_keys"]) | {str(key[0]) for key in info["mismatched_keys"]})
    wrong = [key for key in absent if not new_head or _is_pretrained(key, find_family(model.config))]
    if wrong:
        shown = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise CheckpointError(f"{folder}: weights are missing or of another shape than its config says: {shown}.")
    broken = [name for name, tensor in model.named_parameters() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise CheckpointError(f"{folder}: the weights hold values that are not finite, e.g. in {broken[0]}.")


def _is_pretrained(key: str, family: Family) -> bool:
    """Tell whether a weight belongs to the encoder; a pooler may be new, since some encoders are stored without theirs."""
    return key.startswith(f"{family.base}.") and not key.startswith(tuple(f"{family.path(name)}." for name in family.after))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def read_labels(folder: Path) -> dict[int, str]:
    """Return the class names in a checkpoint's config by their index, as they stand there."""
    try:
        found = json.loads((folder / "config.json").read_bytes()).get("id2label") or {}
        return {int(index): str(name) for index, name in found.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{folder / 'config.json'}: not an encoder's config ({error}).") from error
