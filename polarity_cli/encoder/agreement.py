"""Load a checkpoint for torch, a foreign one only where it is read here as transformers' own code reads it.

Families differ in more than this program knows of: special tokens, segments, how padding is masked, where positions begin. So a
few texts are answered both ways, once as transformers' pipeline does it and once as this program does, and a model whose answers
differ is refused: a wrong label that nobody notices is the worst answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.data.tokenizing import ReviewTokenizer
from polarity_cli.encoder.loading import load_tokenizer
from polarity_cli.encoder.torch_engine import TorchCheckpoint
from polarity_cli.errors import CheckpointError

_TEXTS = (
    "ok",
    "I loved it: the best film I've seen in years!",
    "Awful -- broke after two days, and they would not refund my money...",
    "caf\u00e9, na\u00efve, \u4e2d\u6587, \U0001f600 and   spaces\nof (many) kinds",
)
_WORDS = "It was not the worst book, but I would not read it again. "
_LONGEST = 1024
"""Tokens of the longest text that is compared: attention to more would take gigabytes."""
_TOLERANCE = 1e-4
"""Largest difference of a logit, times 1 plus the largest logit."""
_RUNNING_ERRORS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, NotImplementedError)
_HINT = "Use transformers' pipeline for this model, or choose another."


def load_checkpoint(checkpoint: Checkpoint, *, positive_class: str | None, check: bool = True) -> TorchCheckpoint:
    """Return a checkpoint's weights and tokenizer; with `check`, a foreign checkpoint's are tried against transformers' own code.

    Raises:
        CheckpointError: they are missing, damaged or not of two classes, or would be read here in another way.
    """
    loaded = TorchCheckpoint(checkpoint, positive_class=positive_class)
    if check and checkpoint.manifest is None:
        check_agreement(loaded)
    return loaded


def check_agreement(loaded: TorchCheckpoint) -> None:
    """Refuse a checkpoint that is not answered for here as transformers' own code answers.

    Raises:
        CheckpointError: transformers cannot answer with it, or the tokens of a text or its logits differ.
        PolarityError: its answers are not finite.
    """
    folder, n_tokens = loaded.source.path, min(loaded.max_length, _LONGEST)
    texts = _make_texts(n_tokens)
    expected_ids, expected = _ask_transformers(loaded, texts, n_tokens)
    tokenizer = ReviewTokenizer(loaded.tokenizer.backend, max_length=n_tokens, truncation=loaded.truncation)
    token_ids = tokenizer.encode(texts)
    if any(ids.tolist() != other for ids, other in zip(token_ids, expected_ids, strict=True)):
        raise CheckpointError(f"{folder}: its tokenizer cuts or marks texts in a way that is not known here.", hint=_HINT)
    try:
        logits = loaded.make_engine().compute_logits(token_ids)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}", hint=_HINT) from error
    difference = float(np.abs(logits - expected).max())
    if not difference <= _TOLERANCE * (1 + float(np.abs(expected).max())):
        raise CheckpointError(
            f"{folder}: read here, its answers differ from transformers' own (a logit by {difference:.2g}).",
            hint=_HINT,
        )


def _ask_transformers(loaded: TorchCheckpoint, texts: list[str], n_tokens: int) -> tuple[list[list[int]], NDArray[np.float64]]:
    """Return the token ids and logits `(N, 2)` of texts, one at a time, as transformers' pipeline computes them.

    Raises:
        CheckpointError: transformers' own code cannot answer, or builds another tokenizer than the one that is stored.
    """
    folder, tokenizer = loaded.source.path, load_tokenizer(loaded.source, expected=loaded.tokenizer.backend)
    all_ids: list[list[int]] = []
    rows: list[NDArray[np.float64]] = []
    for text in texts:
        try:
            inputs: Any = tokenizer(text, truncation=True, max_length=n_tokens, return_tensors="pt")
            with torch.no_grad():
                logits = loaded.model(**inputs).logits[0].double().numpy()
        except _RUNNING_ERRORS as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise CheckpointError(f"{folder}: transformers cannot answer with it ({reason}).", hint=_HINT) from error
        all_ids.append(inputs["input_ids"][0].tolist())
        rows.append(logits)
    return all_ids, np.stack(rows)


def _make_texts(n_tokens: int) -> list[str]:
    """Return short texts, and one that is cut."""
    return [*_TEXTS, _WORDS * (n_tokens // 8 + 2)]
