"""Judge what a training run came to, by the scores that it has at hand. Used by the verb `train`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polarity_cli.cache.publish import read_json
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.manifest import MANIFEST
from polarity_cli.config import Context, EvaluateConfig
from polarity_cli.data.own_columns import NumberedReviews, SplitWithFiles
from polarity_cli.data.splits import review_key
from polarity_cli.data.tokenized import TokenizedSplit
from polarity_cli.records import SilentObserver
from polarity_cli.scoring.assessment import TrainingRows
from polarity_cli.scoring.values import Baseline, Check
from polarity_cli.train_config import TrainConfig
from polarity_cli.verbs.evaluation.answers import AnswerOptions, Answers, open_to_answer
from polarity_cli.verbs.evaluation.judge import Judged, Looked, look, report
from polarity_cli.verbs.evaluation.result import EvaluateResult
from polarity_cli.verbs.evaluation.reviews_to_score import find_trained_files
from polarity_cli.verbs.open_model import OpenedModel
from polarity_cli.verbs.prepare import Prepared

_JUDGED_BY = ("test", "out of fold", "validation")
"""The scores that a run is judged by: the first of these that it has."""


@dataclass(frozen=True, kw_only=True)
class TrainedScores:
    """What a run scored."""

    splits: Mapping[str, TokenizedSplit]
    y_scores: Mapping[str, NDArray[np.float64]]
    """By split, `(N,)`: the probability of positive; `out of fold` is of the train split."""
    threshold: float
    folds: NDArray[np.int64] | None
    """`(N,)`: the fold of each review of the train split."""

    @property
    def judged(self) -> str | None:
        """The scores that the run is judged by; None where it scored nothing."""
        return next((name for name in _JUDGED_BY if name in self.y_scores), None)


def describe_reviews(split: TokenizedSplit) -> str:
    """Return 16 hexadecimal digits that sets of the same reviews share, whatever their order and the tokenizer."""
    import hashlib

    keys = sorted(map(review_key, split.iterate_texts()))
    return hashlib.blake2b(b"".join(keys), digest_size=8).hexdigest()


class TrainedJudge:
    """What is found of a run, before its checkpoint is published and after."""

    def __init__(
        self,
        config: TrainConfig,
        prepared: Prepared,
        scores: TrainedScores,
        context: Context,
        *,
        checkpoint: Path,
        command: str,
    ) -> None:
        """Take what the run scored, the folder in the cache that its checkpoint will be in, and the command line of the run."""
        self._config, self._prepared, self._scores, self._context = config, prepared, scores, context
        self._checkpoint, self._command = checkpoint, command
        self._judged = self._make_judged(scores.judged) if scores.judged else None
        self._looked: Looked | None = None

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """The baselines; none where nothing was scored."""
        return self._looked.assessment.baselines if self._looked else ()

    def look(self) -> dict[str, Any]:
        """Return what the manifest says of the scores: intervals, baselines and checks."""
        if self._judged is None:
            return {}
        self._looked = look(self._judged, self._context)
        found = self._looked.assessment
        split = self._scores.splits["train" if self._judged.split == "out of fold" else self._judged.split]
        return {
            "judged_by": {"split": self._judged.split, "reviews": describe_reviews(split)},
            "intervals": {name: list(interval) if interval else None for name, interval in found.intervals.items()},
            "baselines": [asdict(baseline) for baseline in found.baselines],
            "checks": [asdict(check) for check in self._looked.checks],
        }

    def report(self, more: tuple[Check, ...]) -> EvaluateResult | None:
        """Write the page that is asked for, and return all that was found; None where nothing was scored.

        `more` is what the checks found of the checkpoint that was replaced.

        Raises:
            UsageError: the page cannot be written.
        """
        if self._judged is None or self._looked is None:
            return None
        looked = Looked(self._looked.scored, self._looked.assessment, (*more, *self._looked.checks))
        return report(self._judged, looked, EvaluateConfig(report=self._config.report), self._context)

    def _make_judged(self, name: str) -> Judged:
        scores, manifest, data = self._scores, self._prepared.manifest, self._config.data
        split = "train" if name == "out of fold" else name
        part, train = scores.splits[split], scores.splits["train"]
        y_score = scores.y_scores[name]
        files = find_trained_files(data.sources, data.row_limit, manifest.key["files"], (split,), self._context)
        answers = Answers(
            y_score=y_score,
            shown=np.stack([1 - y_score, y_score], axis=1),
            threshold=scores.threshold,
            precision="weights",
            seconds=0.0,
        )
        is_own = name == "out of fold"
        return Judged(
            name=str(self._config.out),
            folder=self._checkpoint,
            source=data.source,
            split=name,
            in_words=f"all of {data.source}, out of fold" if is_own else f"the {name} split of {data.source}",
            truncation=data.truncation,
            manifest=manifest,
            reviews=NumberedReviews([SplitWithFiles(part, files.get(split, ()))], data.read),
            answers=answers,
            open_model=partial(_open_model, self._checkpoint, self._context),  # no cycle, which would hold the cache's entries
            training=TrainingRows(texts=train.texts, labels=train.labels, folds=scores.folds if is_own else None),
            is_weighted=self._config.class_weights is not None,
            commands=(self._command,) if self._command else (),
        )


def _open_model(checkpoint: Path, context: Context) -> OpenedModel:
    quiet = Context(cache_dir=context.cache_dir, offline=True, observer=SilentObserver())
    return open_to_answer(Checkpoint.open(checkpoint), AnswerOptions(), quiet)


def compare_with_published(out: Path, manifest: Mapping[str, Any]) -> tuple[Check, ...]:
    """Return a warning where the checkpoint that is about to be replaced did better on the same reviews."""
    before: Any = read_json(out / MANIFEST)
    if not isinstance(before, dict):
        return ()
    split = manifest["judged_by"]["split"] if "judged_by" in manifest else None
    if split is None or before.get("judged_by") != manifest["judged_by"]:
        return ()
    try:
        old, new = float(before["metrics"][split]["f1"]), float(manifest["metrics"][split]["f1"])
    except (KeyError, TypeError, ValueError):
        return ()
    if old <= new:
        return ()
    n = manifest["metrics"][split]["n"]
    message = f"{out} held a checkpoint with F1 {old:.4f} on the same {n:,} reviews; this one has {new:.4f}."
    return (Check("replaces-better", message, "The old one is in the cache still: `polarity cache list` shows its folder."),)
