"""The verb `train`: prepare the data, cut the encoder, train the top, and publish the checkpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from polarity_cli.cache.hashes import hash_file
from polarity_cli.config import Context
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.errors import UsageError
from polarity_cli.train_config import TrainConfig
from polarity_cli.verbs.prepare import Prepared, prepare_together
from polarity_cli.verbs.publish_run import Trained, TrainResult, publish_run

if TYPE_CHECKING:
    from polarity_cli.checkpoint.locate import EncoderLocation
    from polarity_cli.encoder.freeze import FreezePlan
    from polarity_cli.training.resume import ResumableRun
    from polarity_cli.training.run import Run


def train(config: TrainConfig, context: Context, world: World = ALONE, *, command: str = "") -> TrainResult | None:
    """Train the last blocks of an encoder on labelled reviews and publish the checkpoint to `config.out`.

    Every process of the run calls this. Only the main one saves states, exports and publishes; the others return None.

    Args:
        config: what to train.
        context: where, and who is told.
        world: the processes of the run.
        command: the command line, which the report shows.

    Raises:
        PolarityError: the command line, the data, the encoder or the output is wrong; each kind as its room raises it.
        LostProcessError: another process is gone.
    """
    import polarity_cli.training.run  # noqa: F401 - takes seconds, in which the main process reads the reviews

    if world.is_main:
        _check_out(config, context)
    prepared = prepare_together(config.data, context, world)
    _check_scored(config, prepared)
    started = time.perf_counter()
    with _open_resumable_run(config, prepared, context, world) as resumable:
        kept_before = world.broadcast(resumable.kept_features if resumable else None)
        run = _start(config, prepared, context, world, kept_before=kept_before)
        trained = _train(run, resumable)
        world.leave()
        if resumable is None:
            return None
        result = publish_run(run, prepared, trained, started=started, command=command)
        resumable.finish()
        return result


def _train(run: Run, resumable: ResumableRun | None) -> Trained:
    """Score each fold by a top of its own where that is asked for, train on all rows, and find out how good it is."""
    from polarity_cli.data.folds import divide_into_folds
    from polarity_cli.training.folds import cross_validate
    from polarity_cli.training.outcome import conclude

    started, config, split = time.perf_counter(), run.config, run.examples["train"].split
    folds = out_of_fold = None
    if config.folds is not None:
        folds = divide_into_folds(split.texts, split.labels, n_folds=config.folds, seed=config.data.seed)
        out_of_fold = cross_validate(run, folds, resumable)
    divided = time.perf_counter()
    history = run.fit(resumable)
    seconds = {"folds": round(divided - started, 2), "training": round(time.perf_counter() - divided, 2)}
    return Trained(history, conclude(run, out_of_fold=out_of_fold, folds=folds), folds, seconds)


def _check_out(config: TrainConfig, context: Context) -> None:
    """Refuse what cannot be written, before any work is done."""
    from polarity_cli.checkpoint.checkpoint import check_out
    from polarity_cli.verbs.evaluation.page import check_page

    check_page(config.report)
    check_out(config.out)
    if config.out.resolve().is_relative_to(context.cache_dir.resolve()):
        raise UsageError(f"--out {config.out}: it is inside the cache.", hint="Name a folder outside it.")


@contextmanager
def _open_resumable_run(config: TrainConfig, prepared: Prepared, context: Context, world: World) -> Iterator[ResumableRun | None]:
    """Give the run with its states on disk, in the main process; the others have none."""
    if not world.is_main:
        yield None
        return
    from polarity_cli.training.describe import describe_run
    from polarity_cli.training.resume import open_resumable_run

    description = describe_run(config, reviews=prepared.fingerprint, encoder=_describe_encoder(prepared.encoder))
    with open_resumable_run(context.cache_dir, config.out, description, context.observer, fresh=config.fresh) as resumable:
        yield resumable


def _describe_encoder(encoder: EncoderLocation) -> str:
    """Return what the files that training begins with are known by: an interrupted run goes on with no others."""
    from polarity_cli.encoder.head import find_head

    description = f"{encoder.revision}, config {hash_file(encoder.folder / 'config.json')[:16]}"
    head = find_head(encoder.model)
    if head is None:
        return description
    return f"{description}, {f'its classifier, positive {head.positive}' if head.kept else 'a new classifier'}"


def _check_scored(config: TrainConfig, prepared: Prepared) -> None:
    """Refuse `--require` where nothing will be scored."""
    if config.require is not None and config.folds is None and not (prepared.count("test") or prepared.count("validation")):
        raise UsageError("--require needs reviews to score.", hint="Give --test 0.2, --validation 0.1 or --folds 5.")


def _start(config: TrainConfig, prepared: Prepared, context: Context, world: World, *, kept_before: bool | None) -> Run:
    """Return this process's run."""
    from polarity_cli.data.tokenized import read_split
    from polarity_cli.training.run import Run

    return Run(
        config,
        context,
        encoder=prepared.encoder,
        splits={name: read_split(prepared.folder / f"{name}.arrow") for name in prepared.manifest.splits},
        tokenization={name: prepared.manifest.key[name] for name in ("tokenizer", "max_length", "truncation")},
        world=world,
        kept_before=kept_before,
    )


def plan_training(config: TrainConfig, context: Context) -> FreezePlan:
    """Return what would train and what would stay frozen, without reading any data."""
    from polarity_cli.checkpoint.locate import find_encoder
    from polarity_cli.training.run import load_frozen

    location = find_encoder(config.data.encoder, context)
    _, plan = load_frozen(location, config.unfreeze, context.observer)
    return plan
