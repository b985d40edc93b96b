"""The charts: what their text alternatives say, and that a page can hold all of them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from polarity_cli.scoring.report.charts import draw_charts, draw_histogram, draw_rankings, draw_reliability, draw_thresholds
from polarity_cli.scoring.report.content import ReportContent
from polarity_cli.scoring.report.training_charts import draw_loss, draw_validation
from polarity_cli.scoring.values import Bin, Epoch
from tests.scoring.report.example import make_content
from tests.scoring.report.reading import Page


def make_small(labels: list[int], scores: list[float], threshold: float = 0.5) -> ReportContent:
    y_true, y_score = np.array(labels, np.int64), np.array(scores)
    return ReportContent(title="t", verdict="v", made="m", metrics={}, y_true=y_true, y_score=y_score, threshold=threshold)


def test_charts_of_a_page_share_no_id_and_name_only_their_own() -> None:
    drawn = draw_charts(make_content())
    assert list(drawn) == ["histogram", "thresholds", "reliability", "roc", "precision-recall", "loss", "validation"]
    ids = [id for chart in drawn.values() for id in re.findall(r' id="([^"]+)"', chart.svg)]
    assert len(ids) == len(set(ids))
    for name, chart in drawn.items():
        used = set(re.findall(r'(?:url\(|href=")#([^")]+)', chart.svg))
        assert used
        assert used <= set(ids)
        assert all(id.startswith(f"{name}-") for id in used)


def test_every_chart_is_a_picture_with_a_name_and_a_description_with_numbers() -> None:
    for name, chart in draw_charts(make_content()).items():
        page = Page(chart.svg)
        (svg,) = page.find("svg")
        assert svg.attributes["role"] == "img"
        assert svg.attributes["aria-labelledby"] == f"{name}-title {name}-desc"
        assert page.read("title")
        assert re.search(r"\d", page.read("desc"))
        assert "viewbox" in svg.attributes
        assert "width" not in svg.attributes
        assert not page.find("style")
        assert not page.find("metadata")
        assert page.problems == []


def test_colours_are_the_pages() -> None:
    for chart in draw_charts(make_content()).values():
        assert not re.search(r"#[0-9a-fA-F]{6}", chart.svg)
        assert "var(--positive)" in chart.svg
        assert "font-family" not in chart.svg


def test_histogram_counts_both_sides_of_the_threshold() -> None:
    chart = draw_histogram(make_small([1, 1, 1, 0, 0], [0.97, 0.7, 0.2, 0.7, 0.01], threshold=0.7))
    assert chart is not None
    assert "2 of 3 positive reviews score 0.7 or more; 1 of 2 negative reviews score less" in chart.svg
    assert "1 reviews score 0.95 or more and 1 score less than 0.05" in chart.svg
    assert draw_histogram(make_small([], [])) is None


def test_threshold_chart_names_precision_and_recall_at_the_present_one() -> None:
    chart = draw_thresholds(make_small([1, 1, 1, 0, 0], [0.97, 0.7, 0.2, 0.7, 0.01]))
    assert chart is not None
    assert "precision 0.667 and recall 0.667" in chart.caption
    assert draw_thresholds(make_small([0, 0], [0.1, 0.9])) is None
    nobody = draw_thresholds(make_small([1], [0.2]))
    assert nobody is not None
    assert "precision - and recall 0.000" in nobody.caption


def test_rankings_need_both_classes() -> None:
    assert draw_rankings(make_small([1, 1], [0.2, 0.9])) == ()
    roc, precision_recall = draw_rankings(make_small([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]))
    assert "The area under the curve is 0.7500" in roc.svg  # 3 of 4 pairs in order
    assert "50.0% of the negative ones called positive" in roc.svg
    assert "The average precision is 0.8333" in precision_recall.svg


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [1, 1, 0, 0]])
def test_perfect_and_turned_scores_are_drawn(labels: list[int]) -> None:
    roc, _ = draw_rankings(make_small(labels, [0.0, 0.0, 1.0, 1.0]))
    assert f"is {'1' if labels[0] == 0 else '0'}.0000" in roc.svg


def test_reliability_names_the_bin_that_is_farthest_off() -> None:
    bins = (Bin(0.0, 0.2, 40, 0.1, 0.125), Bin(0.2, 0.9, 40, 0.6, 0.3), Bin(0.9, 1.0, 0, 0.95, 0.0))
    chart = draw_reliability(bins)
    assert chart is not None
    assert "2 bins of 80 reviews" in chart.svg
    assert "mean score of 0.600 and 30.0% positive reviews among 40" in chart.svg
    assert draw_reliability(()) is None
    assert draw_reliability((Bin(1.0, 1.0, 1, 1.0, 1.0),)) is not None


def test_loss_is_of_steps_else_of_epochs() -> None:
    epochs = (Epoch(1, 0.7, None, None, False), Epoch(2, 0.4, None, None, True))
    steps = draw_loss([(0, 0.9), (1, 0.5), (2, float("nan"))], epochs)
    assert steps is not None
    assert steps.caption == "Training loss from 0.9 to 0.5."
    by_epoch = draw_loss((), epochs)
    assert by_epoch is not None
    assert by_epoch.caption == "Training loss from 0.7 to 0.4."
    assert draw_loss((), ()) is None
    assert draw_loss([(0, float("inf"))], ()) is None


def test_validation_marks_the_best_epoch() -> None:
    chart = draw_validation((Epoch(1, 0.7, 0.8, 0.5, False), Epoch(2, 0.4, 0.9, 0.3, True), Epoch(3, 0.3, 0.85, None, False)))
    assert chart is not None
    assert chart.caption == "Best on the validation split: epoch 2, F1 0.9000."
    assert draw_validation((Epoch(1, 0.7, None, None, True),)) is None


def test_drawing_leaves_the_settings_of_matplotlib_alone_and_ignores_them() -> None:
    import matplotlib as mpl

    before = draw_histogram(make_small([1, 0], [0.9, 0.1]))
    with mpl.rc_context({"svg.fonttype": "path", "axes.facecolor": "red", "font.size": 30}):
        after = draw_histogram(make_small([1, 0], [0.9, 0.1]))
        assert mpl.rcParams["svg.fonttype"] == "path"
        assert mpl.rcParams["font.size"] == 30
    assert before == after


def test_single_epoch_stands_between_whole_numbers() -> None:
    chart = draw_validation((Epoch(1, 0.5, 0.9, None, True),))
    assert chart is not None
    labels = [element.text.strip() for element in Page(chart.svg).find("text")]
    assert {"0", "1", "2"} <= set(labels)
    tiny = draw_loss([(5, 0.00001)], ())
    assert tiny is not None
    assert tiny.caption == "Training loss from 1e-05 to 1e-05."
