"""What replaces torch's own parts for speed does the same as they do: dropout, attention, packed linear layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.encoder.fast.attention import attend
from polarity_cli.encoder.fast.dropout import Dropout, draw_mask, drop
from polarity_cli.encoder.fast.linear import FrozenLinear, use_packed_linears
from polarity_cli.encoder.freeze import freeze
from polarity_cli.encoder.loading import load_model
from polarity_cli.encoder.trunk import Trunk

LENGTHS = [7, 3, 5]


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(probability: float) -> None:
    torch.manual_seed(1)
    dropped = drop(torch.ones(1_000_001), probability, training=True)
    assert float((dropped == 0).float().mean()) == pytest.approx(probability, abs=0.002)  # four standard errors
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.02)
    assert dropped.unique().numel() == 2


def test_dropout_repeats_with_torchs_seed_and_differs_without() -> None:
    values = torch.ones(1000)
    torch.manual_seed(5)
    first, second = (drop(values, 0.3, training=True) for _ in range(2))
    torch.manual_seed(5)
    assert torch.equal(drop(values, 0.3, training=True), first)
    assert not torch.equal(first, second)


def test_gradient_passes_where_values_stayed() -> None:
    values = torch.randn(50, 3, requires_grad=True)
    dropped = drop(values, 0.4, training=True)
    dropped.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad * values.detach(), dropped.detach())


def test_dropout_does_nothing_in_eval_mode_or_at_0_and_everything_at_1() -> None:
    values = torch.randn(100)
    assert torch.equal(Dropout(0.5).eval()(values), values)
    assert torch.equal(Dropout(0.0)(values), values)
    assert not Dropout(1.0)(values).any()


def make_states(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    states = [torch.randn(3, 7, 2, 4, generator=generator, dtype=dtype).transpose(1, 2) for _ in range(3)]
    mask = (torch.arange(7) < torch.tensor(LENGTHS)[:, None])[:, None, None].expand(3, 1, 7, 7)
    return states[0], states[1], states[2], mask


def test_attention_with_dropout_equals_the_formula_with_the_same_mask() -> None:
    query, key, value, mask = make_states()
    torch.manual_seed(11)
    context, _ = attend(nn.Module(), query, key, value, mask, dropout=0.4, scaling=0.7)
    torch.manual_seed(11)
    drawn, factor = draw_mask((sum(2 * length**2 for length in LENGTHS),), 0.4)
    start = 0
    for index, length in enumerate(LENGTHS):
        q, k, v = (states[index, :, :length] for states in (query, key, value))
        stays = drawn[start : (start := start + 2 * length**2)].view(2, length, length)
        expected = ((q @ k.transpose(1, 2) * 0.7).softmax(-1) * stays * factor) @ v  # (n, L, d)
        torch.testing.assert_close(context[index, :length], expected.transpose(0, 1))
        assert not context[index, length:].any()


def test_gradients_of_attention_with_dropout_equal_finite_differences() -> None:
    query, key, value, mask = make_states()

    def attend_repeatably(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        torch.manual_seed(11)
        return attend(nn.Module(), query, key, value, mask, dropout=0.4, scaling=0.7)[0]

    inputs = tuple(states.clone().requires_grad_() for states in (query, key, value))
    assert torch.autograd.gradcheck(attend_repeatably, inputs)


@pytest.mark.parametrize("padded", [True, False])
def test_attention_without_dropout_is_torchs(padded: bool) -> None:
    query, key, value, mask = make_states(torch.float32)
    module = nn.Module()
    context, _ = attend(module, query, key, value, mask if padded else None, is_causal=False)
    expected = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask if padded else None)
    torch.testing.assert_close(context, expected.transpose(1, 2))


@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN products")
@pytest.mark.parametrize("bias", [True, False])
def test_frozen_linear_multiplies_as_the_layer_it_was_made_from(bias: bool) -> None:
    layer, states = nn.Linear(24, 40, bias=bias), torch.randn(3, 5, 24)
    with torch.no_grad():
        torch.testing.assert_close(FrozenLinear(layer)(states), layer(states), rtol=1e-5, atol=1e-6)


def test_double_precision_is_not_packed(tiny_encoder: Path) -> None:
    model = load_model(ModelFolder.open(tiny_encoder), new_head=True).double()
    assert use_packed_linears(Trunk(model, freeze(model, 2))) == {}
