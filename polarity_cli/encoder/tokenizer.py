"""A model's tokenizer and size, for all verbs. transformers is imported only where the folder does not tell them by itself.

The one way across the line: what is below works without torch and transformers. Next: `checkpoint/text_limits`.
"""

from __future__ import annotations

from polarity_cli.checkpoint.config_check import EncoderSize, check_config, read_size
from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.checkpoint.tokenizer import ModelTokenizer


def open_tokenizer(model: ModelFolder) -> ModelTokenizer:
    """Return a model's tokenizer, loaded once.

    Raises:
        CheckpointError: there is none, or it is damaged or slow.
    """
    return model.load_tokenizer(_convert)


def find_size(model: ModelFolder) -> EncoderSize:
    """Return how many tokens an encoder knows and reads.

    Raises:
        CheckpointError: its config is damaged, or that of something else than an encoder.
    """
    check_config(model.config, model.config_path)
    size = read_size(model.config)
    if size is not None:
        return size
    from polarity_cli.encoder.loading import load_config

    config = load_config(model)
    n_positions = getattr(config, "max_position_embeddings", None)
    return EncoderSize(config.model_type, config.vocab_size, n_positions, getattr(config, "pad_token_id", None))


def _convert(model: ModelFolder) -> ModelTokenizer:
    from polarity_cli.encoder.loading import load_tokenizer

    loaded = load_tokenizer(model)
    backend = loaded.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return ModelTokenizer(backend, loaded.model_max_length, loaded.truncation_side, loaded.pad_token_id)
