"""What runs on a GPU, on a CPU: bfloat16 with float32 beside it, memory that is full, batches of like length."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from polarity_cli.data.batches import plan_batches, plan_like_batches
from polarity_cli.encoder import gpu_engine, gpu_runner
from polarity_cli.encoder.families import FAMILIES
from polarity_cli.encoder.gpu_engine import GpuEngine
from polarity_cli.encoder.token_budget import LEAST, MOST, choose_token_budget, count_token_bytes
from polarity_cli.encoder.top import Whole
from polarity_cli.errors import CheckpointError, PolarityError
from polarity_cli.inference.boundaries import Boundaries
from tests.encoder.test_families import SHAPE, make_model, transformers

CPU = torch.device("cpu")


def make_texts(n: int, *, seed: int = 0) -> list[NDArray[np.int32]]:
    random = np.random.default_rng(seed)
    return [random.integers(5, 60, random.integers(3, 70)).astype(np.int32) for _ in range(n)]


def make_engine(model: PreTrainedModel, dtype: torch.dtype = torch.bfloat16, **boundaries: Any) -> GpuEngine:
    return GpuEngine(copy.deepcopy(model), pad_id=0, device=CPU, dtype=dtype, boundaries=Boundaries(**boundaries))


def answer_alone(model: PreTrainedModel, texts: list[NDArray[np.int32]]) -> NDArray[np.float64]:
    """Return what transformers' own model answers for each text by itself."""
    with torch.no_grad():
        ids = [torch.from_numpy(text.astype(np.int64))[None] for text in texts]
        return np.concatenate([model(input_ids=one, attention_mask=torch.ones_like(one)).logits.numpy() for one in ids])


