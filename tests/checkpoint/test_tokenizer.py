"""A tokenizer is read as it is stored where transformers would make the same of it, and by transformers elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from polarity_cli.checkpoint.config_check import ENCODERS
from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.checkpoint.tokenizer import ModelTokenizer, read_tokenizer
from polarity_cli.encoder.families import FAMILIES
from polarity_cli.encoder.loading import load_config, load_tokenizer
from polarity_cli.encoder.tokenizer import find_size, open_tokenizer
from polarity_cli.errors import CheckpointError
from polarity_cli.sample.encoder import find_sample_encoder
from tests.helpers.foreign import ANSWERED, BERT_TOKENS, list_pieces, transformers


def ask_transformers(folder: Path) -> ModelTokenizer:
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return ModelTokenizer(backend, tokenizer.model_max_length, tokenizer.truncation_side, tokenizer.pad_token_id)


def describe(tokenizer: ModelTokenizer | None) -> tuple[object, ...]:
    assert tokenizer is not None
    return tokenizer.backend.to_str(), tokenizer.max_length, tokenizer.truncation_side, tokenizer.pad_id


def read(folder: Path) -> ModelTokenizer | None:
    return read_tokenizer(folder, json.loads((folder / "config.json").read_text()))


def store(folder: Path, family: str = "bert") -> Path:
    for part in ANSWERED[family]():
        part.save_pretrained(folder)
    return folder


def change(folder: Path, **values: Any) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def make_old(folder: Path) -> Path:
    """Store BERT's tokenizer as transformers 4 did, with tokens of its own file and padding in tokenizer.json."""
    store(folder)
    tokens = {
        name: f"[{name.split('_')[0].upper()}]" for name in ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    }
    (folder / "special_tokens_map.json").write_text(json.dumps({**tokens, "mask_token": {"content": "[MASK]", "lstrip": False}}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "model_max_length": 40}))
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.enable_padding(length=64)
    backend.enable_truncation(12)
    backend.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.parametrize("family", sorted(ANSWERED))
def test_stored_tokenizer_of_every_family_is_transformers_own(tmp_path: Path, family: str) -> None:
    store(tmp_path, family)
    assert describe(read(tmp_path)) == describe(ask_transformers(tmp_path))


def test_tokenizers_of_both_encoders_of_the_tests_and_of_a_checkpoint_are_transformers_own(
    tiny_encoder: Path, tiny_checkpoint: Path
) -> None:
    for folder in (find_sample_encoder()[0], tiny_encoder, tiny_checkpoint):
        assert describe(read(folder)) == describe(ask_transformers(folder))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"model_max_length": None},
        {"model_max_length": 16, "truncation_side": "left"},
        {"pad_token": {"__type": "AddedToken", "content": "[PAD]"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [store, make_old])
def test_settings_are_read_as_transformers_reads_them(tmp_path: Path, make: Callable[[Path], Path], values: Any) -> None:
    change(make(tmp_path), **values)
    assert describe(read(tmp_path)) == describe(ask_transformers(tmp_path))


def without_json(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(list_pieces(BERT_TOKENS)) + "\n")


def keep_case(folder: Path) -> None:
    change(folder, do_lower_case=False)


def add_token(folder: Path) -> None:
    change(folder, added_tokens_decoder={"200": {"content": "superb-extra", "special": False}})


def name_another_class(folder: Path) -> None:
    change(folder, tokenizer_class="RobertaTokenizer", backend=None)


@pytest.mark.parametrize("make", [store, make_old])
@pytest.mark.parametrize("do", [without_json, keep_case, add_token, name_another_class])
def test_tokenizer_that_transformers_might_build_otherwise_is_left_to_it(
    tmp_path: Path, make: Callable[[Path], Path], do: Callable[[Path], None]
) -> None:
    do(make(tmp_path))
    assert read(tmp_path) is None


@pytest.mark.parametrize("do", [without_json, keep_case])
def test_tokenizer_left_to_transformers_is_opened_once_all_the_same(tmp_path: Path, do: Callable[[Path], None]) -> None:
    do(store(tmp_path))
    model = ModelFolder.open(tmp_path)
    opened = open_tokenizer(model)
    assert describe(opened) == describe(ask_transformers(tmp_path))
    assert open_tokenizer(model) is opened


def test_tokenizer_edited_behind_transformers_back_is_refused_before_it_trains(tmp_path: Path) -> None:
    folder = store(tmp_path, "xlm-roberta")
    stored = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**stored, "normalizer": {"type": "Lowercase"}}))
    model = ModelFolder.open(folder)
    with pytest.raises(CheckpointError, match=r"its tokenizer\.json is not what its tokenizer_config\.json tells of"):
        load_tokenizer(model, expected=open_tokenizer(model).backend)


def test_damaged_tokenizer_is_refused_with_the_next_step(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "model"))
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="no tokenizer that can be read") as raised:
        open_tokenizer(ModelFolder.open(folder))
    assert "save_pretrained" in str(raised.value.hint)


@pytest.mark.parametrize("family", sorted(ANSWERED))
def test_size_is_that_of_transformers_config(tmp_path: Path, family: str) -> None:
    model = ModelFolder.open(store(tmp_path, family))
    size, config = find_size(model), load_config(model)
    assert (size.model_type, size.n_tokens) == (config.model_type, config.vocab_size)
    assert size.n_positions == getattr(config, "max_position_embeddings", None)


def test_families_that_are_cut_are_known_as_encoders() -> None:
    assert set(FAMILIES) == ENCODERS
