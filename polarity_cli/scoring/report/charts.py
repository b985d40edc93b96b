"""Draw the charts of a page. Used by `scoring/report/page`; `scoring/report/training_charts` draws those of the training run.

Every chart tells its lines apart by form as well as by colour, and says in its description what it shows, with numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polarity_cli.scoring.report.content import ReportContent
from polarity_cli.scoring.report.curves import count_scores, sweep_thresholds, thin
from polarity_cli.scoring.report.drawing import INK, LINE, MUTED, NEGATIVE, PAPER, POSITIVE, Chart, draw_legend, drawing, finish
from polarity_cli.scoring.report.numbers import count_of, format_fraction, format_share
from polarity_cli.scoring.report.training_charts import draw_loss, draw_validation
from polarity_cli.scoring.values import Bin

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_charts(content: ReportContent) -> dict[str, Chart]:
    """Return the charts that the content has numbers for, by name."""
    drawn = [
        draw_histogram(content),
        draw_thresholds(content),
        draw_reliability(content.bins),
        *draw_rankings(content),
        draw_loss(content.losses, content.epochs),
        draw_validation(content.epochs),
    ]
    return {chart.name: chart for chart in drawn if chart is not None}


def draw_histogram(content: ReportContent) -> Chart | None:
    """Return the scores of each class: positive reviews upwards, negative ones downwards; None without reviews."""
    if not len(content.y_true):
        return None
    negative, positive, edges = count_scores(content.y_true, content.y_score)
    width = edges[1] - edges[0]
    with drawing() as figure:
        axes = figure.add_subplot()
        middles = edges[:-1] + width / 2
        look = {"width": width * 0.86, "linewidth": 0.8}
        axes.bar(middles, np.sqrt(positive), color=POSITIVE, edgecolor=POSITIVE, label="positive reviews, up", **look)
        axes.bar(middles, -np.sqrt(negative), color=PAPER, edgecolor=NEGATIVE, hatch="////", label="negative, down", **look)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        _mark_threshold(axes, content.threshold)
        ticks = _choose_counts(int(max(positive.max(), negative.max())))
        places = sorted({0, *ticks, *(-tick for tick in ticks)})
        axes.set_yticks(
            [float(np.sign(place) * np.sqrt(abs(place))) for place in places], [f"{abs(place):,}" for place in places]
        )
        _label(axes, "score: probability of positive", "reviews")
        draw_legend(axes)
        n_positive, n_negative = int(positive.sum()), int(negative.sum())
        above = content.y_score >= content.threshold
        right = int((above & (content.y_true == 1)).sum()), int((~above & (content.y_true == 0)).sum())
        return finish(
            figure,
            "histogram",
            title="Scores of positive and of negative reviews",
            description=(
                f"Histogram in {len(positive)} bars. {right[0]:,} of {count_of(n_positive, 'positive review')} score "
                f"{content.threshold:g} or more; {right[1]:,} of {count_of(n_negative, 'negative review')} score less. "
                f"{int(positive[-1] + negative[-1]):,} reviews score {edges[-2]:g} or more and "
                f"{int(positive[0] + negative[0]):,} score less than {edges[1]:g}."
            ),
            caption="Heights grow with the square root of the count, so that few reviews can be seen. Dotted: the threshold.",
        )


def draw_thresholds(content: ReportContent) -> Chart | None:
    """Return precision and recall of positive at every threshold; None where no review is positive."""
    if not (content.y_true == 1).any():
        return None
    thresholds, precision, recall = sweep_thresholds(content.y_true, content.y_score)
    above = content.y_score >= content.threshold
    n_right, n_above = int((above & (content.y_true == 1)).sum()), int(above.sum())
    now = n_right / n_above if n_above else None, n_right / int((content.y_true == 1).sum())
    with drawing() as figure:
        axes = figure.add_subplot()
        axes.plot(thresholds, precision, color=POSITIVE, label="precision of positive")
        axes.plot(thresholds, recall, color=NEGATIVE, linestyle=(0, (4, 1.5)), label="recall of positive")
        _mark_threshold(axes, content.threshold)
        for value, colour in zip(now, (POSITIVE, NEGATIVE), strict=True):
            if value is not None:
                axes.plot([content.threshold], [value], "o", color=colour, markeredgecolor=PAPER, markersize=7, zorder=4)
        axes.set_ylim(*_choose_limits(precision, recall))
        _label(axes, "threshold", "fraction")
        draw_legend(axes)
        words = f"precision {format_fraction(now[0], 3)} and recall {format_fraction(now[1], 3)}"
        return finish(
            figure,
            "thresholds",
            title="Precision and recall of positive against the threshold",
            description=(
                f"Two lines over thresholds from 0 to 1. At the present threshold, {content.threshold:g}: {words}. "
                f"Recall falls from {format_fraction(recall[0], 3)} at 0 to {format_fraction(recall[-1], 3)} at 1; "
                f"precision begins at {format_fraction(precision[0], 3)}."
            ),
            caption=f"At the present threshold, the dotted line at {content.threshold:g}: {words}.",
        )


def draw_reliability(bins: tuple[Bin, ...]) -> Chart | None:
    """Return the share of positive reviews against the mean score of each bin, with 95% intervals (Wilson 1927) and counts."""
    from scipy.stats import binomtest

    bins = tuple(bin for bin in bins if bin.n > 0)
    if not bins:
        return None
    scores, shares = [bin.mean_score for bin in bins], [bin.share_positive for bin in bins]
    tests = [binomtest(min(bin.n, max(0, round(bin.share_positive * bin.n))), bin.n) for bin in bins]
    ends = [test.proportion_ci(method="wilson") for test in tests]
    lengths = [[max(0.0, share - end.low) for share, end in zip(shares, ends, strict=True)]]
    lengths.append([max(0.0, end.high - share) for share, end in zip(shares, ends, strict=True)])
    with drawing() as figure:
        axes, counts = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (4, 1)})
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 2)), label="perfect")
        axes.errorbar(
            scores, shares, yerr=lengths, color=POSITIVE, fmt="o-", linewidth=1.4, markersize=5, label="this checkpoint"
        )
        axes.set_ylim(-0.03, 1.03)
        axes.grid(color=LINE, linewidth=0.6)
        axes.set_ylabel("share positive")
        draw_legend(axes)
        counts.vlines(scores, 0, [bin.n for bin in bins], color=MUTED, linewidth=3)
        counts.set_ylim(0, max(bin.n for bin in bins) * 1.15)
        counts.set_yticks([0, max(bin.n for bin in bins)], ["0", f"{max(bin.n for bin in bins):,}"])
        _label(counts, "mean score of the bin", "reviews", grid=False)
        worst = max(bins, key=lambda one: abs(one.share_positive - one.mean_score))
        n_reviews = sum(bin.n for bin in bins)
        return finish(
            figure,
            "reliability",
            title="Reliability diagram",
            description=(
                f"{count_of(len(bins), 'bin')} of {count_of(n_reviews, 'review')}. The farthest from the diagonal has "
                f"a mean score of {format_fraction(worst.mean_score, 3)} and {format_share(worst.share_positive)} positive "
                f"reviews among {worst.n:,}."
            ),
            caption="On the dotted line, 80% of the reviews that score 0.8 are positive. Whiskers: 95% intervals.",
        )


def draw_rankings(content: ReportContent) -> tuple[Chart, ...]:
    """Return the ROC curve and the precision-recall curve; nothing where the reviews are of one class."""
    if len(np.unique(content.y_true)) < 2:
        return ()
    return _draw_roc(content), _draw_precision_recall(content)


def _draw_roc(content: ReportContent) -> Chart:
    from sklearn.metrics import roc_auc_score, roc_curve

    false_positive, true_positive, _ = roc_curve(content.y_true, content.y_score)
    area = format_fraction(float(roc_auc_score(content.y_true, content.y_score)), 4)
    above = content.y_score >= content.threshold
    place = float(above[content.y_true == 0].mean()), float(above[content.y_true == 1].mean())
    with drawing() as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 2)), label="chance")
        axes.plot(*thin(false_positive, true_positive), color=POSITIVE, label=f"area {area}")
        axes.plot(*place, "o", color=POSITIVE, markeredgecolor=PAPER, markersize=8, label="threshold", zorder=4)
        _label(axes, "negative reviews called positive", "positive reviews found")
        axes.set_ylim(-0.03, 1.03)
        draw_legend(axes, 3)
        words = f"{format_share(place[1])} of the positive reviews are found and {format_share(place[0])} of the negative ones"
        return finish(
            figure,
            "roc",
            title="ROC curve",
            description=f"The area under the curve is {area}. At the threshold {content.threshold:g}, {words} called positive.",
            caption=f"ROC: a positive review scores above a negative one with probability {area}.",
        )


def _draw_precision_recall(content: ReportContent) -> Chart:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    precision, recall, _ = precision_recall_curve(content.y_true, content.y_score)
    average = format_fraction(float(average_precision_score(content.y_true, content.y_score)), 4)
    share = float((content.y_true == 1).mean())
    with drawing() as figure:
        axes = figure.add_subplot()
        axes.axhline(share, color=MUTED, linewidth=1, linestyle=(0, (2, 2)), label="chance")
        # Steps, as scikit-learn draws it: a straight line between two points promises too much (Davis, Goadrich 2006).
        axes.plot(*thin(recall, precision), color=POSITIVE, drawstyle="steps-post", label=f"average precision {average}")
        _label(axes, "recall of positive", "precision of positive")
        axes.set_ylim(-0.03, 1.03)
        draw_legend(axes)
        return finish(
            figure,
            "precision-recall",
            title="Precision-recall curve",
            description=f"The average precision is {average}; chance would give {format_share(share)}, the share of positive.",
            caption="Precision-recall: the price in precision of finding more of the positive reviews.",
        )


def _label(axes: Axes, x: str, y: str, *, grid: bool = True) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(color=LINE, linewidth=0.6)


def _mark_threshold(axes: Axes, threshold: float) -> None:
    axes.axvline(threshold, color=INK, linewidth=1.2, linestyle=(0, (1, 1.5)))


def _choose_counts(most: int) -> list[int]:
    """Return one to three round counts up to `most`, far enough apart on a square-root axis."""
    powers = [factor * 10**power for power in range(9) for factor in (1, 2, 5)]
    top = max((count for count in powers if count <= most), default=1)
    return sorted({top} | {max((count for count in powers if count <= top * share), default=1) for share in (0.3, 0.05)})


def _choose_limits(*lines: np.ndarray) -> tuple[float, float]:
    """Return the limits of the fractions: 0 to 1, or from a round number where all are high."""
    least = min((float(np.nanmin(line)) for line in lines if not np.isnan(line).all()), default=0.0)
    return (0.45, 1.02) if least >= 0.5 else (-0.03, 1.03)
