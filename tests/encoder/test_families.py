"""Every family: the cut is right, what trains is what should, and a split model equals the whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as _transformers
from torch import Tensor
from transformers import PreTrainedModel

from polarity_cli.config import All
from polarity_cli.encoder.families import FAMILIES, get_blocks
from polarity_cli.encoder.fast.linear import FrozenLinear, use_packed_linears
from polarity_cli.encoder.freeze import freeze
from polarity_cli.encoder.top import Whole, split_model
from polarity_cli.encoder.trunk import replace_modules
from polarity_cli.errors import CheckpointError, UsageError

transformers: Any = _transformers  # its config classes do not declare all that they take
N_BLOCKS = 12
SHAPE: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": N_BLOCKS,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
}
RELATIVE: dict[str, Any] = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}

CONFIGS: dict[str, Any] = {
    "bert": transformers.BertConfig(**SHAPE),
    "camembert": transformers.CamembertConfig(**SHAPE),
    "deberta": transformers.DebertaConfig(**SHAPE, **RELATIVE),
    "deberta-v2": transformers.DebertaV2Config(
        **SHAPE, **RELATIVE, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True
    ),
    "distilbert": transformers.DistilBertConfig(
        vocab_size=60, dim=16, n_layers=N_BLOCKS, n_heads=2, hidden_dim=24, max_position_embeddings=80
    ),
    "electra": transformers.ElectraConfig(**SHAPE, embedding_size=8),
    "ernie": transformers.ErnieConfig(**SHAPE),
    "modernbert": transformers.ModernBertConfig(
        **SHAPE, global_attn_every_n_layers=3, local_attention=8, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2
    ),
    "mpnet": transformers.MPNetConfig(**SHAPE),
    "roberta": transformers.RobertaConfig(**SHAPE),
    "xlm-roberta": transformers.XLMRobertaConfig(**SHAPE),
}

HEADS = {
    "bert": {"bert.pooler", "classifier"},
    "deberta": {"pooler", "classifier"},
    "deberta-v2": {"pooler", "classifier"},
    "distilbert": {"pre_classifier", "classifier"},
    "ernie": {"ernie.pooler", "classifier"},
    "modernbert": {"model.final_norm", "head", "classifier"},
}


def make_model(family: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model: PreTrainedModel = transformers.AutoModelForSequenceClassification.from_config(CONFIGS[family])
    model.eval()
    return model


def make_batch() -> tuple[Tensor, Tensor]:
    ids = torch.randint(3, 60, (3, 20), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    mask[2, 5:] = 0
    return ids * mask, mask


def test_every_family_of_the_table_is_tried() -> None:
    assert set(CONFIGS) == set(FAMILIES)


def compute_gradients(model: PreTrainedModel, logits: Tensor) -> dict[str, Tensor]:
    """Return the gradient of each parameter that trains, for a loss of three reviews."""
    model.zero_grad()
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 1])).backward()
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in model.named_parameters() if p.requires_grad
    }


@pytest.mark.parametrize("family", sorted(CONFIGS))
@pytest.mark.parametrize("unfreeze", [0, 1, 2, N_BLOCKS, "all"])
def test_trunk_and_top_give_the_whole_models_logits_and_gradients(family: str, unfreeze: int | All) -> None:
    # In float64 equality up to its rounding shows that the last block at one token is the same function, not a near one.
    model, (ids, mask) = make_model(family).double(), make_batch()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(4.0)  # freshly drawn weights give attention next to nothing to tell tokens apart by
    trunk, top = split_model(model, freeze(model, unfreeze))
    whole = model(input_ids=ids, attention_mask=mask).logits
    expected = compute_gradients(model, whole)
    hidden = ids if trunk is None else trunk(ids, mask)
    parts = top(hidden, mask[:, : hidden.shape[1]])
    found = compute_gradients(model, parts)
    assert whole.std() > 1e-3
    torch.testing.assert_close(parts, whole, rtol=1e-6, atol=1e-8)
    for name, gradient in expected.items():
        largest = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(found[name] / largest, gradient / largest, rtol=1e-6, atol=1e-8, msg=name)


@pytest.mark.parametrize("family", sorted(CONFIGS))
@pytest.mark.parametrize("cut", [1, 7, N_BLOCKS - 1])
def test_trunk_gives_the_input_of_the_first_trainable_block_bit_for_bit(family: str, cut: int) -> None:
    model, (ids, mask) = make_model(family), make_batch()
    met: list[Tensor] = []
    block = get_blocks(model, FAMILIES[family])[cut]
    block.register_forward_pre_hook(lambda module, inputs: met.append(inputs[0]))
    trunk, _ = split_model(model, freeze(model, N_BLOCKS - cut))
    assert trunk is not None
    with torch.no_grad():
        model(input_ids=ids, attention_mask=mask)
        assert torch.equal(trunk(ids, mask), met[0])


def test_last_block_is_computed_for_every_token_where_the_head_averages_them() -> None:
    config = transformers.ModernBertConfig(**{**CONFIGS["modernbert"].to_dict(), "classifier_pooling": "mean"})
    model, (ids, mask) = transformers.AutoModelForSequenceClassification.from_config(config).eval(), make_batch()
    trunk, top = split_model(model, freeze(model, 0))
    assert trunk is not None
    with torch.no_grad():
        hidden = trunk(ids, mask)
        assert hidden.shape[:2] == ids.shape
        assert torch.equal(top(hidden, mask), model(input_ids=ids, attention_mask=mask).logits)


@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN products")
@pytest.mark.parametrize("family", sorted(CONFIGS))
@pytest.mark.parametrize("unfreeze", [0, 2])
def test_packed_trunk_gives_the_trunks_hidden_states(family: str, unfreeze: int) -> None:
    model, (ids, mask) = make_model(family), make_batch()
    trunk, _ = split_model(model, freeze(model, unfreeze))
    assert trunk is not None
    packed = replace_modules(trunk, use_packed_linears(trunk))
    assert any(isinstance(module, FrozenLinear) for module in packed.modules())
    torch.testing.assert_close(packed(ids, mask), trunk(ids, mask), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_dropout_of_every_kind_trains(family: str) -> None:
    values = CONFIGS[family].to_dict()
    kinds = [
        name for name in values if name.endswith(("dropout", "dropout_prob", "seq_classif_dropout")) and values[name] is not None
    ]
    config = type(CONFIGS[family])(**{**values, **dict.fromkeys(kinds, 0.3)})
    torch.manual_seed(0)
    model, (ids, mask) = transformers.AutoModelForSequenceClassification.from_config(config), make_batch()
    trunk, top = split_model(model, freeze(model, 2))
    assert trunk is not None
    top.train()
    first, second = (top(trunk(ids, mask), mask) for _ in range(2))
    gradients = compute_gradients(model, first)
    assert not torch.equal(first, second)
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients.values())


def test_model_of_no_known_family_runs_as_it_is() -> None:
    config = transformers.AlbertConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=24, vocab_size=60, embedding_size=8, num_hidden_layers=2
    )
    model, (ids, mask) = transformers.AutoModelForSequenceClassification.from_config(config).eval(), make_batch()
    attention = model.config._attn_implementation
    with torch.no_grad():
        assert torch.equal(Whole(model)(ids, mask), model(input_ids=ids, attention_mask=mask).logits)
    assert model.config._attn_implementation == attention == "sdpa"


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_trunk_of_all_blocks_answers_for_one_token(family: str) -> None:
    model, (ids, mask) = make_model(family), make_batch()
    trunk, _ = split_model(model, freeze(model, 0))
    assert trunk is not None
    assert trunk(ids, mask).shape == (3, 1, 16)


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_two_blocks_and_what_follows_them_train(family: str) -> None:
    model = make_model(family)
    plan = freeze(model, 2)
    row = FAMILIES[family]
    blocks = {f"{row.path(row.blocks)}.{index}" for index in (N_BLOCKS - 2, N_BLOCKS - 1)}
    assert plan.cut == N_BLOCKS - 2
    assert set(plan.trainable_modules) == blocks | HEADS.get(family, {"classifier"})
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trainable == {
        name
        for name, _ in model.named_parameters()
        if name.startswith(tuple(f"{m}." for m in plan.trainable_modules))
        and not name.endswith(row.without_effect or ("nothing",))
    }
    assert plan.n_trainable + plan.n_frozen == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_block_1_unfrozen_does_not_unfreeze_blocks_10_and_11(family: str) -> None:
    model = make_model(family)
    freeze(model, N_BLOCKS - 1)
    frozen = [not any(p.requires_grad for p in block.parameters()) for block in get_blocks(model, FAMILIES[family])]
    assert frozen == [True] + [False] * (N_BLOCKS - 1)


def test_classifier_alone_leaves_the_pretrained_pooler_frozen() -> None:
    assert freeze(make_model("bert"), 0).trainable_modules == ("classifier",)


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_all_trains_every_parameter_that_changes_an_answer(family: str) -> None:
    model, (ids, mask) = make_model(family).double(), make_batch()
    plan = freeze(model, "all")
    assert plan.embeddings_train
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert all(name.endswith(FAMILIES[family].without_effect or ("nothing",)) for name in frozen)
    assert len(frozen) == N_BLOCKS * len(FAMILIES[family].without_effect)
    model.requires_grad_(True)
    for name, gradient in compute_gradients(model, model(input_ids=ids, attention_mask=mask).logits).items():
        assert (float(gradient.abs().max()) < 1e-15) is (name in frozen), name


def test_more_blocks_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="--unfreeze 13: this encoder has 12 blocks"):
        freeze(make_model("bert"), N_BLOCKS + 1)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            transformers.AlbertConfig(hidden_size=16, num_attention_heads=2, intermediate_size=24, vocab_size=60),
            "ALBERT uses one block",
        ),
        (
            transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=60, pad_token_id=0),
            "family 'gpt2' are not supported",
        ),
        (transformers.DebertaV2Config(**SHAPE, **RELATIVE, conv_kernel_size=3), "with a convolution"),
    ],
    ids=["albert", "gpt2", "deberta with convolution"],
)
def test_encoder_that_cannot_be_cut_is_refused_by_name(config: Any, expected: str) -> None:
    with pytest.raises(CheckpointError, match=expected):
        freeze(transformers.AutoModelForSequenceClassification.from_config(config), 1)


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_step_leaves_every_trunk_tensor_and_changes_every_top_tensor(family: str) -> None:
    model, (ids, mask) = make_model(family), make_batch()
    trunk, top = split_model(model, freeze(model, 2))
    assert trunk is not None
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.AdamW([p for p in top.parameters() if p.requires_grad], lr=1e-2)
    top.train()
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(top(trunk(ids, mask), mask), torch.tensor([0, 1, 1]))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) is not parameter.requires_grad, name


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_frozen_block_ignores_dropout_and_a_trainable_one_does_not(family: str) -> None:
    model, (ids, mask) = make_model(family), make_batch()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    trunk, top = split_model(model, freeze(model, 2))
    assert trunk is not None
    with torch.no_grad():
        quiet = trunk(ids, mask)
        model.train()
        trunk.train()
        top.train()
        blocks = trunk.encoder.get_submodule(FAMILIES[family].blocks)
        assert not any(module.training for module in blocks.modules())
        assert torch.equal(trunk(ids, mask), quiet)
        if family != "modernbert":  # whose dropout is 0 unless its config says otherwise
            assert not torch.equal(top(quiet, mask), top(quiet, mask))
