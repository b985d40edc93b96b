"""From a checkpoint's answers to all that is said of them: assessed, checked, and written to the files that are asked for.

Used by the verbs `evaluate` and `train`, whose scores come from different places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from polarity_cli.config import Context, EvaluateConfig
from polarity_cli.data.own_columns import NumberedReviews
from polarity_cli.data.prepared import PreparedManifest
from polarity_cli.scoring.assessment import Assessment, Scored, TrainingRows, assess
from polarity_cli.scoring.checks import find_checks
from polarity_cli.scoring.metrics import compute_metrics
from polarity_cli.scoring.values import Check
from polarity_cli.verbs.evaluation.against import Contest, check_contest
from polarity_cli.verbs.evaluation.answers import Answers
from polarity_cli.verbs.evaluation.findings import Findings, write_files
from polarity_cli.verbs.evaluation.known import describe_circumstances, read_groups
from polarity_cli.verbs.evaluation.page import write_page
from polarity_cli.verbs.evaluation.result import EvaluateResult, Served
from polarity_cli.verbs.open_model import OpenedModel


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A checkpoint's answers for labelled reviews, and what is known of both."""

    name: str
    """What the checkpoint is called."""
    folder: Path
    """Of the checkpoint."""
    source: str
    split: str
    in_words: str
    """What of the source is scored, without the number of rows."""
    truncation: str
    manifest: PreparedManifest
    """How the reviews were read."""
    reviews: NumberedReviews
    answers: Answers
    open_model: Callable[[], OpenedModel]
    """Opens what answers once more, to look for the words that decided."""
    training: TrainingRows | None
    """The training reviews, while they are there."""
    n_seen: int | None = None
    is_weighted: bool = False
    served: Answers | None = None
    contest: Contest | None = None
    commands: tuple[str, ...] = ()
    """Command lines that find the same again, for the page."""


@dataclass(frozen=True)
class Looked:
    """What was found of some answers, before anything is written."""

    scored: Scored
    assessment: Assessment
    checks: tuple[Check, ...]


def judge(judged: Judged, config: EvaluateConfig, context: Context) -> EvaluateResult:
    """Return all that is found of some answers, and write the files that `config` asks for.

    Raises:
        UsageError: a file cannot be written, or `config.by` names a column that is not there.
    """
    return report(judged, look(judged, context, by=config.by), config, context)


def look(judged: Judged, context: Context, *, by: Sequence[str] = ()) -> Looked:
    """Return what is found of some answers.

    Raises:
        UsageError: `by` names a column that is not there.
    """
    reviews, answers, manifest = judged.reviews, judged.answers, judged.manifest
    scored = Scored(
        y_true=reviews.labels,
        y_score=answers.y_score,
        threshold=answers.threshold,
        texts=reviews.list_texts(),
        lengths=reviews.lengths,
        max_length=int(manifest.key["max_length"]),
        groups=read_groups(reviews, by, manifest.text),
    )
    with context.observer.track("Looking at the scores"):
        assessment = assess(scored, judged.training)
    about = describe_circumstances(
        manifest,
        split=judged.split,
        truncation=judged.truncation,
        training=judged.training,
        n_seen=judged.n_seen or 0,
        is_weighted=judged.is_weighted,
    )
    checks = [*find_checks(scored, assessment, about), *(check_contest(judged.contest) if judged.contest else ())]
    return Looked(scored, assessment, tuple(sorted(checks, key=lambda check: not check.is_warning)))


def report(judged: Judged, looked: Looked, config: EvaluateConfig, context: Context) -> EvaluateResult:
    """Write the files that `config` asks for, and return the result.

    Raises:
        UsageError: a file cannot be written.
    """
    scored, manifest = looked.scored, judged.manifest
    findings = Findings(judged.reviews, scored.y_true, judged.answers)
    written = write_files(findings, judged.open_model, config, context.observer)
    result = EvaluateResult(
        checkpoint=judged.name,
        source=judged.source,
        split=judged.split,
        in_words=judged.in_words,
        commands=judged.commands,
        left_out=dict(manifest.left_out),
        answers=judged.answers,
        assessment=looked.assessment,
        checks=looked.checks,
        served=_describe_served(scored, judged),
        contest=judged.contest,
        n_seen_in_training=judged.n_seen,
        errors=config.errors,
        predictions=config.predictions,
        suspects=written.suspects if config.suspects is not None else None,
        suspects_file=config.suspects,
        report=config.report,
    )
    if config.report is not None:
        write_page(config.report, result, findings, written, judged.folder)
    return result


def _describe_served(scored: Scored, judged: Judged) -> Served | None:
    served = judged.served
    if served is None:
        return None
    metrics = compute_metrics(scored.y_true, served.y_score, threshold=served.threshold)
    n_flipped = int((served.y_pred != judged.answers.y_pred).sum())
    return Served(precision=served.precision, metrics=metrics, n_flipped=n_flipped)
