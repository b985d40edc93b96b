"""Load an encoder's tokenizer and weights with the transformers library, and check what came.

Imports transformers, so only functions import this module.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from polarity_cli.checkpoint.config_check import check_config
from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.checkpoint.tokenizer import HOW_TO_SAVE, TOKENIZER, check_words
from polarity_cli.encoder.accepted import check_accepted
from polarity_cli.encoder.families import FAMILIES, Family, find_family
from polarity_cli.encoder.memory_check import check_memory
from polarity_cli.errors import CheckpointError
from polarity_cli.records import LABEL_NAMES

transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]

_LOADING_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    ImportError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
)
"""What transformers raises on files that are not what their names say."""
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")


def load_config(model: ModelFolder) -> Any:
    """Return an encoder's transformers config.

    Raises:
        CheckpointError: it is damaged, no encoder's, or asks for code, quantized weights or files elsewhere.
    """
    path = model.config_path
    check_config(model.config, path)
    try:
        config = AutoConfig.from_pretrained(model.path, local_files_only=True, trust_remote_code=False)
    except _LOADING_ERRORS as error:
        raise CheckpointError(f"{path}: not an encoder's config ({_first_line(error)}).") from error
    check_accepted(config, path)
    config.return_dict = True
    return config


def load_tokenizer(model: ModelFolder, *, expected: Tokenizer | None = None) -> PreTrainedTokenizerFast:
    """Return a model's tokenizer as transformers builds it, which must be a fast one, and the `expected` one where one is given.

    Raises:
        CheckpointError: there is none, it is damaged or slow, or transformers builds another one than is stored.
    """
    folder = model.path
    if not any(path for pattern in _VOCABULARIES for path in folder.glob(pattern)):
        # transformers would make a tokenizer that knows no word.
        raise CheckpointError(f"{folder}: no tokenizer in it.", hint="Copy its tokenizer.json, or save it with save_pretrained.")
    if (folder / "vocab.json").is_file() and not any((folder / name).is_file() for name in ("merges.txt", TOKENIZER)):
        raise CheckpointError(
            f"{folder}: no tokenizer that can be read (vocab.json is there without merges.txt).", hint=HOW_TO_SAVE
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        # The Rust tokenizers raise plain Exception on a damaged file.
        raise CheckpointError(
            f"{folder}: no tokenizer that can be read ({_first_line(error)}).",
            hint=HOW_TO_SAVE,
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise CheckpointError(f"{folder}: no fast tokenizer (tokenizer.json) for {type(tokenizer).__name__}.", hint=HOW_TO_SAVE)
    check_words(tokenizer.backend_tokenizer, folder)
    if expected is not None and _drop_limits(tokenizer.backend_tokenizer) != _drop_limits(expected):
        raise CheckpointError(f"{folder}: its tokenizer.json is not what its tokenizer_config.json tells of.", hint=HOW_TO_SAVE)
    return tokenizer


def _drop_limits(tokenizer: Tokenizer) -> str:
    """Return a tokenizer in JSON without how it cuts and pads."""
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.no_truncation()
    plain.no_padding()
    return plain.to_str()


def load_model(folder: ModelFolder, *, new_head: bool) -> PreTrainedModel:
    """Return a two-class model in float32 and eval mode.

    With `new_head` the head (and a pooler that the encoder lacks) is drawn from torch's random state, even where the folder has
    one; without, the folder must hold every weight.

    Raises:
        CheckpointError: weights are missing, damaged, or of other shapes than the config says, or too many for the machine; the
            last two are found before memory is taken.
    """
    config, path = load_config(folder), folder.path
    if new_head:
        find_family(config)
        config.id2label = dict(enumerate(LABEL_NAMES))
        config.label2id = {name: index for index, name in enumerate(LABEL_NAMES)}
        config.problem_type = None  # a sigmoid's, say, which the new head is not trained for
    elif config.num_labels != 2:
        raise CheckpointError(f"{path}: the model tells {config.num_labels} classes apart, expected 2.")
    is_needed = functools.partial(_is_pretrained, family=find_family(config)) if new_head else lambda name: True
    check_memory(path, config, is_needed=is_needed, building=_LOADING_ERRORS)
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            path,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are refused below, with their names
            output_loading_info=True,
        )
    except _LOADING_ERRORS as error:
        raise CheckpointError(f"{path}: the weights cannot be loaded ({_first_line(error)}).") from error
    _check_complete(path, model, info, new_head=new_head)
    if new_head:
        _draw_head(model, info["missing_keys"])
    model.eval()
    return model  # type: ignore[no-any-return]


def _check_complete(folder: Path, model: PreTrainedModel, info: dict[str, Any], *, new_head: bool) -> None:
    """Refuse a model whose pretrained weights were not all there, which transformers would draw at random."""
    absent = sorted(set(info["missing_keys"]) | {str(key[0]) for key in info["mismatched_keys"]})
    wrong = [key for key in absent if not new_head or _is_pretrained(key, find_family(model.config))]
    if wrong and not new_head and set(wrong) == {key for key in info["missing_keys"] if not _is_below(key, model)}:
        raise CheckpointError(
            f"{folder}: an encoder without a classifier ({wrong[-1]} is missing).",
            hint=f"Train one: polarity train reviews.csv --encoder {folder}",
        )
    if wrong:
        shown = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise CheckpointError(f"{folder}: weights are missing or of another shape than its config says: {shown}.")
    family = FAMILIES.get(model.config.model_type)
    left_over = sorted(key for key in info["unexpected_keys"] if family and f"{family.blocks}." in key)
    if left_over:
        raise CheckpointError(f"{folder}: it holds blocks that its config does not name, e.g. {left_over[0]}.")
    broken = [name for name, tensor in model.named_parameters() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise CheckpointError(f"{folder}: the weights hold values that are not finite, e.g. in {broken[0]}.")


def _draw_head(model: PreTrainedModel, missing: set[str]) -> None:
    """Draw the head anew where the encoder's folder had one: its classes may mean something else."""
    base = find_family(model.config).base
    stored = [name for name, child in model.named_children() if name != base and _has_stored(name, child, missing)]
    if stored:
        fresh = type(model)(model.config)
        for name in stored:
            model.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())


def _has_stored(name: str, module: nn.Module, missing: set[str]) -> bool:
    return any(f"{name}.{key}" not in missing for key in module.state_dict())


def _is_pretrained(key: str, family: Family) -> bool:
    """Tell whether a weight belongs to the encoder; a pooler may be new, since some encoders are stored without theirs."""
    return key.startswith(f"{family.base}.") and not key.startswith(tuple(f"{family.path(name)}." for name in family.after))


def _is_below(key: str, model: PreTrainedModel) -> bool:
    """Tell whether a weight is one of the encoder itself; a pooler may go with the classifier."""
    return key.startswith(f"{model.base_model_prefix}.") and ".pooler." not in key


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
