"""The verb `evaluate`: let a checkpoint answer labelled reviews, and say all that is found of its answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from polarity_cli.cache.entries import Entry
from polarity_cli.cache.hashes import hash_file
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.choose import find_checkpoint
from polarity_cli.config import Context, EvaluateConfig, ReadOptions
from polarity_cli.distributed.cache_group import take_turns
from polarity_cli.distributed.world import ALONE, World
from polarity_cli.errors import UsageError
from polarity_cli.extras import require_extra
from polarity_cli.records import SilentObserver
from polarity_cli.scoring.row_files import check_row_file
from polarity_cli.verbs.choose_device import CPU, choose_device
from polarity_cli.verbs.evaluation.reviews_to_score import OUT_OF_FOLD, ReviewsToScore, find_files, find_reviews

if TYPE_CHECKING:
    from polarity_cli.data.own_columns import NumberedReviews
    from polarity_cli.data.tokenized import TokenizedSplit
    from polarity_cli.verbs.evaluation.against import Contest
    from polarity_cli.verbs.evaluation.answers import Answers
    from polarity_cli.verbs.evaluation.result import EvaluateResult
    from polarity_cli.verbs.open_model import OpenedModel


def evaluate(config: EvaluateConfig, context: Context, world: World = ALONE, *, command: str = "") -> EvaluateResult | None:
    """Score a checkpoint on labelled reviews: of a source its test split or all of it, else those of the training run.

    With several processes all call this and share the answering; the main one returns the result, the others None. `command` is
    the command line, which the report shows.

    Raises:
        PolarityError: the checkpoint, the data or the command line is wrong; each kind as its room raises it.
    """
    from polarity_cli.verbs.evaluation.against import share_positive_class

    if world.is_main:
        _check_files(config)
    checkpoint = _open_checkpoint(config.checkpoint, context, world)
    other = _open_checkpoint(config.against, context, world) if config.against is not None else None
    positive = (config.positive_class, None) if other is None else share_positive_class(config.positive_class, checkpoint, other)
    for opened, name in zip((checkpoint, other), positive, strict=True):
        if opened is not None:
            opened.find_positive(name)  # before reviews are read for it
    config = replace(config, positive_class=positive[0])
    reviews = take_turns(world, context.cache_dir, lambda: find_reviews(checkpoint, config, context))
    parts = _read_parts(reviews)
    if world.state is not None:
        for opened in (checkpoint, other):
            if opened is not None:
                _check_same(opened.folder, reviews.entry, world)
    evaluation = _Evaluation(config, context, checkpoint, reviews, parts, world)
    if world.is_main and _list_outputs(config):
        _check_sources_stay(config, evaluation.numbered.files)
    evaluation.answer(other, positive[1])
    world.leave()
    return evaluation.finish(command) if world.is_main else None


def _check_files(config: EvaluateConfig) -> None:
    """Refuse files that cannot be written, or twice, and what lacks an extra, before any work is done."""
    from polarity_cli.verbs.evaluation.page import check_page

    outputs = _list_outputs(config)
    for flag, path in outputs.items():
        if flag != "--report":
            check_row_file(path, flag)
    check_page(config.report)
    for (flag, path), (other, its_path) in combinations(outputs.items(), 2):
        if path.resolve() == its_path.resolve():
            raise UsageError(f"{flag} {path}: {other} is written there too.", hint="Name two files.")
    _check_sources_stay(config, map(Path, config.sources))
    if config.suspects is not None:
        require_extra("report", "--suspects")


def _list_outputs(config: EvaluateConfig) -> dict[str, Path]:
    """Return the files that are asked for, by flag."""
    paths = {
        "--errors": config.errors,
        "--predictions": config.predictions,
        "--suspects": config.suspects,
        "--report": config.report,
    }
    return {flag: path for flag, path in paths.items() if path is not None}


def _check_sources_stay(config: EvaluateConfig, sources: Iterable[Path]) -> None:
    """Refuse to write over the reviews.

    Raises:
        UsageError: a file that is asked for is one of these.
    """
    there = {source.resolve() for source in sources}
    for flag, path in _list_outputs(config).items():
        if path.resolve() in there:
            raise UsageError(f"{flag} {path}: the reviews are read from it.", hint="Name another file.")


def _open_checkpoint(name: str | Path | None, context: Context, world: World) -> Checkpoint:
    """Return the checkpoint that the main process finds; on a machine that lacks its folder, the same one from the Hub."""
    mine = find_checkpoint(name, context) if world.is_main else None
    answer = world.broadcast((mine.folder, mine.called) if mine else None)
    if mine is not None or answer is None:
        return mine or find_checkpoint(name, context)
    folder, called = answer
    return Checkpoint.open(folder, called) if folder.is_dir() or called is None else find_checkpoint(called, context)


def _read_parts(reviews: ReviewsToScore) -> list[TokenizedSplit]:
    """Return the splits that are scored.

    Raises:
        UsageError: there is no such split.
    """
    from polarity_cli.data.tokenized import read_split

    splits = reviews.manifest.splits
    if not reviews.names or any(name not in splits for name in reviews.names):
        raise UsageError(
            f"--split {reviews.split}: {reviews.source} has no such split; it has {', '.join(sorted(splits))}.",
            hint="Choose one of those, or --split all for every row.",
        )
    return [read_split(reviews.entry.folder / f"{name}.arrow") for name in reviews.names]


def _check_same(folder: Path, entry: Entry, world: World) -> None:
    """Refuse to add up what machines find of different checkpoints or reviews."""
    content = [entry.folder.name, *(hash_file(path) for path in sorted(folder.glob("*.safetensors")))]
    if any(other != content for other in world.all_gather(content)):
        raise UsageError(
            f"{folder}: it, or the reviews, are not the same on every machine.", hint="Copy the same files to all of them."
        )


class _Evaluation:
    """One evaluation: what all processes answer together, and what the main one then finds."""

    def __init__(
        self,
        config: EvaluateConfig,
        context: Context,
        checkpoint: Checkpoint,
        reviews: ReviewsToScore,
        parts: list[TokenizedSplit],
        world: World,
    ) -> None:
        import numpy as np

        self._config, self._context, self._checkpoint = config, context, checkpoint
        self._reviews, self._parts, self._world = reviews, parts, world
        self._token_ids = [ids for part in parts for ids in part.get_ids(range(len(part)))]
        self._y_true = np.concatenate([part.labels for part in parts])
        self._served: Answers | None = None
        self._contest: Contest | None = None

    def answer(self, other: Checkpoint | None, others_positive: str | None) -> None:
        """Answer the reviews, by the graph that `predict` takes too where another was asked for, and by another checkpoint.

        `others_positive` is the class of the other one that means positive; None goes by the usual names.
        """
        from polarity_cli.verbs.evaluation.against import hold_contest, let_other_answer, read_as_other
        from polarity_cli.verbs.evaluation.answers import AnswerOptions, open_to_answer, read_out_of_fold
        from polarity_cli.verbs.evaluation.known import count_seen

        config, context = self._config, self._context
        options = AnswerOptions(
            precision=config.precision,
            positive_class=config.positive_class,
            threshold=config.threshold,
            device=config.device,
        )
        self._model = open_to_answer(self._checkpoint, options, context, own_texts=self._parts[0].texts[:1000])
        is_out_of_fold = self._reviews.split == OUT_OF_FOLD
        self._answers = (
            read_out_of_fold(self._checkpoint, self._model, self._y_true) if is_out_of_fold else self._run(self._model)
        )
        served = self._find_served()
        if served is not None:
            quiet = replace(context, observer=SilentObserver())  # what there is to say was said
            opened = open_to_answer(self._checkpoint, replace(options, precision=served, device="cpu"), quiet)
            self._served = self._run(opened, f"Evaluating {served} too")
        if other is not None:
            asked = AnswerOptions(precision=config.precision, positive_class=others_positive, device=config.device)
            texts = read_as_other(other, self.numbered, self._reviews.manifest.text, context)
            answers = let_other_answer(other, texts, asked, context, world=self._world)
            n_seen, names = count_seen(other.folder, texts, context), (self._checkpoint.name, other.name)
            self._contest = hold_contest(self._y_true, self._answers, answers, names, n_seen=n_seen)

    def _run(self, model: OpenedModel, task: str = "Evaluating") -> Answers:
        from polarity_cli.verbs.evaluation.answers import answer_reviews

        return answer_reviews(model, self._token_ids, context=self._context, task=task, world=self._world)

    def _find_served(self) -> str | None:
        """Return the precision that `predict` answers with, where another one was asked for."""
        from polarity_cli.inference.graphs import find_own_graphs

        own = find_own_graphs(self._checkpoint)
        is_other = own is not None and self._config.precision is not None and own.default != self._answers.precision
        if choose_device(self._config.device, None) != CPU:
            return None  # `predict` takes the GPU, and no graph
        return own.default if own is not None and is_other else None

    @cached_property
    def numbered(self) -> NumberedReviews:
        """The reviews with the files that they were read from, where those are there as they were."""
        from polarity_cli.data.own_columns import NumberedReviews, SplitWithFiles

        files = find_files(self._checkpoint, self._reviews, self._context)
        parts = zip(self._reviews.names, self._parts, strict=True)
        read, manifest = self._config.read, self._checkpoint.manifest
        if not self._config.sources and read == ReadOptions() and manifest is not None:
            read = manifest.data.read
        return NumberedReviews([SplitWithFiles(part, files.get(name, ())) for name, part in parts], read)

    def finish(self, command: str) -> EvaluateResult:
        """Find what is to be found of the answers, and write the files that are asked for."""
        from polarity_cli.verbs.evaluation.judge import Judged, judge
        from polarity_cli.verbs.evaluation.known import count_seen, read_training_rows

        config, context, reviews = self._config, self._context, self._reviews
        judged = Judged(
            name=self._checkpoint.name,
            folder=self._checkpoint.folder,
            source=reviews.source,
            split=reviews.split,
            in_words=reviews.in_words,
            truncation=self._checkpoint.truncation,
            manifest=reviews.manifest,
            reviews=self.numbered,
            answers=self._answers,
            open_model=lambda: self._model,
            training=read_training_rows(self._checkpoint, context, out_of_fold=reviews.split == OUT_OF_FOLD),
            n_seen=count_seen(self._checkpoint.folder, self.numbered.list_texts(), context) if config.sources else None,
            served=self._served,
            contest=self._contest,
            commands=(command,) if command else (),
        )
        return judge(judged, config, context)
