"""Write what was found of reviews to files: mistakes, predictions, suspects. Used by the verbs `evaluate` and `train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polarity_cli.config import EvaluateConfig
from polarity_cli.data.own_columns import NumberedReviews
from polarity_cli.inference.labeller import Labeller
from polarity_cli.inference.occlusion import find_deciding_words
from polarity_cli.records import LABEL_NAMES, Observer
from polarity_cli.scoring.row_files import write_rows
from polarity_cli.scoring.values import Mistake, Suspect
from polarity_cli.verbs.evaluation.answers import Answers
from polarity_cli.verbs.open_model import OpenedModel

MOST_EXPLAINED = 50
"""Mistakes whose words are looked at: each is as many texts to answer as it has words."""
MOST_SHOWN = 20
"""Mistakes that a page shows."""
_N_WORDS = 6
Words = tuple[tuple[str, float], ...] | None


@dataclass(frozen=True)
class Findings:
    """N reviews, their labels, and what a checkpoint answered."""

    reviews: NumberedReviews
    y_true: NDArray[np.int64]
    answers: Answers

    @property
    def mistakes(self) -> list[int]:
        """The reviews that are answered wrongly, the most confident first."""
        wrong = np.flatnonzero(self.answers.y_pred != self.y_true)
        numbers: list[int] = wrong[np.argsort(-self.answers.confidence[wrong], kind="stable")].tolist()
        return numbers

    def describe_mistakes(self, numbers: Sequence[int], words: Sequence[Words]) -> tuple[Mistake, ...]:
        """Return some mistakes as values, with the words that were looked at."""
        padded = [*words, *([None] * (len(numbers) - len(words)))]
        return tuple(
            Mistake(
                text=self.reviews.get_text(number),
                where=self.reviews.get_where(number),
                expected=LABEL_NAMES[int(self.y_true[number])],
                predicted=LABEL_NAMES[int(self.answers.y_pred[number])],
                score=float(self.answers.confidence[number]),
                words=own,
            )
            for number, own in zip(numbers, padded, strict=True)
        )

    def find_suspects(self) -> tuple[Suspect, ...]:
        """Return the reviews whose labels the scores contradict, the likeliest to be wrong first."""
        from polarity_cli.scoring.suspects import find_suspects

        return tuple(
            Suspect(
                number=number,
                text=self.reviews.get_text(number),
                where=self.reviews.get_where(number),
                label=LABEL_NAMES[int(self.y_true[number])],
                score=float(self.answers.y_score[number] if self.y_true[number] else 1 - self.answers.y_score[number]),
            )
            for number, _ in find_suspects(self.y_true, self.answers.y_score)
        )


@dataclass(frozen=True)
class Written:
    """What was found for the files that are asked for, and for the page."""

    words: Sequence[Words]
    """Of the most confident mistakes, in their order."""
    suspects: tuple[Suspect, ...] | None
    """None where nobody asked."""


def write_files(findings: Findings, open_model: Callable[[], OpenedModel], config: EvaluateConfig, observer: Observer) -> Written:
    """Write the mistakes, the predictions and the suspects, as far as they are asked for, and return what a page needs of them.

    Raises:
        UsageError: a file cannot be written.
    """
    escaped, shows_page = config.escape_formulas, config.report is not None
    most = MOST_EXPLAINED if config.errors is not None else MOST_SHOWN if shows_page else 0
    numbers = findings.mistakes[:most]
    words = explain(findings, open_model(), numbers, observer) if numbers else []
    suspects = findings.find_suspects() if config.suspects is not None or shows_page else None
    if config.errors is not None:
        n_mistakes = write_mistakes(config.errors, findings, words, escaped=escaped)
        if n_mistakes > MOST_EXPLAINED:
            observer.note(f"{config.errors}: the words that decided are those of the first {MOST_EXPLAINED} mistakes.")
    if config.predictions is not None:
        write_predictions(config.predictions, findings, escaped=escaped)
    if config.suspects is not None:
        write_suspects(config.suspects, findings, suspects or (), escaped=escaped)
    return Written(words, suspects)


def explain(findings: Findings, model: OpenedModel, numbers: Sequence[int], observer: Observer) -> list[Words]:
    """Return, for each of these reviews, its words with the log-odds of positive that each adds."""
    labeller = Labeller(model.exact_engine, model.load_tokenizer(), positive=model.positive, sigmoid=model.sigmoid)
    words: list[Words] = []
    with observer.track("Looking for the words that decided", len(numbers)) as advance:
        for number in numbers:
            words.append(find_deciding_words(labeller, findings.reviews.get_text(number)))
            advance(1)
    labeller.close()
    return words


def write_mistakes(path: Path, findings: Findings, words: Sequence[Words], *, escaped: bool) -> int:
    """Write the mistakes, the most confident first, and return how many there are."""
    numbers = findings.mistakes
    added = [
        {
            "expected": mistake.expected,
            "predicted": mistake.predicted,
            "score": round(mistake.score, 6),
            "words": _show_words(mistake.words),
        }
        for mistake in findings.describe_mistakes(numbers, words)
    ]
    write_rows(path, findings.reviews, numbers, added, flag="--errors", escaped=escaped)
    return len(numbers)


def _show_words(words: Words) -> str:
    """Return the words that weigh most, with what each adds to the log-odds of positive."""
    strongest = sorted(words or (), key=lambda pair: -abs(pair[1]))[:_N_WORDS]
    return ", ".join(f"{word} {weight:+.2f}" for word, weight in strongest if weight)


def write_predictions(path: Path, findings: Findings, *, escaped: bool) -> None:
    """Write every review with its label, what was answered, and the scores of both classes."""
    answers = findings.answers
    added = [
        {
            "expected": LABEL_NAMES[int(truth)],
            "predicted": LABEL_NAMES[int(label)],
            "negative_score": round(negative, 6),
            "positive_score": round(positive, 6),
        }
        for truth, label, (negative, positive) in zip(findings.y_true, answers.y_pred, answers.shown.tolist(), strict=True)
    ]
    write_rows(path, findings.reviews, range(len(added)), added, flag="--predictions", escaped=escaped)


def write_suspects(path: Path, findings: Findings, suspects: Sequence[Suspect], *, escaped: bool) -> None:
    """Write the reviews whose labels are likely to be wrong, with the label and the score that the model gives it."""
    added = [{"expected": suspect.label, "score": round(suspect.score, 6)} for suspect in suspects]
    write_rows(path, findings.reviews, [suspect.number for suspect in suspects], added, flag="--suspects", escaped=escaped)
