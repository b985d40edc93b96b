"""The page of `evaluate --report`, made small: its verdict, figures, mistakes and the chart of its scores. Used by `make`.

`report.json` beside the pictures holds what a real page says; `python -m tests.images.make report.html` reads another.
"""

from __future__ import annotations

import html
import re
import textwrap
from typing import Any

from tests.images.svg import draw_box, draw_text, make_picture

_CELLS = ("negative, right", "negative, wrong", "positive, wrong", "positive, right")
_TAGS = re.compile(r"<[^>]+>")


def read_page(page: str) -> dict[str, Any]:
    """Return what the picture shows of a page, as plain values.

    Raises:
        ValueError: the page lacks one of them.
    """
    chart = _find(r'<svg viewBox="[^"]*" role="img" aria-labelledby="histogram-title .*?</svg>', page)
    figures = re.findall(r'<dt>([^<]+)</dt>\s*<dd><span class="large">([^<]+)</span> <span class="note">([^<]+)<', page)
    table = _find(r'<table class="confusion">.*?</table>', page)
    cells = [int(n.replace(",", "")) for n in re.findall(r'<span class="large">([\d,]+)</span>', table)]
    if len(cells) != 4 or len(figures) < 3:
        raise ValueError(f"The page has {len(cells)} cells of mistakes (expected 4) and {len(figures)} figures (expected 3).")
    verdict = html.unescape(_TAGS.sub("", _find(r'<p class="verdict">.*?</p>', page)))
    return {"verdict": " ".join(verdict.split()), "figures": figures[:3], "cells": cells, "chart": chart}


def _find(pattern: str, page: str) -> str:
    found = re.search(pattern, page, re.DOTALL)
    if found is None:
        raise ValueError(f"The page has nothing like {pattern}.")
    return found[0]


def draw_report(parts: dict[str, Any], theme: str) -> str:
    """Return the picture of what `read_page` found, in a theme."""
    shapes = [draw_text(40, 54, "evaluate --report", size=22, colour="positive", anchor="start", bold=True)]
    lines = textwrap.wrap(parts["verdict"], 62)
    shapes += [draw_text(40, 96 + 32 * number, line, size=24, anchor="start") for number, line in enumerate(lines)]
    y = 96 + 32 * len(lines)
    for number, (name, value, interval) in enumerate(parts["figures"]):
        x = 40 + 250 * number
        shapes += [
            draw_text(x, y + 22, name, size=20, colour="muted", anchor="start"),
            draw_text(x, y + 72, value, size=46, anchor="start", bold=True),
            draw_text(x, y + 100, interval.removeprefix("95% interval "), size=20, colour="muted", anchor="start"),
        ]
    y += 128
    shapes += [*_draw_cells(parts["cells"], y), _place(parts["chart"], 28, y + 128, 744)]
    figures = ", ".join(f"{name} {value} ({interval})" for name, value, interval in parts["figures"])
    return make_picture(
        "\n".join(shapes),
        height=y + 646,
        title="A part of the page that evaluate --report writes",
        description=f"{parts['verdict']} {figures}. Below: the right and wrong answers, and a histogram of the scores.",
        theme=theme,
    )


def _place(chart: str, x: float, y: float, width: float) -> str:
    """Return a chart of the page at a place, without its title: the picture has one."""
    chart = re.sub(r"<title.*?</title>|<desc.*?</desc>| role=\"img\" aria-labelledby=\"[^\"]*\"", "", chart)
    return chart.replace("<svg ", f'<svg x="{x:g}" y="{y:g}" width="{width:g}" height="{width * 0.68:g}" ', 1)


def _draw_cells(cells: list[int], y: float) -> list[str]:
    """Return the four kinds of answer in a row: negative right and wrong, positive wrong and right."""
    shapes = []
    for place, (n, words) in enumerate(zip(cells, _CELLS, strict=True)):
        left, is_right = 40 + 182 * place, words.endswith("right")
        colour = "on" if is_right else "ink"
        shapes += [
            draw_box(left, y, 174, 104, fill="positive" if is_right else "raised", stroke="" if is_right else "negative"),
            draw_text(left + 87, y + 50, f"{n:,}", size=36, colour=colour, bold=True),
            draw_text(left + 87, y + 84, words, size=20, colour=colour),
        ]
    return shapes
