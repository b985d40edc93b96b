"""The README's pictures: they are what the script draws now, and anybody can see or hear them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from polarity_cli.scoring.report.page import write_report
from tests.helpers.commands import REPOSITORY
from tests.images.frozen import count_weights
from tests.images.make import FOLDER, draw_all
from tests.images.report import read_page
from tests.images.speed import TIMES
from tests.images.svg import COLOURS
from tests.scoring.report.example import make_content

PICTURES = draw_all()
LARGEST = 60_000
"""Bytes."""
SMALLEST = 20
"""Units of a letter's height, of 800 across; the chart's are 10 of 360."""


def test_folder_holds_what_the_script_draws() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.svg")} == PICTURES, (
        "python -m tests.images.make"
    )


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_named_small_and_asks_nobody_for_anything(name: str) -> None:
    content = PICTURES[name]
    root = ElementTree.fromstring(content)
    title, description = root[0], root[1]
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert len(title.text or "") > 10
    assert len(description.text or "") > 40
    assert len(content.encode()) < LARGEST
    assert re.findall(r"https?://[^\"' ]+", content) == ["http://www.w3.org/2000/svg"]
    assert "<script" not in content
    assert min(int(size) for size in re.findall(r'font-size="(\d+)"', content)) >= SMALLEST


@pytest.mark.parametrize("theme", COLOURS)
def test_every_colour_that_is_used_is_there_and_can_be_read(theme: str) -> None:
    used = {name for key, content in PICTURES.items() if theme in key for name in re.findall(r"var\(--(\w+)\)", content)}
    assert used <= set(COLOURS[theme])
    for ink, paper in (("ink", "paper"), ("muted", "paper"), ("ink", "raised"), ("on", "positive"), ("negative", "paper")):
        assert contrast(COLOURS[theme][ink], COLOURS[theme][paper]) >= 4.5, (ink, paper)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2.2 counts it, 1 to 21."""
    lights = []
    for colour in (one, other):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_times_are_those_of_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    times = [f"{times:g}x" for name, times in TIMES if isinstance(times, float) and name != "400 reviews"]
    assert [text for text in times if text not in readme] == []
    ours, theirs = re.findall(r"answers (\d+)\s+real reviews a second in int8.*?and (\d+) in batches", readme, re.DOTALL)[0]
    assert dict(TIMES)["400 reviews"] == round(int(ours) / int(theirs), 1)


def test_weights_are_counted_as_transformers_counts_them() -> None:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(num_hidden_layers=2)
    model = BertForSequenceClassification(config)
    block = sum(weights.numel() for weights in model.bert.encoder.layer[0].parameters())
    whole = sum(weights.numel() for weights in model.parameters())
    frozen, trained = count_weights()
    assert frozen + trained == whole + 10 * block
    assert trained == whole - sum(weights.numel() for weights in model.bert.embeddings.parameters())


def test_page_of_today_can_be_shown(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_report(page, make_content())
    parts = read_page(page.read_text(encoding="utf-8"))
    assert sum(parts["cells"]) > 0
    assert len(parts["figures"]) == 3
    assert "<path" in parts["chart"]
    with pytest.raises(ValueError, match="nothing like"):
        read_page("<html></html>")
