"""Draw how a checkpoint was trained: the loss of its steps, and what its epochs did on the validation split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polarity_cli.scoring.report.curves import average_losses
from polarity_cli.scoring.report.drawing import LINE, MUTED, NEGATIVE, PAPER, POSITIVE, Chart, draw_legend, drawing, finish
from polarity_cli.scoring.report.numbers import count_of, format_fraction
from polarity_cli.scoring.values import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_loss(losses: Sequence[tuple[int, float]], epochs: tuple[Epoch, ...]) -> Chart | None:
    """Return the training loss by step, else by epoch; None where neither is known."""
    unit = "step" if len(losses) else "epoch"
    steps, values, width = average_losses(losses if len(losses) else [(epoch.epoch, epoch.loss) for epoch in epochs])
    if not len(steps):
        return None
    with drawing() as figure:
        axes = figure.add_subplot()
        axes.plot(steps, values, color=POSITIVE, marker="o" if len(steps) <= 12 else "", markersize=5, linewidth=1.6)
        axes.set_xlabel(unit)
        axes.set_ylabel("training loss (nats)")
        axes.set_ylim(0, float(values.max()) * 1.08 or 1.0)
        axes.grid(color=LINE, linewidth=0.6)
        _count_along(axes, steps.tolist())
        first, last = f"{values[0]:.3g}", f"{values[-1]:.3g}"
        each = f" Each point is the mean of {width:,} {unit}s." if width > 1 else ""
        return finish(
            figure,
            "loss",
            title=f"Training loss by {unit}",
            description=f"The loss goes from {first} to {last} over {count_of(len(steps), 'point')}.{each}",
            caption=f"Training loss from {first} to {last}.{each}",
        )


def draw_validation(epochs: tuple[Epoch, ...]) -> Chart | None:
    """Return F1 and log loss on the validation split by epoch, the best epoch marked; None where there was no validation."""
    scored = [(epoch.epoch, epoch.validation_f1) for epoch in epochs if epoch.validation_f1 is not None]
    lost = [(epoch.epoch, epoch.validation_log_loss) for epoch in epochs if epoch.validation_log_loss is not None]
    if not scored:
        return None
    best = next((epoch for epoch in epochs if epoch.is_best and epoch.validation_f1 is not None), None)
    with drawing() as figure:
        panels = figure.subplots(2 if lost else 1, 1, sharex=True, squeeze=False)[:, 0]
        axes = panels[0]
        axes.plot(*zip(*scored, strict=True), color=POSITIVE, marker="o", markersize=5, linewidth=1.6, label="F1")
        if best is not None:
            axes.plot(
                best.epoch, best.validation_f1, "*", color=NEGATIVE, markeredgecolor=PAPER, markersize=15, label="best epoch"
            )
        axes.set_ylabel("F1")
        draw_legend(axes)
        if lost:
            panels[1].plot(*zip(*lost, strict=True), color=MUTED, marker="s", markersize=4, linewidth=1.6)
            panels[1].set_ylabel("log loss")
        for panel in panels:
            panel.grid(color=LINE, linewidth=0.6)
            panel.margins(0.05, 0.2)
        panels[-1].set_xlabel("epoch")
        _count_along(panels[-1], [number for number, _ in scored])
        words = f"Best on the validation split: epoch {best.epoch}, F1 {format_fraction(best.validation_f1, 4)}." if best else ""
        line = ", ".join(f"{number}: {format_fraction(value, 3)}" for number, value in scored[:20])
        return finish(
            figure,
            "validation",
            title="Validation by epoch",
            description=f"F1 by epoch: {line}. {words}".strip(),
            caption=words or "How each epoch did on the validation split.",
        )


def _count_along(axes: Axes, places: Sequence[float]) -> None:
    """Write whole numbers under the axis; around a single place, the one before and the one after."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    if len(set(places)) == 1:
        axes.set_xlim(places[0] - 1, places[0] + 1)
