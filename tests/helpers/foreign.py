"""Small two-class models of many families, as strangers leave them: random weights, and the family's own kind of tokenizer."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as _transformers

from tests.helpers.hub import COMMON_WORDS, LABEL_WORDS, SIGNS

transformers: Any = _transformers  # its classes do not declare all that they take
WORDS = [*COMMON_WORDS, *LABEL_WORDS[0], *LABEL_WORDS[1]]
BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 48,
}
LONG = "the best film was so very good and not boring, "
TEXTS = (
    "a great book",
    "awful, it was boring",
    ".",
    "I'd say: NOT the best film -- but so good!",
    "caf\u00e9 na\u00efve \u4e2d\u6587 \U0001f600",
    "word  two   spaces\tand\na line",
    "[SEP] </s> <pad> [MASK]",
    "waste of money, refund please",
    "x" * 70,
    LONG * 12,
    "bad " * 9 + LONG * 9 + "superb perfect amazing",
)
"""What a person might send; the last but one are far longer than the small models read."""


def list_pieces(special: tuple[str, ...]) -> dict[str, int]:
    """Return a WordPiece vocabulary behind special tokens."""
    pieces = dict.fromkeys([*special, *SIGNS, *(f"##{sign}" for sign in SIGNS), *WORDS])
    return {piece: index for index, piece in enumerate(pieces)}


def list_unigrams(special: tuple[str, ...]) -> list[tuple[str, float]]:
    """Return a Unigram vocabulary behind special tokens, with pieces that begin a word."""
    pieces = dict.fromkeys([*special, "\u2581", *(f"\u2581{word}" for word in WORDS), *SIGNS, *string.ascii_uppercase])
    return [(piece, 0.0 if piece in special else -float(2 + index % 7)) for index, piece in enumerate(pieces)]


def make_byte_pairs(special: tuple[str, ...]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return a vocabulary of bytes and a few pairs, as RoBERTa's and GPT-2's."""
    from tokenizers.pre_tokenizers import ByteLevel

    merges = [("t", "h"), ("th", "e"), ("\u0120", "b"), ("o", "o"), ("g", "oo"), ("i", "n"), ("e", "r")]
    tokens = dict.fromkeys([*special, *sorted(ByteLevel.alphabet()), *(left + right for left, right in merges)])
    return {token: index for index, token in enumerate(tokens)}, merges


def make_bert_tokenizer(**more: Any) -> Any:
    """Return an uncased WordPiece tokenizer."""
    return transformers.BertTokenizer(vocab=list_pieces(BERT_TOKENS), **{"model_max_length": 48, **more})


def make_roberta_tokenizer(**more: Any) -> Any:
    """Return a byte-level tokenizer, whose padding is token 1; its length is two less than the table of positions."""
    vocab, merges = make_byte_pairs(ROBERTA_TOKENS)
    return transformers.RobertaTokenizer(vocab=vocab, merges=merges, **{"model_max_length": 46, **more})


def make_unigram_tokenizer(kind: str, special: tuple[str, ...], **more: Any) -> Any:
    """Return a tokenizer of SentencePiece's kind."""
    return getattr(transformers, kind)(vocab=list_unigrams(special), **more)


def build(folder: Path, config: Any, tokenizer: Any, *, seed: int = 0, names: tuple[Any, ...] = ("NEGATIVE", "POSITIVE")) -> Path:
    """Write a classifier of `config` with random weights, large enough that its answers differ, and its tokenizer."""
    config.vocab_size = max(tokenizer.get_vocab().values()) + 1
    config.id2label = dict(enumerate(names))
    config.label2id = {name: index for index, name in enumerate(names)}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.AutoModelForSequenceClassification.from_config(config)
        _make_attentive(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _make_attentive(model: Any, tokenizer: Any) -> None:
    """Make freshly drawn weights so large that every token and its place shows in the answer, and both labels are given."""

    def answer() -> Any:
        length = min(tokenizer.model_max_length, 40)
        inputs = [tokenizer(text, truncation=True, max_length=length, return_tensors="pt") for text in TEXTS]
        logits = torch.cat([model(**each).logits for each in inputs])
        return logits[:, -1] - logits[:, 0] * (logits.shape[1] > 1)

    model.eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                parameter.mul_(8.0 if "embedding" in name else 5.0)
        last = [
            module
            for module in model.modules()
            if isinstance(module, torch.nn.Linear) and module.out_features == model.config.num_labels
        ][-1]
        spread = answer().sort().values
        last.weight.mul_(2.0 / (spread[8] - spread[2]))
        if last.bias is not None:
            last.bias[-1] -= answer().sort().values[4:6].mean()


def _roberta(name: str, **more: Any) -> tuple[Any, Any]:
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
    return getattr(transformers, name)(**{**SHAPE, **special, **more}), make_roberta_tokenizer()


def _bert(name: str, **more: Any) -> tuple[Any, Any]:
    return getattr(transformers, name)(**{**SHAPE, "pad_token_id": 0, **more}), make_bert_tokenizer()


_XLM = ("<s>", "<pad>", "</s>", "<unk>")
_ALBERT = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
_DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 48}
_RELATIVE = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "pooler_hidden_size": 32}
_MODERN = {"global_attn_every_n_layers": 2, "local_attention": 8, "cls_token_id": 2, "sep_token_id": 3, "pad_token_id": 0}
_MODERN |= {"bos_token_id": 2, "eos_token_id": 3}
_SQUEEZED = {f"{part}_groups": 1 for part in ("q", "k", "v", "intermediate", "output", "post_attention")}

