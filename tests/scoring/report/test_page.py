"""What stands on the page, read by parsing it."""

from __future__ import annotations

import itertools
import os
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polarity_cli.errors import UsageError
from polarity_cli.scoring.report.charts import draw_charts
from polarity_cli.scoring.report.content import ReportContent
from polarity_cli.scoring.report.drawing import Chart
from polarity_cli.scoring.report.page import MOST_REVIEWS, make_report, write_report
from polarity_cli.scoring.values import Slice, Suspect
from tests.scoring.report.example import complete, make_content, make_mistake
from tests.scoring.report.reading import Page

ALL_SECTIONS = [
    "verdict",
    "checks",
    "confusion",
    "metrics",
    "scores",
    "coverage",
    "calibration",
    "ranking",
    "training",
    "slices",
    "mistakes",
    "suspects",
    "comparison",
    "encoder",
    "reproduce",
]
HOSTILE = (
    "<script>alert(1)</script>",
    "</style></svg><img src=https://example.org/x.png onerror=alert(1)>",
    '"\' onmouseover="alert(1)',
    "{{ 7 * 7 }}{% include 'style.css' %}",
    "turned \u202eround\u2066 and \u200fback",
    "bell \x07 null \x00 escape \x1b[31m",
    "lone \ud800 surrogate",
    "a" * 10_000,
    "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5} \N{FAMILY}" * 20,
    "z" + "\u0335" * 500,
)


@cache
def read_example() -> Page:
    return Page(make_report(make_content()))


@cache
def draw_once() -> dict[str, Chart]:
    return draw_charts(make_content())


@pytest.fixture
def without_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the example's charts for any content: drawing takes the time."""
    monkeypatch.setattr("polarity_cli.scoring.report.page.draw_charts", lambda content: draw_once())


def make_empty(**changes: Any) -> ReportContent:
    """Return a content of which every part is missing that can be."""
    y_true, y_score = np.zeros(0, np.int64), np.zeros(0)
    return ReportContent(
        title="empty", verdict="Nothing.", made="2026-05-31", y_true=y_true, y_score=y_score, metrics={}, **changes
    )


def test_sections_stand_in_their_order_and_are_well_formed() -> None:
    page = read_example()
    assert page.section_ids == ALL_SECTIONS
    assert page.problems == []
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    assert [e.attributes["href"] for e in page.find("a") if e.parents[-1] == "li"] == [f"#{name}" for name in ALL_SECTIONS[1:]]


def test_headings_are_in_order_and_tables_have_scopes() -> None:
    page = read_example()
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.find("th")
    assert all(element.attributes.get("scope") in ("col", "row", "rowgroup") for element in page.find("th"))
    assert page.find("html")[0].attributes["lang"] == "en"


def test_page_names_no_other_place_and_forbids_all_but_its_own_style() -> None:
    page = read_example()
    policy = next(e for e in page.find("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy").attributes[
        "content"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert not page.find("script")
    assert not page.find("img")
    assert [element.attributes["href"] for element in page.find("link")] == ["data:,"]
    assert "http://" not in page.source
    assert "https://" not in page.source
    assert "@import" not in page.source


def test_verdict_has_its_numbers_with_intervals() -> None:
    page = read_example()
    verdict = page.read("section", id="verdict")
    assert "It is right on 92 of 100 reviews" in verdict
    metrics = make_content().metrics
    assert f"Accuracy {metrics['accuracy']:.3f} 95% interval 0.911 to 0.934" in verdict
    assert "google-bert/bert-base-uncased" in verdict


def test_confusion_matrix_is_counted_by_hand() -> None:
    y_true, y_score = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.7, 0.2, 0.69, 0.9])
    page = Page(make_report(make_empty_with(y_true, y_score, threshold=0.7)))
    cells = [" ".join(element.text.split()) for element in page.find("td") if element.attributes.get("class", "")]
    assert cells[:4] == ["2 66.7% right", "1 33.3% wrong", "1 50.0% wrong", "1 50.0% right"]


def make_empty_with(y_true: np.ndarray, y_score: np.ndarray, **changes: Any) -> ReportContent:
    values: dict[str, Any] = {"title": "t", "verdict": "v.", "made": "2026-05-31"}
    if "metrics" not in changes:
        values["metrics"] = complete(y_true, y_score)
    return ReportContent(y_true=y_true, y_score=y_score, **(values | changes))


def test_metrics_stand_beside_their_intervals_and_baselines() -> None:
    page = read_example()
    rows = [" ".join(element.text.split()) for element in page.find("tr")]
    metrics = make_content().metrics
    accuracy = next(row for row in rows if row.startswith("accuracy"))
    assert accuracy.startswith(f"accuracy {metrics['accuracy']:.4f} 0.9110 to 0.9340")
    assert len(accuracy.split()) == 8  # value, interval of three words, fp32, majority, tf-idf
    assert "majority: always positive. The checkpoint's macro F1 less its own: +0.5500 to +0.6100" in page.read(
        "section", id="metrics"
    )


def test_only_a_slice_that_is_worse_is_named_so() -> None:
    lead = read_example().read("section", id="slices")
    assert "by more than chance: length over 80 words. Lines" in lead
    assert lead.count("worse") == 1


def test_low_slice_that_chance_explains_is_not_named(without_drawing: None) -> None:
    low = Slice("g", "low", 4, 2, 0.25, (0.01, 0.81), None, 1.0, False)
    section = Page(make_report(make_content(slices=(low,)))).read("section", id="slices")
    assert "No part is worse" in section


