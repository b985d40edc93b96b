"""Write a report as one HTML file that asks nobody for anything. Last on the road of `scoring/`: a person reads it.

The page has no script and loads nothing: its policy forbids both. Jinja escapes every text; see the folder `templates`.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from polarity_cli.errors import UsageError
from polarity_cli.scoring.report import numbers, tables
from polarity_cli.scoring.report.charts import draw_charts
from polarity_cli.scoring.report.content import ReportContent
from polarity_cli.scoring.report.drawing import Chart
from polarity_cli.scoring.report.words import mark_words, shorten, show
from polarity_cli.text import clean_text, make_printable

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"
MOST_REVIEWS = 50
"""So many mistakes, suspects and differing reviews are shown; `--errors` writes all mistakes."""
MOST_SLICES = 100
_SECTIONS = {
    "checks": "What to know first",
    "confusion": "Right and wrong",
    "metrics": "Metrics",
    "scores": "Scores and the threshold",
    "coverage": "Answers by confidence",
    "calibration": "Are the probabilities honest?",
    "ranking": "Ranking",
    "training": "Training",
    "slices": "Parts of the reviews",
    "mistakes": "The most confident mistakes",
    "suspects": "Labels to look at again",
    "comparison": "Two checkpoints",
    "encoder": "The encoder",
    "reproduce": "Make this page again",
}
"""The page's sections in their order: the template of each, and its heading."""


def make_report(content: ReportContent) -> str:
    """Return the page. The same content gives the same text, letter by letter.

    The drawings take about two seconds, for any number of reviews.
    """
    from markupsafe import Markup  # comes with jinja2

    charts = draw_charts(content)
    whiskers, left = tables.place_whiskers(content.slices[:MOST_SLICES])
    return (
        _make_environment()
        .get_template("page.html.jinja")
        .render(
            content=content,
            charts=charts,
            drawings={name: Markup(chart.svg) for name, chart in charts.items()},
            sections=[(name, title) for name, title in _SECTIONS.items() if _is_shown(name, content, charts)],
            style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
            headlines=tables.list_headlines(content),
            groups=tables.list_rows(content),
            confusion=tables.count_cells(content),
            whiskers=whiskers,
            whiskers_left=left,
            boxes=tables.list_boxes(content.blocks) if content.blocks else [],
            marked=[mark_words(mistake) for mistake in content.mistakes[:MOST_REVIEWS]],
            most=MOST_REVIEWS,
            most_slices=MOST_SLICES,
        )
    )


def write_report(path: Path, content: ReportContent) -> None:
    """Write the page to a file that gets its name when it is whole; a link stays, and what it names is written.

    Raises:
        UsageError: the file cannot be written.
    """
    page = make_report(content).encode("utf-8")
    target = Path(os.path.realpath(path))
    is_special = target.exists() and not target.is_file()  # a FIFO or a device has no later name
    work = target if is_special else target.with_name(f".{target.name}.{os.getpid()}")
    try:
        work.write_bytes(page)
        if not is_special:
            work.replace(target)
    except OSError as error:
        if not is_special:
            work.unlink(missing_ok=True)
        raise UsageError(f"--report {path}: cannot be written ({error.strerror}).", hint="Choose another file.") from error


def _is_shown(name: str, content: ReportContent, charts: dict[str, Chart]) -> bool:
    """Return whether the content has something for a section."""
    parts: dict[str, object] = {
        "checks": content.checks,
        "confusion": len(content.y_true),
        "metrics": content.metrics,
        "scores": "histogram" in charts,
        "coverage": content.coverage,
        "calibration": "reliability" in charts or content.calibration,
        "ranking": "roc" in charts,
        "training": "loss" in charts or "validation" in charts,
        "slices": content.slices,
        "mistakes": content.mistakes,
        "suspects": content.suspects,
        "comparison": content.compared,
        "encoder": content.blocks,
        "reproduce": content.commands or content.versions,
    }
    return bool(parts[name])


def _make_safe(value: object) -> object:
    """Return a text without what hides or turns round; what a template or a chart has made stays (it is HTML by now)."""
    return value if not isinstance(value, str) or hasattr(value, "__html__") else make_printable(clean_text(value))


@cache
def _make_environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_make_safe,
    )
    environment.filters |= {
        "count": numbers.format_count,
        "fraction": numbers.format_fraction,
        "interval": numbers.format_interval,
        "large": numbers.format_large,
        "p_value": numbers.format_p,
        "share": numbers.format_share,
        "shorten": shorten,
        "show": show,
        "signed": numbers.format_signed,
        "signed_interval": numbers.format_signed_interval,
    }
    environment.globals |= {"count_of": numbers.count_of, "metric_names": tables.NAMES}
    environment.tests["metric_count"] = tables.is_count
    return environment
