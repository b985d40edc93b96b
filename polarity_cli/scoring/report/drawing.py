"""Turn a matplotlib figure into SVG that stands inside a page: its colours are the page's, its names are its own.

Used by `scoring/report/charts`. Colours here are stand-ins that become CSS variables: one drawing serves light, dark and paper.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE = "#010101", "#010102", "#010103"
POSITIVE, NEGATIVE, PAPER = "#010104", "#010105", "#010106"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    POSITIVE: "var(--positive)",
    NEGATIVE: "var(--negative)",
    PAPER: "var(--paper)",
}
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "font.size": 10.0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 2.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "polarity",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_NAMESPACE = re.compile(r"\{[^}]*\}")
_FONT = re.compile(r"font-family: [^;]*;? ?")
_DECIMALS = re.compile(r"(\d+\.\d\d)\d+")
_NUMBERS = ("d", "x", "y", "width", "height", "transform")
WIDTH, HEIGHT = 5.0, 3.4
"""Inches of a chart: 360 units wide, so that its letters are as large as the text's on a phone."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as it stands on the page."""

    name: str
    caption: str
    """What to see in it: under the drawing."""
    svg: str
    """Whole and safe: no text in it comes from a review."""


@contextmanager
def drawing() -> Iterator[Figure]:
    """Yield an empty figure; inside the block matplotlib has its own defaults and this page's style, whatever the user set."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield Figure(figsize=(WIDTH, HEIGHT), layout="constrained")


def draw_legend(axes: Axes, n_columns: int = 2) -> None:
    """Put the legend above the axes, where it covers no data."""
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=n_columns, borderaxespad=0.3, handlelength=2.2)


def finish(figure: Figure, name: str, *, title: str, description: str, caption: str) -> Chart:
    """Return a figure as SVG for a page: call it inside the block of `drawing`.

    Args:
        figure: the drawing.
        name: what its ids begin with; another for each chart of a page.
        title: its name, for who cannot see it.
        description: what it shows, with numbers.
        caption: what stands under it.
    """
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", transparent=True, metadata=_NO_METADATA)
    root = ElementTree.fromstring(stream.getvalue())
    _tidy(root, name)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib.update({"role": "img", "aria-labelledby": f"{name}-title {name}-desc"})
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(place, element)
    return Chart(name, caption, ElementTree.tostring(root, encoding="unicode"))


def _tidy(root: ElementTree.Element, name: str) -> None:
    """Drop what a page does not need, number the ids that are used, and exchange colours for the page's variables."""
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', ElementTree.tostring(root, encoding="unicode")))
    names = {id: f"{name}-{number}" for number, id in enumerate(sorted(used))}
    for parent in root.iter():
        for child in list(parent):
            if _NAMESPACE.sub("", child.tag) in ("style", "metadata"):  # its rules would hold for the whole page
                parent.remove(child)
            elif parent is root and child.tail:
                child.tail = None
    for element in root.iter():
        element.tag = _NAMESPACE.sub("", element.tag)
        element.text = element.text if element.text and element.text.strip() else None
        element.tail = None
        attributes = {_NAMESPACE.sub("", key): value for key, value in element.attrib.items()}
        element.attrib.clear()
        for key, value in attributes.items():
            if key != "id" or value in names:
                element.set(key, _replace(key, value, names))


def _replace(key: str, value: str, names: dict[str, str]) -> str:
    if key == "id":
        return names[value]
    if key in _NUMBERS:
        return _DECIMALS.sub(r"\1", " ".join(value.split()))
    value = re.sub(r"#(\w+)", lambda match: f"#{names[match[1]]}" if match[1] in names else match[0], value)
    for colour, variable in _VARIABLES.items():
        value = value.replace(colour, variable)
    return _FONT.sub("", value)