def test_words_are_marked_with_strength_and_figure() -> None:
    page = read_example()
    marks = {element.text: element.attributes for element in page.find("mark")}
    assert marks["wonderful"] == {"class": "for-positive", "style": "--w: 1.00", "title": "+1.70"}
    assert marks["mess."]["class"] == "for-negative"
    assert marks["mess."]["title"] == "\u22121.20"
    assert "slow," not in marks  # too weak to matter
    assert "Towards positive: wonderful +1.70, glad +0.70. Towards negative: mess. \u22121.20, not \u22121.10." in page.read(
        "section", id="mistakes"
    )


def test_encoder_is_drawn_up_to_its_cut() -> None:
    page = read_example()
    boxes = [element.text.split() for element in page.find("li", class_="frozen")]
    assert len(boxes) == 9
    assert boxes[0][0].startswith("embeddings")
    assert [" ".join(e.text.split()) for e in page.find("li", class_="is-cut")] == ["the cutblock 8trains"]
    assert len(page.find("li", class_="trains")) == 5
    assert "28.9 million of 109.5 million parameters train (26.4%)" in page.read("section", id="encoder")


@pytest.mark.parametrize(
    ("missing", "section"),
    [
        ({"checks": ()}, "checks"),
        ({"coverage": ()}, "coverage"),
        ({"bins": (), "calibration": None}, "calibration"),
        ({"epochs": (), "losses": ()}, "training"),
        ({"slices": ()}, "slices"),
        ({"mistakes": ()}, "mistakes"),
        ({"suspects": ()}, "suspects"),
        ({"compared": None}, "comparison"),
        ({"blocks": None}, "encoder"),
        ({"commands": (), "versions": {}}, "reproduce"),
        ({"metrics": {}, "baselines": (), "others": ()}, "metrics"),
    ],
)
def test_what_is_missing_leaves_its_section_out(missing: dict[str, Any], section: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without = {"calibration": {"reliability"}, "training": {"loss", "validation"}}.get(section, set())
    drawn = {name: chart for name, chart in draw_once().items() if name not in without}
    monkeypatch.setattr("polarity_cli.scoring.report.page.draw_charts", lambda content: drawn)
    page = Page(make_report(make_content(**missing)))
    assert page.section_ids == [name for name in ALL_SECTIONS if name != section]


def test_no_reviews_have_a_page_that_says_so() -> None:
    page = Page(make_report(make_empty()))
    assert page.section_ids == ["verdict"]
    assert "No reviews were scored" in page.read("section", id="verdict")
    assert not page.find("svg")
    assert not page.find("nav")
    assert page.problems == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("labels", "score"), [([1], 0.0), ([0], 1.0), ([1, 1, 1], 1.0), ([0, 0], 0.5), ([0, 1], 0.0), ([0, 1], 0.5)]
)
def test_few_reviews_of_equal_scores_have_a_page(labels: list[int], score: float) -> None:
    content = make_empty_with(np.array(labels), np.full(len(labels), score))
    page = Page(make_report(content))
    assert page.problems == []
    assert ("ranking" in page.section_ids) == (len(set(labels)) == 2)
    assert not re.search(r"\bnan\b", page.source)


def test_hostile_reviews_stay_text(without_drawing: None) -> None:
    mistakes = tuple(make_mistake(text, n, words=bool(n % 2)) for n, text in enumerate(HOSTILE))
    suspects = tuple(Suspect(n, text, text, text, 0.1) for n, text in enumerate(HOSTILE))
    content = make_content(
        title=HOSTILE[1], subtitle=HOSTILE[2], facts=tuple((t, t) for t in HOSTILE), mistakes=mistakes, suspects=suspects
    )
    source = make_report(content)
    page = Page(source)
    assert page.problems == []
    assert page.section_ids == ALL_SECTIONS
    assert not page.find("script")
    assert not page.find("img")
    assert not [e for e in page.elements if any(name.startswith("on") for name in e.attributes)]
    quotes = [element.text for element in page.find("blockquote")]
    assert HOSTILE[0] in quotes
    assert HOSTILE[3] in " ".join(quotes)
    assert not set(source) & {"\u202e", "\u2066", "\u200f", "\x07", "\x00", "\x1b", "\ud800"}
    assert "a" * 10_000 not in source
    assert "(8,800 more characters)" in source
    source.encode("utf-8")


def test_more_reviews_than_are_shown_are_counted(without_drawing: None) -> None:
    mistakes = tuple(make_mistake("so so", n % 40) for n in range(MOST_REVIEWS + 1_234))
    section = Page(make_report(make_content(mistakes=mistakes)))
    assert len(section.find("p", class_="answer")) == MOST_REVIEWS + 3 + 3
    assert "1,234 more mistakes are not shown." in section.read("section", id="mistakes")


def test_same_content_gives_the_same_bytes() -> None:
    assert make_report(make_content()) == read_example().source


def test_long_inputs_make_a_small_page_soon() -> None:
    content = make_content(400_000, losses=[(step, 0.5) for step in range(200_000)])
    started = time.monotonic()
    source = make_report(content)
    assert time.monotonic() - started < 10
    assert len(source.encode()) < 2_000_000


def test_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target, link = tmp_path / "real.html", tmp_path / "link.html"
    target.write_text("old")
    link.symlink_to(target)
    write_report(link, make_empty())
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8").endswith("</html>\n")
    assert sorted(os.listdir(tmp_path)) == ["link.html", "real.html"]


def test_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--report .*nowhere/x\.html: cannot be written"):
        write_report(tmp_path / "nowhere" / "x.html", make_empty())
    with pytest.raises(UsageError, match="Is a directory"):
        write_report(tmp_path, make_empty())


def test_arrays_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\) and y_score \(3,\)"):
        make_empty_with(np.zeros(2, np.int64), np.zeros(3), metrics={})
