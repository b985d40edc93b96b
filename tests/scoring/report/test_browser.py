"""The page in a browser: headless Chromium opens it as a person does."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polarity_cli.scoring.report.page import write_report
from polarity_cli.scoring.values import Suspect
from tests.scoring.report.example import make_content, make_mistake
from tests.scoring.report.test_page import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)")
LEAST_CONTRAST = 4.5
"""Of text against what is behind it: WCAG 2.2, level AA."""

FIND_MISPLACED = """() => [...document.querySelectorAll('.chart svg')].flatMap(svg => {
    const frame = svg.getBoundingClientRect();
    const labels = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
    const isOutside = box => box.left < frame.left - 2 || box.right > frame.right + 2
        || box.top < frame.top - 2 || box.bottom > frame.bottom + 2;
    const overlaps = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
    return [
        ...labels.filter(([_, box]) => isOutside(box)).map(([text]) => `${text} is outside`),
        ...labels.flatMap(([one, a], i) => labels.slice(i + 1)
            .filter(([_, b]) => overlaps(a, b)).map(([other]) => `${one} on ${other}`)),
    ];
})"""
"""Returns each label of a chart that stands outside its drawing, or on another label."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a page that holds every part, and reviews that try to break it."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    mistakes = tuple(make_mistake(text, n, words=bool(n % 2)) for n, text in enumerate(HOSTILE))
    suspects = tuple(Suspect(n, text, text, text, 0.1) for n, text in enumerate(HOSTILE))
    content = make_content(subtitle=HOSTILE[7], facts=(("checkpoint", HOSTILE[7]),), mistakes=mistakes, suspects=suspects)
    write_report(path, content)
    return path.as_uri()


def open_page(browser: Browser, address: str, *, scheme: str = "light", width: int = 1280) -> Page:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 844})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address)
    return page


def test_page_asks_for_nothing_and_complains_of_nothing(browser: Browser, address: str) -> None:
    page = browser.new_context().new_page()
    said, asked = list[str](), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_timeout(200)
    assert (said, asked) == ([], [address])
    page.context.close()


def read_colour(page: Page, selector: str, name: str) -> tuple[float, ...]:
    colour = page.eval_on_selector(selector, f"element => getComputedStyle(element).{name}")
    return tuple(float(number) for number in re.findall(r"[\d.]+", colour)[:3])


def measure_contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return the contrast of two colours, by the formula of WCAG 2."""

    def measure(colour: tuple[float, ...]) -> float:
        parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    lighter, darker = sorted((measure(one), measure(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_page_and_charts_can_be_read_in_both_schemes(browser: Browser, address: str, scheme: str) -> None:
    page = open_page(browser, address, scheme=scheme)
    paper = read_colour(page, "body", "backgroundColor")
    assert (sum(paper) > 600) == (scheme == "light")
    for selector in (
        ".verdict",
        ".lead",
        ".note",
        "nav a",
        ".label.is-negative",
        ".label.is-positive",
        ".checks .is-warning strong",
    ):
        assert measure_contrast(read_colour(page, selector, "color"), paper) >= LEAST_CONTRAST, selector
    texts = page.eval_on_selector_all(".chart text", "texts => [...new Set(texts.map(text => getComputedStyle(text).fill))]")
    assert texts
    for text in texts:
        assert measure_contrast(tuple(float(x) for x in re.findall(r"[\d.]+", text)[:3]), paper) >= LEAST_CONTRAST, text
    page.context.close()


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_page_does_not_scroll_sideways(browser: Browser, address: str, width: int) -> None:
    page = open_page(browser, address, width=width)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    wide = "[...document.querySelectorAll('main p, main dl, main li, figure, blockquote, h1, h2, .confusion, .scroll, pre')]"
    over = page.evaluate(
        f"{wide}.filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert over == []
    page.context.close()


def test_letters_of_charts_are_large_enough_on_a_phone(browser: Browser, address: str) -> None:
    page = open_page(browser, address, width=360)
    heights = page.eval_on_selector_all(
        ".chart text", "texts => texts.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)"
    )
    turned = [height for height in heights if height > 1]  # a letter that stands upright has no width in its matrix
    assert turned
    assert min(turned) >= 8.5
    page.context.close()


def test_charts_draw_inside_their_frames_and_labels_do_not_overlap(browser: Browser, address: str) -> None:
    page = open_page(browser, address)
    found = page.evaluate(FIND_MISPLACED)
    assert found == []
    page.context.close()


def test_hostile_reviews_run_nothing(browser: Browser, address: str) -> None:
    page = browser.new_context().new_page()
    alerts = list[str]()
    page.on("dialog", lambda dialog: alerts.append(dialog.message))
    page.goto(address)
    assert alerts == []
    assert page.evaluate("document.scripts.length + document.images.length") == 0
    assert page.locator("blockquote", has_text="<script>alert(1)</script>").count() == 2
    page.context.close()


def test_page_prints_light_and_with_its_folded_parts(browser: Browser, address: str, tmp_path: Path) -> None:
    page = open_page(browser, address, scheme="dark")
    page.emulate_media(media="print")
    assert read_colour(page, "body", "backgroundColor") == (255, 255, 255)
    assert page.eval_on_selector("details table", "table => table.getBoundingClientRect().height") > 100
    assert page.pdf(path=tmp_path / "page.pdf", format="A4").startswith(b"%PDF")
    page.context.close()
