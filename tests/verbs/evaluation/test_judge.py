"""What is said of some answers, and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from polarity_cli.config import Context, EvaluateConfig
from polarity_cli.scoring.metrics import compute_metrics
from polarity_cli.scoring.values import Baseline, Check, Interval
from polarity_cli.verbs.evaluate import evaluate
from polarity_cli.verbs.evaluation.verdict import describe_verdict
from tests.helpers.reviews import make_reviews, write_csv


def describe(y_true: Sequence[int], y_score: Sequence[float], *checks: Check, baselines: tuple[Baseline, ...] = ()) -> str:
    metrics = compute_metrics(np.asarray(y_true, dtype=np.int64), np.asarray(y_score, dtype=np.float64))
    return describe_verdict(metrics, {"accuracy": (0.4, 0.9)}, baselines, checks)


def make_baseline(name: str, difference: Interval | None, f1: float = 0.5) -> Baseline:
    return Baseline(name, {"majority": "always positive"}.get(name, "TF-IDF"), {"accuracy": 0.5, "f1_macro": f1}, difference)


def test_verdict_says_how_much_is_right_and_beside_what() -> None:
    shown = "Right on 75.0% of 4 reviews (40.0% to 90.0%)"
    four: tuple[list[int], list[float]] = ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.3])
    assert describe(*four) == f"{shown}."
    assert describe(*four, baselines=(make_baseline("majority", None),)) == f"{shown}."
    better = make_baseline("majority", (0.1, 0.3))
    assert describe(*four, baselines=(better,)) == f"{shown}: better than `always positive` (50.0%)."
    for difference, words in (((-0.2, -0.1), "worse than"), ((-0.1, 0.1), "not clearly better than")):
        best = make_baseline("tf-idf", difference, 0.9)
        assert describe(*four, baselines=(better, best)) == f"{shown}: {words} TF-IDF (50.0%)."


def test_verdict_of_no_review_and_of_one() -> None:
    assert describe([], []) == "No review was scored."
    assert describe([1], [0.9]).startswith("Right on 100.0% of 1 review (")


def test_verdict_of_one_class_blames_the_reviews_and_not_the_checkpoint() -> None:
    one = Check("one-class", "The one review is positive: nothing can be said of the other class.", "")
    verdict = describe([1], [0.9], one)
    assert verdict.endswith("; the one review is positive: nothing can be said of the other class.")
    assert "no use" not in verdict
    useless = Check("one-answer", "It answers positive to every review: it tells nothing apart.", "")
    verdict = describe([1, 0], [0.9, 0.9], useless)
    assert verdict.endswith("and of no use as it stands: it answers positive to every review: it tells nothing apart.")


@pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")
@pytest.mark.parametrize("n_rows", [1, 2, 3])
@pytest.mark.parametrize("label", ["positive", "negative", None])
def test_a_handful_of_reviews_is_judged_without_a_warning_of_arithmetic(
    tiny_checkpoint: Path, context: Context, tmp_path: Path, n_rows: int, label: str | None
) -> None:
    rows = [row for row in make_reviews(8, seed=2) if label in (None, row[0])][:n_rows]
    source = write_csv(tmp_path / "few.csv", rows)
    errors, predictions, suspects = files = [tmp_path / f"{name}.csv" for name in ("errors", "predictions", "suspects")]
    config = EvaluateConfig(
        checkpoint=tiny_checkpoint,
        sources=(str(source),),
        report=tmp_path / "page.html",
        errors=errors,
        predictions=predictions,
        suspects=suspects,
    )
    result = evaluate(config, context)
    assert result is not None
    assert result.metrics["n"] == n_rows
    assert ("one-class" in {check.name for check in result.checks}) is (label is not None or n_rows == 1)
    assert (tmp_path / "page.html").stat().st_size > 1000
    assert all(path.is_file() for path in files)


def test_page_shows_texts_and_names_as_they_are_and_runs_none_of_them(
    tiny_checkpoint: Path, context: Context, tmp_path: Path
) -> None:
    hostile = "<img src=x onerror=alert(1)> & \"quoted\" 'single' </title><script>alert(2)</script>"
    rows = [("negative" if number % 2 else "positive", hostile, f"great superb love {number}") for number in range(42)]
    (tmp_path / "<b>x & y").mkdir()
    source = write_csv(tmp_path / "<b>x & y" / "r.csv", [(*row, f"<i>{n % 2}</i>") for n, row in enumerate(rows)],
                       ("label", "title", "content", "<u>shop</u>"))  # fmt: skip
    page = tmp_path / "page.html"
    config = EvaluateConfig(checkpoint=tiny_checkpoint, sources=(str(source),), report=page, by=("<u>shop</u>",))
    result = evaluate(config, context, command="polarity evaluate '<b>x & y/r.csv'")
    assert result is not None
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<(img src=x|script>alert|b>x|i>[01]|u>shop)", text)
    for escaped in ("&lt;img src=x onerror=alert(1)&gt; &amp;", "&lt;script&gt;alert(2)", "&lt;b&gt;x &amp; y"):
        assert escaped in text
    assert result.n_mistakes == 21


def test_same_answers_give_the_same_page(tiny_checkpoint: Path, new_csv: Path, context: Context, tmp_path: Path) -> None:
    pages = []
    for name in ("a.html", "b.html"):
        config = EvaluateConfig(checkpoint=tiny_checkpoint, sources=(str(new_csv),), report=tmp_path / name)
        evaluate(config, context)
        pages.append(re.sub(r"[\d,]+ reviews a second", "", (tmp_path / name).read_text(encoding="utf-8")))
    assert pages[0] == pages[1]
