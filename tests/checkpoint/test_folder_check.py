"""A model's folder from anywhere: nothing outside it is opened, and no memory is taken that its files do not ask for."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from polarity_cli.checkpoint.folder_check import check_folder, find_weights
from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.checkpoint.weights import read_header
from polarity_cli.encoder.loading import load_config, load_model, load_tokenizer
from polarity_cli.errors import CheckpointError
from tests.encoder.test_families import CONFIGS, make_model

ONE = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def write_safetensors(path: Path, header: object, n_bytes: int) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(n_bytes))
    return path


@pytest.fixture
def encoder(tiny_encoder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "model.onnx"])
def test_link_that_leaves_the_folder_is_refused(encoder: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    if (encoder / name).exists():
        shutil.move(encoder / name, outside)
    else:
        outside.write_bytes(b"x")
    (encoder / name).symlink_to("../outside")
    with pytest.raises(CheckpointError, match=f"{name}: a link that leaves its folder"):
        load_config(ModelFolder.open(encoder))


def test_links_inside_the_folder_and_of_the_folder_itself_are_followed(encoder: Path, tmp_path: Path) -> None:
    (encoder / "config.json").rename(encoder / "kept")
    (encoder / "config.json").symlink_to("kept")
    (tmp_path / "other").symlink_to(encoder)
    assert load_config(ModelFolder.open(tmp_path / "other")).model_type == "bert"


def test_snapshot_of_the_hubs_cache_links_to_its_own_blobs_alone(encoder: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "0123", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for path in encoder.iterdir():
        shutil.copy(path, blobs / f"blob-{path.name}")
        (snapshot / path.name).symlink_to(f"../../blobs/blob-{path.name}")
    assert load_model(ModelFolder.open(snapshot), new_head=True).config.hidden_size == 32
    shutil.copy(encoder / "config.json", blobs.parent / "elsewhere")
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to("../../elsewhere")
    with pytest.raises(CheckpointError, match="a link that leaves its folder"):
        load_config(ModelFolder.open(snapshot))
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to("../../blobs/blob-config.json")
    load_config(ModelFolder.open(snapshot))
    blobs.rename(tmp_path / "anywhere")
    blobs.symlink_to(tmp_path / "anywhere")
    with pytest.raises(CheckpointError, match="a link that leaves its folder"):
        load_config(ModelFolder.open(snapshot))


def test_fifo_in_place_of_a_file_is_refused_and_not_waited_for(encoder: Path) -> None:
    (encoder / "special_tokens_map.json").unlink(missing_ok=True)
    os.mkfifo(encoder / "special_tokens_map.json")
    with pytest.raises(CheckpointError, match=r"special_tokens_map\.json: not a regular file"):
        load_tokenizer(ModelFolder.open(encoder))


@pytest.mark.parametrize(("name", "size"), [("config.json", 1 << 25), ("tokenizer.json", 1 << 29), ("model.onnx", 1 << 32)])
def test_file_far_larger_than_its_kind_is_refused_unread(encoder: Path, name: str, size: int) -> None:
    (encoder / name).touch()
    os.truncate(encoder / name, size)  # it takes no space
    with pytest.raises(CheckpointError, match=f"{name}: {size:,} bytes, expected at most"):
        check_folder(encoder)


def test_adapter_and_weights_by_another_name_are_refused(encoder: Path) -> None:
    change(encoder / "config.json", transformers_weights="../weights.safetensors")
    with pytest.raises(CheckpointError, match="a file of weights of its own"):
        load_config(ModelFolder.open(encoder))
    (encoder / "adapter_config.json").write_text('{"base_model_name_or_path": "/elsewhere"}')
    with pytest.raises(CheckpointError, match="an adapter"):
        check_folder(encoder)


@pytest.mark.parametrize(
    "values", [{"fast_tokenizer_files": ["../tokenizer.4.0.json"]}, {"fast_tokenizer_files": "tokenizer.9.json"}]
)
def test_tokenizer_config_names_no_file_elsewhere(encoder: Path, values: dict[str, Any]) -> None:
    change(encoder / "tokenizer_config.json", **values)
    with pytest.raises(CheckpointError, match="names a file that is not in this folder"):
        load_tokenizer(ModelFolder.open(encoder))


def test_paths_of_another_machine_are_refused_only_where_they_would_be_read(encoder: Path) -> None:
    change(encoder / "tokenizer_config.json", vocab_file="/elsewhere/vocab.txt", special_tokens_map_file="/elsewhere/map.json")
    assert len(load_tokenizer(ModelFolder.open(encoder))) > 30
    (encoder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"names a file that is not in this folder: '/elsewhere/vocab\.txt'"):
        check_folder(encoder)
    (encoder / "vocab.txt").write_text("a\n")
    check_folder(encoder)


def test_pickled_weights_are_refused_with_the_way_to_convert_them(encoder: Path) -> None:
    (encoder / "model.safetensors").rename(encoder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is pickled, which is code") as raised:
        load_model(ModelFolder.open(encoder), new_head=True)
    assert "save_pretrained" in str(raised.value.hint)


@pytest.mark.parametrize("name", ["../model-1.safetensors", "/etc/passwd", "model.bin", "", "..", 5, "missing.safetensors"])
def test_index_names_only_files_beside_it(encoder: Path, name: object) -> None:
    shutil.copy(encoder / "model.safetensors", encoder.parent / "model-1.safetensors")
    (encoder / "model.safetensors").unlink()
    (encoder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match=r"is no name of a weight file|is missing"):
        find_weights(encoder)


def test_shards_are_read_together(encoder: Path) -> None:
    whole = load_model(ModelFolder.open(encoder), new_head=True)
    whole.save_pretrained(encoder, max_shard_size="20KB")
    (encoder / "model.safetensors").unlink(missing_ok=True)
    assert len(find_weights(encoder)) > 1
    again = load_model(ModelFolder.open(encoder), new_head=False)
    assert all(bool((tensor == whole.state_dict()[name]).all()) for name, tensor in again.state_dict().items())


@pytest.mark.parametrize("family", sorted(CONFIGS))
@pytest.mark.parametrize("new_head", [True, False])
def test_whole_model_of_every_family_is_loaded(tmp_path: Path, family: str, new_head: bool) -> None:
    whole: Any = make_model(family)
    (whole if not new_head else whole.base_model).save_pretrained(tmp_path)
    model: Any = load_model(ModelFolder.open(tmp_path), new_head=new_head)
    assert not any(tensor.is_meta for tensor in model.parameters())
    stored = {name: tensor for name, tensor in whole.base_model.named_parameters() if "pooler" not in name}
    assert all(bool((tensor == model.base_model.get_parameter(name)).all()) for name, tensor in stored.items())
    change(tmp_path / "config.json", **{key: 25 for key in ("intermediate_size", "hidden_dim") if hasattr(model.config, key)})
    with pytest.raises(CheckpointError, match=r"of another shape than its config says: .*expected"):
        load_model(ModelFolder.open(tmp_path), new_head=new_head)


@pytest.mark.parametrize(
    ("header", "n_bytes", "reason"),
    [
        (ONE, 7, "file not fully covered"),
        (ONE, 9, "file not fully covered"),
        ({"a": {**ONE["a"], "shape": [3]}}, 8, "invalid shape"),
        ({"a": {**ONE["a"], "shape": [-2]}}, 8, "expected usize"),
        ({"a": {**ONE["a"], "shape": [1 << 61, 1 << 61]}}, 8, "overflow"),
        ({"a": {**ONE["a"], "dtype": "F99"}}, 8, "unknown variant"),
        ({"a": {**ONE["a"], "data_offsets": [8, 16]}}, 16, "invalid offset"),
        ({"a": ONE["a"], "b": ONE["a"]}, 8, "invalid offset"),
        ({"a": [1]}, 8, "invalid JSON"),
        ([], 8, "invalid JSON"),
        (b"{", 8, "invalid JSON"),
        (b"[" * 100_000, 8, "invalid JSON"),
        (b"{not json}", 8, "invalid JSON"),
    ],
)
def test_header_that_does_not_fit_its_file_is_refused(tmp_path: Path, header: object, n_bytes: int, reason: str) -> None:
    path = write_safetensors(tmp_path / "model.safetensors", header, n_bytes)
    with pytest.raises(CheckpointError) as raised:
        read_header(path)
    assert reason in str(raised.value)
    assert str(raised.value).startswith(f"{path}: the weights cannot be loaded (")


def test_header_larger_than_the_file_or_any_model_has_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for length in (0, 100, (1 << 64) - 1):
        path.write_bytes(length.to_bytes(8, "little") + b"{}")
        with pytest.raises(CheckpointError, match="the weights cannot be loaded"):
            read_header(path)
    path.write_bytes((1 << 30).to_bytes(8, "little"))
    os.truncate(path, 1 << 33)
    with pytest.raises(CheckpointError, match="header too large"):
        read_header(path)


def test_file_that_is_missing_or_empty_or_a_folder_is_no_weights(tmp_path: Path) -> None:
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("empty.safetensors", "folder.safetensors", "missing.safetensors"):
        with pytest.raises(CheckpointError, match=f"{name}: the weights cannot be loaded"):
            read_header(tmp_path / name)


@pytest.mark.parametrize("new_head", [True, False])
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"hidden_size": 10_000_000, "num_attention_heads": 1}, "GB of weights, and this machine has"),
        ({"vocab_size": 10**12}, "GB of weights, and this machine has"),
        ({"intermediate_size": 100_000}, "weights are missing or of another shape than its config says: it asks for"),
        ({"intermediate_size": 65}, "weights are missing or of another shape than its config says: bert.encoder"),
    ],
)
def test_config_that_asks_for_more_than_there_is_takes_no_memory(
    tiny_checkpoint: Path, tmp_path: Path, values: dict[str, Any], reason: str, new_head: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "asking"))
    change(folder / "config.json", **values)
    import transformers

    def load(*args: Any, **options: Any) -> None:
        raise AssertionError("the weights were loaded before they were measured")

    monkeypatch.setattr(transformers.PreTrainedModel, "from_pretrained", load)
    with pytest.raises(CheckpointError) as raised:
        load_model(ModelFolder.open(folder), new_head=new_head)
    assert reason in str(raised.value)


def test_weights_of_whole_numbers_are_refused(encoder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(encoder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("query.weight"))
    save_file({**tensors, name: tensors[name].char()}, encoder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"query\.weight is of type I8, expected one of BF16, F16, F32, F64"):
        load_model(ModelFolder.open(encoder), new_head=True)


def test_index_with_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    index = {"metadata": {}, "weight_map": {"a": "sha\ud800rd.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="is no name of a weight file in this folder"):
        find_weights(tmp_path)
