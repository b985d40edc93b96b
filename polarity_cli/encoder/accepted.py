"""Which of transformers' models are encoders whose answer for a text is the same here: others are refused in words.

Imports transformers, so only functions import this module. Used by `encoder/loading`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

from polarity_cli.checkpoint.config_check import refuse_decoder
from polarity_cli.errors import CheckpointError

_SPARSE = "block_sparse"


def check_accepted(config: Any, path: Path) -> None:
    """Refuse a model that is no encoder, or whose answer depends on more than the text.

    A family is a decoder's where transformers has a model of it that writes on from a text and none that fills a gap.

    Raises:
        CheckpointError: it is such a model.
    """
    model_type = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        raise CheckpointError(
            f"{path}: an encoder with a decoder ({model_type}), which is not read here.", hint="Choose an encoder."
        )
    if model_type == "xlnet":
        raise CheckpointError(
            f"{path}: XLNet answers from a text's last token, which is not read here.", hint="Choose another encoder."
        )
    writes = model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if writes or getattr(config, "is_decoder", False):
        refuse_decoder(path)
    if model_type == "big_bird" and config.attention_type == _SPARSE:
        raise CheckpointError(
            f"{path}: BigBird's sparse attention ends for good at the first short text, so answers depend on what came before.",
            hint='Set "attention_type": "original_full" in its config.json.',
        )