ANSWERED: dict[str, Callable[[], tuple[Any, Any]]] = {
    "albert": lambda: (
        transformers.AlbertConfig(**SHAPE, embedding_size=16, pad_token_id=0),
        make_unigram_tokenizer("AlbertTokenizer", _ALBERT, model_max_length=48),
    ),
    "bert": lambda: _bert("BertConfig"),
    "big_bird": lambda: (
        transformers.BigBirdConfig(**SHAPE, attention_type="original_full", pad_token_id=0, sep_token_id=3),
        make_bert_tokenizer(),
    ),
    "camembert": lambda: (
        transformers.CamembertConfig(**SHAPE, pad_token_id=1, bos_token_id=0, eos_token_id=2),
        make_unigram_tokenizer("CamembertTokenizer", _XLM, model_max_length=46),
    ),
    "convbert": lambda: _bert("ConvBertConfig", embedding_size=16, conv_kernel_size=3, head_ratio=2),
    "data2vec-text": lambda: _roberta("Data2VecTextConfig"),
    "deberta": lambda: _bert("DebertaConfig", **_RELATIVE),
    "deberta-v2": lambda: (
        transformers.DebertaV2Config(**SHAPE, **_RELATIVE, pad_token_id=0, position_buckets=8, norm_rel_ebd="layer_norm"),
        make_unigram_tokenizer("DebertaV2Tokenizer", ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), model_max_length=48),
    ),
    "deberta-v2 with convolution": lambda: _bert("DebertaV2Config", **_RELATIVE, conv_kernel_size=3),
    "distilbert": lambda: (transformers.DistilBertConfig(**_DISTILBERT), make_bert_tokenizer()),
    "electra": lambda: _bert("ElectraConfig", embedding_size=16),
    "ernie": lambda: _bert("ErnieConfig"),
    "fnet": lambda: (
        transformers.FNetConfig(**SHAPE, pad_token_id=0),
        make_unigram_tokenizer("FNetTokenizer", _ALBERT, model_max_length=48),
    ),
    "ibert": lambda: _roberta("IBertConfig"),
    "longformer": lambda: _roberta("LongformerConfig", attention_window=8),
    "megatron-bert": lambda: _bert("MegatronBertConfig"),
    "mobilebert": lambda: _bert("MobileBertConfig", embedding_size=16, intra_bottleneck_size=16, true_hidden_size=16),
    "modernbert": lambda: _bert("ModernBertConfig", **_MODERN),
    "modernbert that averages": lambda: _bert("ModernBertConfig", **_MODERN, classifier_pooling="mean"),
    "mpnet": lambda: (
        transformers.MPNetConfig(**SHAPE, pad_token_id=1),
        transformers.MPNetTokenizer(vocab=list_pieces(("<s>", "<pad>", "</s>", "[UNK]", "<mask>")), model_max_length=46),
    ),
    "nystromformer": lambda: _bert("NystromformerConfig", num_landmarks=48, segment_means_seq_len=48),
    "rembert": lambda: _bert("RemBertConfig", input_embedding_size=16, output_embedding_size=16),
    "roberta": lambda: _roberta("RobertaConfig"),
    "roberta-prelayernorm": lambda: _roberta("RobertaPreLayerNormConfig"),
    "roformer": lambda: _bert("RoFormerConfig", embedding_size=32),
    "squeezebert": lambda: _bert("SqueezeBertConfig", embedding_size=32, **_SQUEEZED),
    "xlm-roberta": lambda: (
        transformers.XLMRobertaConfig(**SHAPE, pad_token_id=1, bos_token_id=0, eos_token_id=2),
        make_unigram_tokenizer("XLMRobertaTokenizer", _XLM, model_max_length=46),
    ),
    "xlm-roberta-xl": lambda: _roberta("XLMRobertaXLConfig"),
}

_ENCODER_DECODER = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 48,
}


def _make_gpt2(pad: int | None) -> tuple[Any, Any]:
    vocab, merges = make_byte_pairs(("<|endoftext|>",))
    config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=48, pad_token_id=pad)
    return config, transformers.GPT2Tokenizer(vocab=vocab, merges=merges, model_max_length=48)


REFUSED: dict[str, tuple[Callable[[], tuple[Any, Any]], str]] = {
    "bart": (lambda: (transformers.BartConfig(**_ENCODER_DECODER), make_roberta_tokenizer()), "an encoder with a decoder (bart)"),
    "big_bird": (lambda: _bert("BigBirdConfig", attention_type="block_sparse", sep_token_id=3), "BigBird's sparse attention"),
    "gpt2": (lambda: _make_gpt2(0), "a decoder, which reads only what stands before each token"),
    "gpt2 without padding": (lambda: _make_gpt2(None), "a decoder"),
    "llama": (lambda: _bert("LlamaConfig", num_key_value_heads=2), "a decoder"),
    "qwen2": (lambda: _bert("Qwen2Config", num_key_value_heads=2), "a decoder"),
    "t5": (
        lambda: (
            transformers.T5Config(d_model=32, num_layers=2, num_heads=2, d_ff=48, d_kv=16, decoder_start_token_id=0),
            make_unigram_tokenizer("T5Tokenizer", ("<pad>", "</s>", "<unk>"), extra_ids=0, model_max_length=48),
        ),
        "an encoder with a decoder (t5)",
    ),
    "xlnet": (
        lambda: (
            transformers.XLNetConfig(d_model=32, n_layer=2, n_head=2, d_inner=48),
            make_unigram_tokenizer(
                "XLNetTokenizer", ("<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>"), model_max_length=48
            ),
        ),
        "XLNet answers from a text's last token",
    ),
}
"""What is refused, and in which words."""
