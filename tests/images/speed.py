"""How many times as fast as transformers the program is, as a picture. Used by `make`.

The figures are those of the README, where the commands that measure them stand.
"""

from __future__ import annotations

from tests.images.svg import draw_box, draw_text, make_picture

TIMES = (
    ("Training, against Trainer", ()),
    ("one epoch", 8.7),
    ("three epochs", 16.4),
    ("a second run, another learning rate", 22.0),
    ("Prediction, against transformers.pipeline", ()),
    ("one text, cold process", 10.1),
    ("2,500 reviews from a file", 4.1),
    ("Evaluation, against Trainer at its best", ()),
    ("400 reviews", 2.5),
)
"""What is done, and their time over ours; a line without a number is a heading."""
_LEFT, _RIGHT = 40, 690
_ROW, _HEADING = 58, 54


def draw_speed(theme: str) -> str:
    """Return the picture in a theme."""
    unit = (_RIGHT - _LEFT) / max(times for _, times in TIMES if isinstance(times, float))
    shapes, y = [draw_text(_LEFT, 52, "Times as fast, on two cores", size=28, anchor="start", bold=True)], 64.0
    for name, times in TIMES:
        if not isinstance(times, float):
            y += _HEADING
            shapes.append(draw_text(_LEFT, y - 12, name, size=23, colour="positive", anchor="start", bold=True))
            continue
        shapes += [
            draw_text(_LEFT, y + 16, name, anchor="start"),
            draw_box(_LEFT, y + 25, times * unit, 18, fill="positive", radius=4),
            draw_box(_LEFT, y + 25, unit, 18, fill="negative", radius=4),
            draw_text(_LEFT + times * unit + 12, y + 43, f"{times:g}x", size=24, anchor="start", bold=True),
        ]
        y += _ROW
    shapes += [
        draw_box(_LEFT, y + 26, 18, 18, fill="negative", radius=4),
        draw_text(_LEFT + 28, y + 43, "the other side's speed, 1x", colour="muted", anchor="start"),
    ]
    said = "; ".join(f"{name} {times:g} times" for name, times in TIMES if isinstance(times, float))
    return make_picture(
        "\n".join(shapes),
        height=int(y) + 68,
        title="How many times as fast as transformers",
        description=f"Bars, theirs over ours in time: {said}.",
        theme=theme,
    )
