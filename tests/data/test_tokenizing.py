"""Texts to token ids: cut where asked, and the same as the transformers tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from polarity_cli.data.tokenizing import ReviewTokenizer

WORDS = [
    *("the", "product", "is", "good", "bad", "not", "very", "great", "awful", "works", "broke", "returned"),
    *("café", "naïve", "😀", "10/10", "don't"),
]


def make_wordpiece() -> Tokenizer:
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
    ]
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate([*vocabulary, *WORDS])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def make_byte_bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 10, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    return tokenizer


def make_unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=60, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 10, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    return tokenizer


TOKENIZERS = {"wordpiece": make_wordpiece, "byte_bpe": make_byte_bpe, "unigram": make_unigram}


def cut_plainly(tokenizer: Tokenizer, text: str, max_length: int, truncation: str) -> list[int]:
    """Tokenize the whole text and cut it afterwards."""
    ids = tokenizer.encode(text).ids
    first, inner, last = ids[:1], ids[1:-1], ids[-1:]
    kept = max_length - 2
    if len(inner) > kept:
        head = {"head": kept, "tail": 0, "head-tail": round(kept / 4)}[truncation]
        inner = inner[:head] + inner[len(inner) - (kept - head) :]
    return first + inner + last


@pytest.mark.parametrize("truncation", ["head", "tail", "head-tail"])
@pytest.mark.parametrize("kind", sorted(TOKENIZERS))
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "  ", "\n", "x" * 40]), min_size=0, max_size=400))
def test_partly_tokenized_long_text_is_cut_as_if_tokenized_whole(kind: str, truncation: str, words: list[str]) -> None:
    tokenizer, text = TOKENIZERS[kind](), " ".join(words)
    encoder = ReviewTokenizer(tokenizer, max_length=18, truncation=truncation)
    assert encoder.encode([text])[0].tolist() == cut_plainly(tokenizer, text, 18, truncation)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "good " * 200_000, " " * 1_000_000, "😀" * 100_000])
@pytest.mark.parametrize("truncation", ["head", "tail", "head-tail"])
def test_text_of_a_million_characters_is_cut_to_its_length(text: str, truncation: str) -> None:
    ids = ReviewTokenizer(make_wordpiece(), max_length=128, truncation=truncation).encode([text])[0]
    assert 2 <= len(ids) <= 128
    assert (ids[0], ids[-1]) == (2, 3)


def test_long_texts_do_not_disturb_the_short_ones_beside_them() -> None:
    encoder = ReviewTokenizer(make_wordpiece(), max_length=16)
    alone = [encoder.encode([text])[0].tolist() for text in ("good", "bad " * 500, "")]
    assert [ids.tolist() for ids in encoder.encode(["good", "bad " * 500, ""])] == alone


def test_settings_stored_with_a_tokenizer_are_not_used() -> None:
    tokenizer = make_wordpiece()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    assert len(ReviewTokenizer(tokenizer, max_length=32).encode(["good bad not very great awful"])[0]) == 8


def test_ids_are_those_of_the_transformers_tokenizer(tiny_encoder: Path) -> None:
    from transformers import AutoTokenizer

    from polarity_cli.checkpoint.model_folder import ModelFolder
    from polarity_cli.encoder.tokenizer import open_tokenizer

    texts = ["great book", "it's not the best film, sadly", "", "ÀÉ café 😀"]
    ours = ReviewTokenizer(open_tokenizer(ModelFolder.open(tiny_encoder)).backend, max_length=12).encode(texts)
    theirs = AutoTokenizer.from_pretrained(tiny_encoder)(texts, truncation=True, max_length=12)["input_ids"]
    assert [ids.tolist() for ids in ours] == theirs


def test_length_without_room_for_text_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves no room"):
        ReviewTokenizer(make_wordpiece(), max_length=2)
