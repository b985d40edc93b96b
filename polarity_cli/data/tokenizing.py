"""From texts to token ids, the same way for training and for prediction.

Needs only `tokenizers` and NumPy. Used by `data/tokenized` and by `inference/labeller`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polarity_cli.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TokenIds = NDArray[np.int32]

HEAD_SHARE = 0.25
"""Share of the tokens that `head-tail` keeps of the beginning: 128 of 510 in Sun, Qiu, Xu, Huang 2019 (arXiv 1905.05583)."""
_CHARACTERS_PER_TOKEN = 12
"""A text longer than this many characters a kept token is tokenized in part first; English has about 4.5."""


class ReviewTokenizer:
    """Turn texts into token ids with special tokens, cut to `max_length` tokens.

    `truncation` says what a long text keeps: its `head`, its `tail`, or `head-tail`, a quarter from the beginning and the rest
    from the end.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_length: int, truncation: str = "head") -> None:
        # A stored tokenizer may carry settings of its own: all-MiniLM-L6-v2 cuts and pads everything to 128 tokens.
        self.truncation = truncation
        self.parallel = True
        """Whether the library's own threads tokenize many texts together; else the caller's thread does it alone."""
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        probe = tokenizer.encode("a")
        inner = [position for position, special in enumerate(probe.special_tokens_mask) if not special]
        self._prefix = probe.ids[: inner[0]] if inner else probe.ids
        self._suffix = probe.ids[inner[-1] + 1 :] if inner else []
        self._n_kept = max_length - len(self._prefix) - len(self._suffix)
        if self._n_kept < 1:
            raise ValueError(f"max_length {max_length} leaves no room for text between the special tokens")
        self._n_head = {"head": self._n_kept, "tail": 0, "head-tail": max(1, round(HEAD_SHARE * self._n_kept))}[truncation]

    def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        """Return the token ids of each text, special tokens included: arrays `(T,) int32` with T at most `max_length`."""
        limit = _CHARACTERS_PER_TOKEN * self._n_kept
        tokens = self._tokenize([text if len(text) <= limit else "" for text in texts])
        for index, text in enumerate(texts):
            if len(text) > limit:
                tokens[index] = self._tokenize_long(text)
        return [self._finish(ids) for ids in tokens]

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        try:
            if not self.parallel:
                return [self._tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
            return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
        except Exception as error:  # the Rust library raises it plain, where a vocabulary lacks its unknown token, say
            raise CheckpointError(f"The tokenizer cannot read a text ({error}).") from error

    def _tokenize_long(self, text: str) -> list[int]:
        """Return enough of a long text's tokens to cut from, without tokenizing the middle that is thrown away.

        A piece that ends before white space has the tokens that the whole text has there. Where a piece holds too few tokens
        (long runs of spaces), the whole text is tokenized.
        """
        limit = _CHARACTERS_PER_TOKEN * self._n_kept
        start = next((i for i in range(limit, limit // 2, -1) if text[i].isspace()), None)
        end = next((i for i in range(len(text) - limit, len(text) - limit // 2) if text[i].isspace()), None)
        if start is None or end is None or start >= end:
            return self._tokenize([text])[0]
        pieces = [text[:start] if self._n_head else "", text[end:] if self._n_head < self._n_kept else ""]
        head, tail = self._tokenize(pieces)
        n_tail = self._n_kept - self._n_head
        if (self._n_head and len(head) <= self._n_kept) or (n_tail and len(tail) <= self._n_kept):
            return self._tokenize([text])[0]
        return head[: self._n_kept] + tail[-self._n_kept :]

    def _finish(self, ids: list[int]) -> TokenIds:
        if len(ids) > self._n_kept:
            n_tail = self._n_kept - self._n_head
            ids = ids[: self._n_head] + (ids[-n_tail:] if n_tail else [])
        return np.array(self._prefix + ids + self._suffix, dtype=np.int32)
