"""What an evaluation found, as the verb `evaluate` returns it and as `--json` prints it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.scoring.assessment import Assessment
from polarity_cli.scoring.values import Check, Metrics, Suspect
from polarity_cli.verbs.evaluation.answers import Answers
from polarity_cli.verbs.evaluation.verdict import describe_verdict

if TYPE_CHECKING:
    from polarity_cli.verbs.evaluation.against import Contest

SCHEMA = "polarity/evaluate/1"
"""The version of the JSON document; see `schemas/`."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """How the graph does that `predict` answers with, where another precision was scored."""

    precision: str
    metrics: Metrics
    n_flipped: int
    """Reviews that it answers otherwise."""


@dataclass(frozen=True, kw_only=True)
class EvaluateResult:
    """How a checkpoint did on some reviews."""

    checkpoint: str
    """Its folder, or what it is called on the Hub."""
    source: str
    split: str
    """The split that was scored, or `all`."""
    in_words: str
    """What of the source was scored, without the number of rows."""
    commands: tuple[str, ...] = ()
    """Command lines that find the same again."""
    left_out: dict[str, Any]
    """Rows of the source that were not scored, by why."""
    answers: Answers
    assessment: Assessment
    checks: tuple[Check, ...]
    served: Served | None
    contest: Contest | None
    n_seen_in_training: int | None
    """Reviews scored that stood in the training split; None where no source was named, or the checkpoint does not say."""
    errors: Path | None
    predictions: Path | None
    suspects: tuple[Suspect, ...] | None
    """None where nobody asked."""
    suspects_file: Path | None
    report: Path | None

    @property
    def metrics(self) -> Metrics:
        """The metrics, by name."""
        return self.assessment.metrics

    @property
    def scored(self) -> str:
        """What was scored, in words and rows."""
        n = len(self.answers.y_score)
        return f"{n:,} {'row' if n == 1 else 'rows'}, {self.in_words}"

    @property
    def verdict(self) -> str:
        """How good the checkpoint is, in one sentence."""
        found = self.assessment
        return describe_verdict(found.metrics, found.intervals, found.baselines, self.checks)

    @property
    def n_mistakes(self) -> int:
        """Reviews that are answered wrongly."""
        return int(self.metrics["positive_as_negative"] or 0) + int(self.metrics["negative_as_positive"] or 0)

    @property
    def is_worse(self) -> bool:
        """Whether it is worse than the other checkpoint, by more than chance explains."""
        contest = self.contest.comparison if self.contest else None
        return contest is not None and contest.is_real and contest.only_first_right < contest.only_second_right

    def describe_precision(self) -> str:
        """Return what answered, in words."""
        precision, device = self.answers.precision, self.answers.device
        if device != "cpu" or precision == "bf16":
            return f"the weights in {'bfloat16' if precision == 'bf16' else 'float32'} on {device}"
        return "the weights, by torch" if precision == "weights" else f"the graph {precision}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, by the schema `SCHEMA`."""
        answers, found = self.answers, self.assessment
        n = len(answers.y_score)
        files = {"errors": self.errors, "predictions": self.predictions, "suspects": self.suspects_file, "report": self.report}
        return {
            "schema": SCHEMA,
            "checkpoint": self.checkpoint,
            "source": self.source,
            "split": self.split,
            "scored": self.scored,
            "verdict": self.verdict,
            "precision": answers.precision,
            "device": answers.device,
            "threshold": answers.threshold,
            "seconds": round(answers.seconds, 3),
            "rows_per_second": round(n / max(1e-9, answers.seconds), 1) if answers.seconds else None,
            "left_out": self.left_out,
            "n_seen_in_training": self.n_seen_in_training,
            "n_near_training": found.n_near,
            "metrics": found.metrics,
            "intervals": {name: list(interval) if interval else None for name, interval in found.intervals.items()},
            "baselines": [asdict(baseline) for baseline in found.baselines],
            "calibration": [asdict(one) for one in found.bins],
            "coverage": [asdict(one) for one in found.coverage],
            "slices": [asdict(one) for one in found.slices],
            "checks": [asdict(check) for check in self.checks],
            "served": asdict(self.served) if self.served else None,
            "against": {"checkpoint": self.contest.name, **asdict(self.contest.comparison)} if self.contest else None,
            "n_suspects": len(self.suspects) if self.suspects is not None else None,
            **{name: str(path) if path else None for name, path in files.items()},
        }
