"""Open what labels texts with a checkpoint, for the verb `predict` and for `api/predictor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.config import Context, PredictConfig
from polarity_cli.verbs.choose_device import CPU, choose_device
from polarity_cli.verbs.open_model import open_model

if TYPE_CHECKING:
    from polarity_cli.inference.labeller import Labeller


def open_labeller(
    checkpoint: Checkpoint,
    config: PredictConfig,
    context: Context,
    *,
    own_texts: Sequence[str] = (),
    threads: int | None = None,
    shares_tokenizing: bool = True,
) -> Labeller:
    """Return what predicts with a checkpoint, in the precision and with the positive class that are asked for.

    The other arguments are `open_model`'s; without `shares_tokenizing` the caller's thread alone turns texts into token ids.

    Raises:
        CheckpointError, UsageError: see `open_model`, whose arguments these are.
    """
    device = choose_device(config.device, config.precision, () if config.input else own_texts)
    model = open_model(
        checkpoint,
        context,
        # What each word adds may be less than bfloat16 tells apart.
        precision="fp32" if config.explain and device != CPU else config.precision,
        positive_class=config.positive_class,
        threshold=config.threshold,
        own_texts=own_texts,
        device=device,
        min_confidence=config.min_confidence,
        threads=threads,
    )
    from polarity_cli.inference.labeller import Labeller

    tokenizer = model.load_tokenizer()
    tokenizer.parallel = shares_tokenizing
    return Labeller(
        model.engine,
        tokenizer,
        positive=model.positive,
        threshold=model.threshold,
        min_confidence=config.min_confidence,
        sigmoid=model.sigmoid,
        name=model.name,
    )
