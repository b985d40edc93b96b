"""What is frozen and what trains in BERT-base with `--unfreeze 2`, as a picture. Used by `make`."""

from __future__ import annotations

from tests.images.svg import draw_arrow, draw_box, draw_brace, draw_text, draw_upwards, make_picture

N_BLOCKS, N_UNFROZEN = 12, 2
HIDDEN, INNER, VOCABULARY, POSITIONS, N_CLASSES = 768, 3072, 30522, 512, 2
"""Of `bert-base-uncased`."""
_HEIGHT, _TOP, _TALL = 424, 140, 150


def count_weights() -> tuple[int, int]:
    """Return how many weights are frozen and how many train."""
    norm = 2 * HIDDEN
    block = 4 * (HIDDEN * HIDDEN + HIDDEN) + 2 * HIDDEN * INNER + INNER + HIDDEN + 2 * norm
    embeddings = (VOCABULARY + POSITIONS + 2) * HIDDEN + norm
    head = HIDDEN * HIDDEN + HIDDEN + N_CLASSES * (HIDDEN + 1)
    return embeddings + (N_BLOCKS - N_UNFROZEN) * block, N_UNFROZEN * block + head


def draw_frozen(theme: str) -> str:
    """Return the picture in a theme."""
    shapes, cut, right = _draw_parts()
    frozen, trained = (f"{n / 1e6:.1f} million weights" for n in count_weights())
    foot = _TOP + _TALL + 12
    shapes += [
        draw_box(40, 22, 330, 52, fill="paper", stroke="line", radius=10),
        draw_text(205, 57, "“great product”", size=26),
        draw_arrow((68, 80), (68, _TOP - 6)),
        f'<path d="M{cut:g} {_TOP - 22}V{_TOP + _TALL + 8}" stroke="var(--negative)" stroke-width="3" stroke-dasharray="9 6"/>',
        draw_text(cut, _TOP - 30, "cut", colour="negative", bold=True),
        draw_brace(40, cut - 14, foot, "muted"),
        draw_brace(cut + 14, right, foot, "positive"),
        draw_text((40 + cut) / 2, foot + 50, "frozen: passed once, then kept", size=24, bold=True),
        draw_text((40 + cut) / 2, foot + 82, frozen, colour="muted"),
        draw_text((cut + right) / 2 + 6, foot + 50, "trains", size=24, colour="positive", bold=True),
        draw_text((cut + right) / 2 + 6, foot + 82, trained, colour="muted"),
        draw_arrow((right - 30, _TOP - 4), (right - 30, 80), colour="positive"),
        draw_box(right - 200, 22, 200, 52, fill="positive", radius=10),
        draw_text(right - 100, 57, "positive 0.98", size=25, colour="on", bold=True),
    ]
    return make_picture(
        "\n".join(shapes),
        height=_HEIGHT,
        title="What is frozen and what trains in BERT-base with --unfreeze 2",
        description=(
            f"A review goes in as text. The embeddings and blocks 0 to 9 are frozen, {frozen}; their output is kept once. "
            f"Behind the cut, blocks 10 and 11, the pooler and the classifier train, {trained}. Out comes positive 0.98."
        ),
        theme=theme,
    )


def _draw_parts() -> tuple[list[str], float, float]:
    """Return the parts of the encoder from left to right, the place of the cut, and of their right end."""
    shapes = [draw_box(40, _TOP, 56, _TALL, fill="raised", stroke="line"), draw_upwards(68, _TOP + _TALL / 2, "embeddings")]
    x, cut = 106.0, 0.0
    for number in range(N_BLOCKS):
        trains = number >= N_BLOCKS - N_UNFROZEN
        if number == N_BLOCKS - N_UNFROZEN:
            cut, x = x + 9, x + 28
        fill, stroke, colour = ("positive", "", "on") if trains else ("raised", "line", "ink")
        shapes += [
            draw_box(x, _TOP, 36, _TALL, fill=fill, stroke=stroke),
            draw_text(x + 18, _TOP + _TALL / 2 + 8, str(number), colour=colour),
        ]
        x += 43
    for name in ("pooler", "classifier"):
        shapes += [
            draw_box(x, _TOP, 46, _TALL, fill="positive"),
            draw_upwards(x + 23, _TOP + _TALL / 2, name, colour="on"),
        ]
        x += 53
    return shapes, cut, x - 7
