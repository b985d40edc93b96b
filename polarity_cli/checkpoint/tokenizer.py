"""A model's tokenizer, loaded from its tokenizer.json without transformers where that gives the same tokens.

transformers builds many tokenizers anew, from their vocabulary and their settings, and what they were stored as is left unread.
The two are the same where transformers 5 stored them, and for BERT's where the settings are those that were stored; whatever is
not known to be the same is left to transformers, by `encoder/tokenizer`. Next: `data/tokenizing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.checkpoint.folder_check import read_object
from polarity_cli.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"
HOW_TO_SAVE = "Save it with its tokenizer.json: AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER)."
NO_LIMIT = int(1e30)
"""What transformers takes as the limit of a tokenizer that has none."""
_FEWEST_TOKENS = 5
"""Beside the special ones: the smallest real vocabularies are of letters."""
_BERT_CLASSES = ("BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast")
_BERT_FAMILIES = ("bert", "distilbert", "electra", "ernie")
"""Families whose tokenizer is BERT's where nothing names another."""
_BERT_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}


@dataclass(frozen=True)
class ModelTokenizer:
    """A tokenizer and what its model's folder says of its use."""

    backend: Tokenizer
    """Neither cuts nor pads."""
    max_length: Any
    """Most tokens of a text by its own settings, special tokens included; `NO_LIMIT` where they do not say."""
    truncation_side: str
    """Where a long text is cut, `right` or `left`."""
    pad_id: int | None

    @property
    def n_tokens(self) -> int:
        """The largest token id, plus 1."""
        return max(self.backend.get_vocab().values(), default=-1) + 1


def read_tokenizer(folder: Path, config: Mapping[str, Any]) -> ModelTokenizer | None:
    """Return the tokenizer stored in a folder; None where only transformers can tell what its tokens are.

    Args:
        folder: of the model, which was checked.
        config: of the model.

    Raises:
        CheckpointError: it is damaged, or knows no words.
    """
    if not (folder / TOKENIZER).is_file() or (folder / "added_tokens.json").exists():
        return None
    settings = _read_settings(folder)
    side = settings.get("truncation_side", "right")
    if side not in ("right", "left") or settings.get("auto_map") or settings.get("fast_tokenizer_files"):
        return None
    backend = load_backend(folder)
    backend.no_truncation()  # all-MiniLM-L6-v2 cuts and pads everything to 128 tokens
    backend.no_padding()
    is_bert = _uses_bert(settings, config)
    if not (_is_built_from(settings, backend) if is_bert else settings.get("backend") == "tokenizers" and backend.post_processor):
        return None
    check_words(backend, folder)
    pad = _get_content(settings.get("pad_token", _BERT_TOKENS["pad_token"] if is_bert else None))
    longest = settings.get("model_max_length", settings.get("max_len"))
    return ModelTokenizer(
        backend, NO_LIMIT if longest is None else longest, side, None if pad is None else backend.token_to_id(pad)
    )


def load_backend(folder: Path) -> Tokenizer:
    """Return the tokenizer in a folder's tokenizer.json as it is stored.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # what the Rust library raises is a plain Exception
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{folder / TOKENIZER}: no tokenizer that can be read ({reason}).", hint=HOW_TO_SAVE) from error


def check_words(backend: Tokenizer, folder: Path) -> None:
    """Refuse a tokenizer that knows no words, as transformers makes of a vocabulary of another kind.

    Raises:
        CheckpointError: it knows none.
    """
    special = {token.content for token in backend.get_added_tokens_decoder().values() if token.special}
    if len(set(backend.get_vocab()) - special) < _FEWEST_TOKENS:
        raise CheckpointError(f"{folder}: no tokenizer that can be read (it knows no words).", hint=HOW_TO_SAVE)


def _read_settings(folder: Path) -> dict[str, Any]:
    """Return what stands in the tokenizer's config, and its special tokens where they stand in a file of their own."""
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            settings |= read_object(folder / name)
    return settings


def _uses_bert(settings: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    named = settings.get("tokenizer_class", config.get("tokenizer_class"))
    return named in _BERT_CLASSES if named else config.get("model_type") in _BERT_FAMILIES


def _is_built_from(settings: Mapping[str, Any], stored: Tokenizer) -> bool:
    """Tell whether a tokenizer is what transformers builds of its vocabulary and of these settings, as BERT's."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokens = {name: _get_content(settings.get(name, token)) for name, token in _BERT_TOKENS.items()}
    vocabulary = stored.get_vocab(with_added_tokens=False)
    more = settings.get("added_tokens_decoder") or {}
    extra = settings.get("additional_special_tokens") or settings.get("extra_special_tokens")
    if extra or not isinstance(more, dict) or not {_get_content(token) for token in more.values()} <= set(tokens.values()):
        return False
    ids = {name: vocabulary.get(token) for name, token in tokens.items() if token is not None}
    if len(ids) < len(tokens) or None in ids.values():
        return False
    try:
        built = Tokenizer(models.WordPiece(vocabulary, unk_token=str(tokens["unk_token"])))
        built.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
            strip_accents=settings.get("strip_accents"),
            lowercase=settings.get("do_lower_case", True),
        )
    except TypeError:  # a setting of another type
        return False
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.decoder = decoders.WordPiece(prefix="##")
    built.add_special_tokens([AddedToken(str(token), special=True) for token in tokens.values()])
    first, last = tokens["cls_token"], tokens["sep_token"]
    built.post_processor = processors.TemplateProcessing(
        single=f"{first}:0 $A:0 {last}:0",
        pair=f"{first}:0 $A:0 {last}:0 $B:1 {last}:1",
        special_tokens=[(first, ids["cls_token"]), (last, ids["sep_token"])],
    )
    return built.to_str() == stored.to_str()


def _get_content(token: object) -> str | None:
    """Return the text of a token that is stored as a text or as an object."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None