def make_uncertain(family: str = "bert") -> PreTrainedModel:
    """Return a model whose answers to random texts lie on both sides of the middle, many near it."""
    model = make_model(family)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(4.0)
        odds = answer_alone(model, make_texts(60, seed=9))
        differences = odds[:, 0] - odds[:, 1]
        head: Any = model.get_submodule(FAMILIES[family].head[-1])
        for part in (head.weight, head.bias):
            part *= 1.5 / differences.std()
        head.bias += torch.tensor([0.0, float(np.median(differences) * 1.5 / differences.std())])
    return model


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_padded_batches_answer_as_each_text_alone(family: str) -> None:
    model, texts = make_uncertain(family), make_texts(40)
    expected = answer_alone(model, texts)
    exact = make_engine(model, torch.float32)
    np.testing.assert_allclose(exact.compute_logits(texts), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(exact.start(texts)(), expected, rtol=1e-4, atol=1e-4)
    coarse = make_engine(model)._coarse
    assert coarse is not None
    found = coarse.launch(texts, [(np.arange(40), 40)])()
    spread = float(expected.std(axis=0).max())
    assert 0 < np.abs(found - expected).max() < 0.25 * spread + 0.05


@pytest.mark.parametrize("family", ["bert", "distilbert", "electra", "modernbert", "mpnet"])
def test_mask_is_not_looked_into_where_the_family_takes_it_as_it_is(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, texts = make_uncertain(family), [*make_texts(20), *[np.arange(5, 30, dtype=np.int32)] * 9]
    expected = make_engine(model, torch.float32).compute_logits(texts)
    engine, n_looks = make_engine(model, torch.float32), list[int]()
    look = torch.Tensor.__bool__

    def count(tensor: torch.Tensor) -> bool:
        n_looks.append(1)
        return look(tensor)

    monkeypatch.setattr(torch.Tensor, "__bool__", count)  # what waits for a GPU
    np.testing.assert_array_equal(engine.compute_logits(texts), expected)
    assert bool(n_looks) is (family not in gpu_runner._TAKE_WHOLE_MASK)


@pytest.mark.parametrize(
    "boundaries", [{}, {"threshold": 0.3}, {"threshold": 0.6, "sigmoid": True}, {"positive": 0, "min_confidence": 0.55}], ids=str
)
def test_labels_are_those_of_float32(boundaries: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_engine, "SAMPLE", 64)
    model, texts = make_uncertain(), make_texts(400)
    expected = make_engine(model, torch.float32).compute_logits(texts)
    engine = make_engine(model, **boundaries)
    whole, chunks = engine.compute_logits(texts), make_engine(model, **boundaries)
    waiting = [chunks.start(texts[start : start + 50]) for start in range(0, 400, 50)]
    for found in (whole, np.concatenate([wait() for wait in waiting])):
        assert 0 < np.abs(found - expected).max() < 2
        assert decide(found, **boundaries) == decide(expected, **boundaries)
    for one in (engine, chunks):
        assert one.n_answered == 400
        assert 0 < one.n_again < 250
    assert len(set(decide(expected, **boundaries))) > 1


def decide(
    logits: NDArray[np.float64],
    *,
    positive: int = 1,
    threshold: float | None = None,
    sigmoid: bool = False,
    min_confidence: float = 0.0,
) -> list[str]:
    """Return the labels that `predict` gives."""
    from polarity_cli.inference.labeller import Labeller
    from polarity_cli.inference.scores import compute_scores

    made: Any = Labeller.__new__(Labeller)
    made.threshold, made._min_confidence = threshold, min_confidence
    scores = compute_scores(logits, sigmoid=sigmoid)
    return [made._decide(*row).label for row in scores[:, [positive, 1 - positive]].tolist()]


def test_coarse_answer_that_is_no_number_is_given_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_engine, "SAMPLE", 10)
    model, texts = make_uncertain(), make_texts(40)
    engine = make_engine(model)
    assert engine._coarse is not None
    run = engine._coarse._whole.forward
    broken: Any = engine._coarse._whole
    broken.forward = lambda ids, mask: run(ids, mask) * torch.where(ids[:, :1] % 2 == 0, torch.nan, 1.0)
    np.testing.assert_allclose(engine.compute_logits(texts), answer_alone(model, texts), atol=0.3)
    assert engine.n_again >= 5


def limit_memory(engine: GpuEngine, most_tokens: int) -> list[int]:
    """Let every forward pass of more tokens fail as a GPU's does, and return what is filled with the tokens of each pass."""
    tried: list[int] = []
    for runner in filter(None, (engine._coarse, engine._exact)):
        runner._whole.forward = refuse_large(runner._whole.forward, most_tokens, tried)  # type: ignore[method-assign]
    return tried


def refuse_large(run: Callable[..., Any], most_tokens: int, tried: list[int]) -> Callable[..., Any]:
    def forward(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        tried.append(ids.numel())
        if ids.numel() > most_tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        answer: torch.Tensor = run(ids, mask)
        return answer

    return forward


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_batch_that_does_not_fit_the_memory_is_divided(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_engine, "SAMPLE", 30)
    model, texts = make_uncertain(), make_texts(120)
    expected = make_engine(model, dtype).compute_logits(texts)
    engine, n_done = make_engine(model, dtype), list[int]()
    tried = limit_memory(engine, 500)
    np.testing.assert_allclose(engine.compute_logits(texts, n_done.append), expected, atol=0.2)
    assert sum(n_done) == 120
    refused = [n for n in tried if n > 500]
    assert 1 <= len(refused) <= 8  # what did not fit is remembered
    assert engine._exact.most_tokens is not None
    assert engine._exact.most_tokens <= 1024


def test_review_that_does_not_fit_the_memory_is_refused_in_words() -> None:
    engine = make_engine(make_uncertain(), torch.float32)
    limit_memory(engine, 10)
    with pytest.raises(PolarityError, match="cpu has not the memory for one review of 15 tokens") as raised:
        engine.compute_logits([np.arange(5, 20, dtype=np.int32)] * 3)
    assert "--device cpu" in str(raised.value.hint)


def test_model_that_does_not_fit_the_memory_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")

    monkeypatch.setattr(Whole, "to", refuse)
    with pytest.raises(PolarityError, match="cpu has not the memory for the model"):
        make_engine(make_uncertain(), torch.float32)


def test_family_that_is_not_known_answers_in_float32_without_padding() -> None:
    model = transformers.AutoModelForSequenceClassification.from_config(transformers.AlbertConfig(**SHAPE)).eval()
    engine, texts = make_engine(model), make_texts(30)
    assert engine.name == "float32 on cpu"
    np.testing.assert_allclose(engine.compute_logits(texts), answer_alone(model, texts), atol=1e-5)


def test_other_errors_of_the_model_are_not_taken_for_full_memory() -> None:
    engine = make_engine(make_uncertain(), torch.float32)
    with pytest.raises(CheckpointError, match="cannot read a text of 200 tokens"):
        engine.compute_logits([np.arange(200, dtype=np.int32) % 50])


def test_nothing_to_answer_is_answered() -> None:
    engine = make_engine(make_uncertain())
    assert engine.compute_logits([]).shape == engine.start([])().shape == (0, 2)


def test_budget_fills_half_of_the_free_memory_within_bounds() -> None:
    assert choose_token_budget(2_000_000_000, 50_000) == 20_000
    assert choose_token_budget(0, 50_000) == choose_token_budget(-5, 1) == LEAST
    assert choose_token_budget(10**15, 50_000) == MOST


def test_bytes_of_a_token_grow_with_the_model_its_precision_and_attention() -> None:
    config: Any = make_model("bert").config
    small = count_token_bytes(config, longest=70, bytes_each=2)
    assert small == 2 * (10 * 16 + 3 * 24) + 70 * 3
    assert count_token_bytes(config, longest=70, bytes_each=4) > 1.5 * small
    distilbert: Any = make_model("distilbert").config
    assert count_token_bytes(distilbert, longest=70, bytes_each=2) == small
    eager = copy.deepcopy(config)
    eager._attn_implementation = "eager"
    assert count_token_bytes(eager, longest=70, bytes_each=2) > small


def test_batches_hold_reviews_of_like_length_once_they_are_worth_a_pass() -> None:
    lengths = np.random.default_rng(0).integers(3, 513, 5000)
    batches = plan_like_batches(lengths, budget=200_000, enough=8_192)
    assert sorted(np.concatenate(batches).tolist()) == list(range(5000))
    assert lengths[batches[0]].max() == 512
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    loose = sum(len(batch) * int(lengths[batch].max()) for batch in plan_batches(lengths, budget=200_000))
    assert padded < 1.07 * lengths.sum() < loose
    assert all(len(batch) * lengths[batch].max() >= 4_000 for batch in batches[:-1])


def test_batch_of_any_length_stays_within_the_budget() -> None:
    lengths = np.array([512, 3, 3, 3, 600, 40, 41, 500] * 30)
    for batch in plan_like_batches(lengths, budget=700, enough=700):
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= 700
    assert plan_like_batches(np.array([], dtype=np.int64), budget=700, enough=700) == []
