"""What the pictures share: colours of the report's page, light and dark, and the shapes. Next: `frozen`, `speed`, `report`."""

from __future__ import annotations

from html import escape

WIDTH = 800
"""Units across every picture; the README's column is about as wide, a phone half."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', Arial, sans-serif"
COLOURS = {
    "light": {
        "paper": "#fbfbf9",
        "raised": "#ececea",
        "ink": "#1d2126",
        "muted": "#5a626c",
        "line": "#c4c8cb",
        "positive": "#1f5fae",
        "negative": "#b0500c",
        "on": "#ffffff",
    },
    "dark": {
        "paper": "#15181b",
        "raised": "#262b30",
        "ink": "#e5e7e9",
        "muted": "#a0a8b1",
        "line": "#454d55",
        "positive": "#7cb4f4",
        "negative": "#f2a35e",
        "on": "#10151b",
    },
}


def make_picture(body: str, *, height: int, title: str, description: str, theme: str) -> str:
    """Return a whole SVG file: a panel in a theme's colours with the shapes on it, named for who cannot see it."""
    colours = "".join(f"--{name}:{value};" for name, value in COLOURS[theme].items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title desc">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="desc">{escape(description)}</desc>\n'
        f"<style>:root{{{colours}}}text{{font-family:{FONT};fill:var(--ink)}}</style>\n"
        f"{draw_box(0, 0, WIDTH, height, fill='paper', radius=14)}\n{body}\n</svg>\n"
    )


def draw_box(x: float, y: float, width: float, height: float, *, fill: str, stroke: str = "", radius: float = 6) -> str:
    """Return a rectangle; colours by their names."""
    line = f' stroke="var(--{stroke})" stroke-width="2"' if stroke else ""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" fill="var(--{fill})"{line}/>'


def draw_text(
    x: float, y: float, words: str, *, size: int = 22, colour: str = "ink", anchor: str = "middle", bold: bool = False
) -> str:
    """Return a line of text whose foot is at `y`; `anchor` is start, middle or end."""
    weight = ' font-weight="650"' if bold else ""
    place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size}"{weight} style="fill:var(--{colour})">{escape(words)}</text>'


def draw_upwards(x: float, y: float, words: str, *, colour: str = "ink", size: int = 22) -> str:
    """Return a line of text that is read upwards, with its middle at a point."""
    return f'<g transform="translate({x:g} {y:g}) rotate(-90)">{draw_text(0, size * 0.35, words, size=size, colour=colour)}</g>'


def draw_arrow(*points: tuple[float, float], colour: str = "muted") -> str:
    """Return a line through points with a head at its end."""
    (x, y), (before_x, before_y) = points[-1], points[-2]
    dx, dy = (x > before_x) - (x < before_x), (y > before_y) - (y < before_y)
    head = f"M{x - 9 * dx - 7 * dy:g} {y - 9 * dy - 7 * dx:g}L{x:g} {y:g}L{x - 9 * dx + 7 * dy:g} {y - 9 * dy + 7 * dx:g}"
    path = "M" + "L".join(f"{px:g} {py:g}" for px, py in points) + head
    return (
        f'<path d="{path}" fill="none" stroke="var(--{colour})" stroke-width="3" stroke-linejoin="round" stroke-linecap="round"/>'
    )


def draw_brace(left: float, right: float, y: float, colour: str) -> str:
    """Return a bracket under things from `left` to `right`."""
    path = f"M{left:g} {y:g}v10H{right:g}v-10M{(left + right) / 2:g} {y + 10:g}v10"
    return f'<path d="{path}" fill="none" stroke="var(--{colour})" stroke-width="2.5"/>'
