"""Fill the report's page from an evaluation, and write it. Used by `verbs/evaluation/judge`, for `--report`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from polarity_cli import __version__
from polarity_cli.checkpoint.story import read_story
from polarity_cli.errors import UsageError
from polarity_cli.extras import require_extra
from polarity_cli.records import LABEL_NAMES
from polarity_cli.scoring.report.content import Compared, Differing, ReportContent
from polarity_cli.scoring.report.page import write_report
from polarity_cli.scoring.row_files import check_place
from polarity_cli.verbs.evaluation.against import Contest
from polarity_cli.verbs.evaluation.findings import MOST_SHOWN, Findings, Written
from polarity_cli.verbs.evaluation.result import EvaluateResult

_MOST_SUSPECTS = 50
_MOST_DIFFERING = 30


def check_page(path: Path | None) -> None:
    """Refuse a page that cannot be written, or drawn without an extra, before any work is done.

    Raises:
        UsageError: it is a folder or in none, its name is not one of a page, or the extra is not installed.
    """
    if path is None:
        return
    check_place(path, "--report")
    if path.suffix.lower() not in (".html", ".htm") and (path.is_file() or not path.exists()):
        raise UsageError(f"--report {path}: the page is HTML.", hint=f"Name it {path.stem}.html.")
    require_extra("report", "--report")


def write_page(path: Path, result: EvaluateResult, findings: Findings, written: Written, folder: Path) -> None:
    """Write the page of an evaluation of the checkpoint in `folder`.

    Raises:
        UsageError: the file cannot be written.
    """
    story, answers, found = read_story(folder), result.answers, result.assessment
    mistakes = findings.mistakes[:MOST_SHOWN]
    content = ReportContent(
        title=f"{result.checkpoint} on {result.in_words}",
        verdict=result.verdict,
        made=f"{datetime.now(UTC):%Y-%m-%d}",
        facts=_list_facts(result),
        checks=result.checks,
        y_true=findings.y_true,
        y_score=answers.y_score,
        threshold=answers.threshold,
        metrics=found.metrics,
        intervals=found.intervals,
        baselines=found.baselines,
        others=((result.served.precision, result.served.metrics),) if result.served else (),
        coverage=found.coverage,
        bins=found.bins,
        calibration=story.calibration,
        epochs=story.epochs,
        losses=story.losses,
        slices=found.slices,
        mistakes=findings.describe_mistakes(mistakes, written.words[:MOST_SHOWN]),
        suspects=(written.suspects or ())[:_MOST_SUSPECTS],
        compared=_describe_contest(result, result.contest, findings) if result.contest else None,
        blocks=story.blocks,
        commands=result.commands,
        versions={"polarity": __version__, **(story.versions or {})},
    )
    write_report(path, content)


def _list_facts(result: EvaluateResult) -> tuple[tuple[str, str], ...]:
    answers = result.answers
    facts = {"checkpoint": result.checkpoint, "scored": result.scored, "answered by": result.describe_precision()}
    if answers.threshold != 0.5:
        facts["threshold"] = f"positive from {answers.threshold:.3g} on"
    if answers.seconds:
        facts["speed"] = f"{len(answers.y_score) / answers.seconds:,.0f} reviews a second"
    return tuple(facts.items())


def _describe_contest(result: EvaluateResult, contest: Contest, findings: Findings) -> Compared:
    first, other = result.answers, contest.other
    differing = tuple(
        Differing(
            text=findings.reviews.get_text(number),
            where=findings.reviews.get_where(number),
            expected=LABEL_NAMES[int(findings.y_true[number])],
            first=LABEL_NAMES[int(first.y_pred[number])],
            second=LABEL_NAMES[int(other.y_pred[number])],
            first_score=float(first.confidence[number]),
            second_score=float(other.confidence[number]),
        )
        for number in np.asarray(contest.differing[:_MOST_DIFFERING]).tolist()
    )
    return Compared(result.checkpoint, contest.name, contest.comparison, differing)
