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
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from polarity_cli.cache.publish import read_json
from polarity_cli.checkpoint.folder_check import check_folder
from polarity_cli.checkpoint.positions import count_reserved_positions
from polarity_cli.config import SHORTEST_LENGTH
from polarity_cli.encoder.accepted import check_kind, refuse_decoder
from polarity_cli.encoder.families import FAMILIES, Family, find_family
from polarity_cli.encoder.memory_check import check_demand
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
_FEWEST_TOKENS = 5
"""Beside the special ones: the smallest real vocabularies are of letters."""
_HOW_TO_SAVE = "Save it with its tokenizer.json: AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER)."
_MOST_BLOCKS = 1000
_OWN_ATTENTION = (None, "eager", "sdpa")
"""Implementations of attention that a config may ask for: others load compiled code, some of it from the Hub."""


def load_config(folder: Path) -> Any:
    """Return the encoder's transformers config.

    Raises:
        CheckpointError: there is none, it is damaged, or it asks for code, quantized weights or files elsewhere.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{folder}: no checkpoint (there is no config.json in it).", hint="`polarity train` makes one.")
    check_folder(folder)
    stored = read_json(path)
    if stored is None:
        raise CheckpointError(f"{path}: not an encoder's config (it is not a JSON object).")
    if stored.get("quantization_config"):
        raise CheckpointError(
            f"{path}: quantized weights cannot be trained or read here.", hint="Choose the full-precision model."
        )
    if any(stored.get(key) not in _OWN_ATTENTION for key in ("attn_implementation", "_attn_implementation")):
        raise CheckpointError(f"{path}: it asks for an attention implementation of its own, which would be code.")
    if stored.get("transformers_weights"):
        raise CheckpointError(f"{path}: it names a file of weights of its own.", hint="Call the file model.safetensors.")
    if stored.get("is_decoder") or stored.get("add_cross_attention"):
        refuse_decoder(path)
    n_blocks = stored.get("num_hidden_layers", stored.get("n_layers", 1))
    if type(n_blocks) is not int or not 1 <= n_blocks <= _MOST_BLOCKS:
        raise CheckpointError(f"{path}: {n_blocks!r} blocks, expected 1 to {_MOST_BLOCKS}.")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except _LOADING_ERRORS as error:
        raise CheckpointError(f"{path}: not an encoder's config ({_first_line(error)}).") from error
    check_kind(config, path)
    config.return_dict = True
    return config


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Return the encoder's tokenizer, which must be a fast one.

    Raises:
        CheckpointError: there is none, or it is damaged or slow.
    """
    check_folder(folder)
    if not any(path for pattern in _VOCABULARIES for path in folder.glob(pattern)):
        # transformers would make a tokenizer that knows no word.
        raise CheckpointError(f"{folder}: no tokenizer in it.", hint="Copy its tokenizer.json, or save it with save_pretrained.")
    if (folder / "vocab.json").is_file() and not any((folder / name).is_file() for name in ("merges.txt", "tokenizer.json")):
        raise CheckpointError(
            f"{folder}: no tokenizer that can be read (vocab.json is there without merges.txt).", hint=_HOW_TO_SAVE
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        # The Rust tokenizers raise plain Exception on a damaged file.
        raise CheckpointError(
            f"{folder}: no tokenizer that can be read ({_first_line(error)}).",
            hint=_HOW_TO_SAVE,
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise CheckpointError(f"{folder}: no fast tokenizer (tokenizer.json) for {type(tokenizer).__name__}.", hint=_HOW_TO_SAVE)
    if len(set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)) < _FEWEST_TOKENS:
        # What transformers makes of a folder whose vocabulary is of another kind: every word would be unknown.
        raise CheckpointError(f"{folder}: no tokenizer that can be read (it knows no words).", hint=_HOW_TO_SAVE)
    return tokenizer


def get_longest_input(config: Any, tokenizer: PreTrainedTokenizerFast, folder: Path) -> int:
    """Return the most tokens that the encoder reads, special tokens included.

    Raises:
        CheckpointError: tokenizer and encoder do not fit each other.
    """
    n_tokens = max(tokenizer.get_vocab().values(), default=-1) + 1
    if not 0 < n_tokens <= config.vocab_size:
        raise CheckpointError(f"{folder}: the tokenizer has {n_tokens} tokens, the encoder knows {config.vocab_size}.")
    if not isinstance(tokenizer.model_max_length, int | float):
        raise CheckpointError(f"{folder}: model_max_length is {tokenizer.model_max_length!r}, expected a number.")
    n_positions = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    n_reserved = count_reserved_positions(config.model_type, getattr(config, "pad_token_id", None))
    longest = min(int(n_positions) - n_reserved, int(tokenizer.model_max_length))
    if longest < SHORTEST_LENGTH:
        raise CheckpointError(f"{folder}: it reads at most {longest} tokens, too few for a review.")
    return longest


def load_model(folder: Path, *, new_head: bool) -> PreTrainedModel:
    """Return a two-class model in float32 and eval mode.

    With `new_head` the head (and a pooler that the encoder lacks) is drawn from torch's random state, even where the folder has
    one; without, the folder must hold every weight.

    Raises:
        CheckpointError: weights are missing, damaged, or of other shapes than the config says, or too many for the machine; the
            last two are found before memory is taken.
    """
    config = load_config(folder)
    if new_head:
        find_family(config)
        config.id2label = dict(enumerate(LABEL_NAMES))
        config.label2id = {name: index for index, name in enumerate(LABEL_NAMES)}
        config.problem_type = None  # a sigmoid's, say, which the new head is not trained for
    elif config.num_labels != 2:
        raise CheckpointError(f"{folder}: the model tells {config.num_labels} classes apart, expected 2.")
    is_needed = functools.partial(_is_pretrained, family=find_family(config)) if new_head else lambda name: True
    check_demand(folder, config, is_needed=is_needed, building=_LOADING_ERRORS)
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
    known = FAMILIES.get(model.config.model_type)
    left_over = sorted(key for key in info["unexpected_keys"] if known and f"{known.blocks}." in key)
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
