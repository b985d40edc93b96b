"""Write a trained model, its tokenizer and its history into a checkpoint's folder. Next: `checkpoint/checkpoint`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.checkpoint.checkpoint import HISTORY
from polarity_cli.errors import CacheError, DivergedError
from polarity_cli.records import EpochRecord, StepRecord

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_SETTINGS_OF_OTHERS = (
    "is_local",
    "local_files_only",
    "max_length",
    "pad_to_multiple_of",
    "stride",
    "truncation_strategy",
)
"""What a tokenizer's config holds of how it was loaded, and of how its makers cut and padded."""


def save_checkpoint(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    manifest: dict[str, Any],
    history: Iterable[StepRecord | EpochRecord],
) -> None:
    """Write a checkpoint into an empty folder, all but what `seal_checkpoint` adds when everything else is there.

    Raises:
        DivergedError: a weight is not finite.
        CacheError: the disk refuses.
    """
    from safetensors import SafetensorError

    if not all(bool(tensor.isfinite().all()) for tensor in model.parameters()):
        raise DivergedError("Training diverged: weights are not finite.", hint="Give a lower --learning-rate.")
    tokenizer.model_max_length = manifest["max_length"]
    tokenizer.truncation_side = "left" if manifest["truncation"] == "tail" else "right"
    try:
        model.save_pretrained(folder)
        save_tokenizer(tokenizer, folder)
        with (folder / HISTORY).open("w", encoding="utf-8") as lines:
            for record in history:
                lines.write(json.dumps({"kind": "step" if isinstance(record, StepRecord) else "epoch", **asdict(record)}) + "\n")
    except (OSError, SafetensorError) as error:
        raise CacheError(
            f"{folder.parent}: the checkpoint cannot be written ({error}).",
            hint="Free some space there, or choose another folder with --cache-dir.",
        ) from error


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the tokenizer's files, with no settings for cutting and padding but the checkpoint's own length.

    Programs that take tokenizer.json as it stands would else do what the encoder's makers had set, such as all-MiniLM-L6-v2's
    padding of everything to 128 tokens.

    Raises:
        OSError: the disk refuses.
    """
    side = "left" if tokenizer.truncation_side == "left" else "right"
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.enable_truncation(tokenizer.model_max_length, direction=side)
    for name in _SETTINGS_OF_OTHERS:
        tokenizer.init_kwargs.pop(name, None)
    try:
        tokenizer.save_pretrained(folder)
    except OSError:
        raise
    except Exception as error:  # what the Rust library raises is a plain Exception
        raise OSError(str(error)) from error
