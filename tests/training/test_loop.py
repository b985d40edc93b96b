"""The training loop: equal to transformers' Trainer, repeatable, and frozen where it says so."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Sampler

from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.config import All, Context, DataConfig
from polarity_cli.data.batches import Batch, pad, plan_epoch
from polarity_cli.data.tokenized import read_split
from polarity_cli.encoder.freeze import freeze
from polarity_cli.encoder.loading import load_model
from polarity_cli.encoder.top import split_model
from polarity_cli.errors import UsageError
from polarity_cli.machine import count_threads
from polarity_cli.records import EpochRecord, StepRecord
from polarity_cli.train_config import TrainConfig
from polarity_cli.training.fine_tuner import Examples, FineTuner
from polarity_cli.training.loop import Event, fit
from polarity_cli.training.optim import scale_learning_rate
from polarity_cli.training.runtime import start_runtime
from polarity_cli.training.training_state import TrainingState
from polarity_cli.verbs.prepare import prepare
from tests.helpers.reviews import make_reviews, write_csv


@pytest.fixture(scope="module")
def splits(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Examples]:
    folder = tmp_path_factory.mktemp("loop")
    reviews = write_csv(folder / "reviews.csv", make_reviews(160))
    prepared = prepare(DataConfig(source=str(reviews), encoder=str(tiny_encoder)), Context(cache_dir=folder / "cache"))
    return {name: Examples(read_split(prepared.folder / f"{name}.arrow")) for name in prepared.manifest.splits}


def make_fine_tuner(encoder: Path, unfreeze: int | All, *, seed: int = 42, dropout: bool = True) -> tuple[Any, FineTuner]:
    accelerator = start_runtime(seed=seed)
    model = load_model(ModelFolder.open(encoder), new_head=True)
    if not dropout:
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    trunk, top = split_model(model, freeze(model, unfreeze))
    return model, FineTuner(trunk, top, accelerator, pad_id=0)


def make_config(**values: Any) -> TrainConfig:
    return replace(TrainConfig(data=DataConfig(validation=0.1), learning_rate=2e-3, warmup=0.1, epochs=2), **values)


def run_loop(
    fine_tuner: FineTuner,
    splits: dict[str, Examples],
    plan: Sequence[Sequence[Batch]],
    config: TrainConfig,
    *,
    read_every: int | None = None,
) -> list[StepRecord | EpochRecord]:
    """Train to the end and return the history."""
    state = TrainingState(fine_tuner, config)
    for _ in fit(state, plan, train=splits["train"], validation=splits.get("validation"), config=config, read_every=read_every):
        pass
    return state.history


def train(
    encoder: Path, splits: dict[str, Examples], config: TrainConfig, *, seed: int = 42
) -> tuple[dict[str, torch.Tensor], list[StepRecord | EpochRecord]]:
    model, fine_tuner = make_fine_tuner(encoder, config.unfreeze, seed=seed)
    lengths = splits["train"].split.lengths
    plan = [plan_epoch(lengths, batch_size=config.batch_size, seed=seed, epoch=epoch + 1) for epoch in range(config.epochs)]
    history = run_loop(fine_tuner, splits, plan, config)
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}, history


def test_losses_equal_those_of_the_transformers_trainer_over_an_epoch(
    tiny_encoder: Path, splits: dict[str, Examples], tmp_path: Path
) -> None:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    train_split = splits["train"].split
    batches = plan_epoch(train_split.lengths, batch_size=8, seed=0, epoch=1)
    config = make_config(warmup=0.0, epochs=1, batch_size=8, weight_decay=0.01)
    _, fine_tuner = make_fine_tuner(tiny_encoder, 2, dropout=False)
    history = run_loop(fine_tuner, {"train": splits["train"]}, [batches], config)
    ours = [record.loss for record in history if isinstance(record, StepRecord)]

    class SameBatches(Sampler[list[int]]):
        def __iter__(self) -> Iterator[list[int]]:
            return iter([batch.tolist() for batch in batches])

        def __len__(self) -> int:
            return len(batches)

    class SameTrainer(Trainer):
        def get_train_dataloader(self) -> Any:
            rows = [
                {"ids": ids, "label": label}
                for ids, label in zip(train_split.get_ids(range(len(train_split))), train_split.labels, strict=True)
            ]

            def collate(members: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
                ids, mask = pad([member["ids"] for member in members], pad_id=0)
                labels = torch.tensor([int(member["label"]) for member in members])
                return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask), "labels": labels}

            return torch.utils.data.DataLoader(rows, batch_sampler=SameBatches(), collate_fn=collate)  # type: ignore[arg-type]

    theirs: list[float] = []

    class Listen(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
            if logs and "loss" in logs:
                theirs.append(logs["loss"])

    model, _ = make_fine_tuner(tiny_encoder, 2, dropout=False)
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=1,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        max_grad_norm=1.0,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        seed=42,
    )
    SameTrainer(model=model, args=arguments, callbacks=[Listen()]).train()
    assert len(theirs) == len(ours) == len(batches)
    assert np.abs(np.array(ours) - np.array(theirs)).max() < 1e-5
    assert np.mean(ours[-5:]) < np.mean(ours[:5])


def test_same_seed_gives_the_same_weights_and_another_seed_others(tiny_encoder: Path, splits: dict[str, Examples]) -> None:
    config = make_config()
    first, _ = train(tiny_encoder, splits, config)
    again, _ = train(tiny_encoder, splits, config)
    other, _ = train(tiny_encoder, splits, config, seed=43)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


@pytest.mark.parametrize("unfreeze", [0, 1, 2, "all"])
def test_training_changes_every_top_tensor_and_no_trunk_tensor(
    tiny_encoder: Path, splits: dict[str, Examples], unfreeze: int | All
) -> None:
    before, _ = make_fine_tuner(tiny_encoder, unfreeze)
    plan = freeze(before, unfreeze)
    after, _ = train(tiny_encoder, splits, make_config(unfreeze=unfreeze))
    trainable = {name for name, parameter in before.named_parameters() if parameter.requires_grad}
    for name, parameter in before.named_parameters():
        # Rows of the position table beyond the longest review get no gradient, but weight decay moves them.
        assert torch.equal(after[name], parameter) is (name not in trainable), name
    assert sum(after[name].numel() for name in trainable) == plan.n_trainable


def test_best_epoch_is_kept_and_patience_ends_the_run(tiny_encoder: Path, splits: dict[str, Examples]) -> None:
    config = make_config(epochs=30, patience=2, learning_rate=5e-3)
    _model, fine_tuner = make_fine_tuner(tiny_encoder, 2)
    plan = [plan_epoch(splits["train"].split.lengths, batch_size=16, seed=1, epoch=epoch) for epoch in range(30)]
    epochs = [record for record in run_loop(fine_tuner, splits, plan, config) if isinstance(record, EpochRecord)]
    best = [record for record in epochs if record.is_best][-1]
    assert len(epochs) == best.epoch + 2 < 30
    validation = splits["validation"]
    logits = fine_tuner.compute_logits(validation, np.arange(len(validation)))
    assert fine_tuner.compute_metrics(validation, logits) == best.validation


def test_losses_read_back_rarely_are_the_losses_read_at_each_step(tiny_encoder: Path, splits: dict[str, Examples]) -> None:
    batches = plan_epoch(splits["train"].split.lengths, batch_size=8, seed=1, epoch=1)

    def run(read_every: int) -> list[StepRecord]:
        _, fine_tuner = make_fine_tuner(tiny_encoder, 2)
        history = run_loop(fine_tuner, {"train": splits["train"]}, [batches], make_config(epochs=1), read_every=read_every)
        return [record for record in history if isinstance(record, StepRecord)]

    assert len(batches) % 7
    assert run(7) == run(1)
    assert [record.step for record in run(7)] == list(range(1, len(batches) + 1))


def get_learned(state: TrainingState) -> tuple[dict[str, torch.Tensor], list[StepRecord | EpochRecord]]:
    """Return the weights, and the history without times."""
    records = [replace(record, seconds=0.0) if isinstance(record, EpochRecord) else record for record in state.history]
    return state.fine_tuner.copy_top(), records


@pytest.mark.parametrize("read_every", [1, 4])
def test_state_at_any_event_goes_on_to_the_same_end(tiny_encoder: Path, splits: dict[str, Examples], read_every: int) -> None:
    config = make_config(patience=2)
    plan = [plan_epoch(splits["train"].split.lengths, batch_size=16, seed=1, epoch=epoch) for epoch in (1, 2)]

    def begin(*, seed: int) -> tuple[TrainingState, Iterator[Event]]:
        _, fine_tuner = make_fine_tuner(tiny_encoder, 2, seed=seed)
        state = TrainingState(fine_tuner, config)
        parts = {"train": splits["train"], "validation": splits["validation"]}
        return state, fit(state, plan, **parts, config=config, read_every=read_every)

    state, events = begin(seed=42)
    names = [type(event).__name__ for event in events]
    weights, history = get_learned(state)
    for name in ("StepsDone", "BatchScored", "EpochDone"):
        assert name in names
        stopped, events = begin(seed=42)
        for event in events:
            if type(event).__name__ == name:
                break
        saved = copy.deepcopy(stopped.export())
        other, events = begin(seed=43)
        other.restore(saved)
        assert len(list(events)) < len(names)
        resumed_weights, resumed_history = get_learned(other)
        assert all(torch.equal(weights[key], resumed_weights[key]) for key in weights), name
        assert resumed_history == history


def test_learning_rate_rises_and_falls_in_straight_lines() -> None:
    rates = [scale_learning_rate(step, n_steps=10, warmup=0.2) for step in range(10)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
    assert [scale_learning_rate(step, n_steps=4, warmup=0.0) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_threads_stay_within_the_affinity() -> None:
    assert 1 <= count_threads() <= torch.multiprocessing.cpu_count()


def test_unknown_tracker_is_refused() -> None:
    with pytest.raises(UsageError, match="--track nonesuch"):
        start_runtime(seed=1, track="nonesuch")
