"""Write the pictures of the README, each for a light and a dark page: `python -m tests.images.make [REPORT.html]`.

They go to `.github/images`. With the page of an `evaluate --report`, that one is shown from then on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.helpers.commands import REPOSITORY
from tests.images.frozen import draw_frozen
from tests.images.report import draw_report, read_page
from tests.images.speed import draw_speed
from tests.images.svg import COLOURS

FOLDER = REPOSITORY / ".github" / "images"
PARTS = FOLDER / "report.json"


def draw_all() -> dict[str, str]:
    """Return each picture's file name and content."""
    parts = json.loads(PARTS.read_text(encoding="utf-8"))
    pictures = {}
    for theme in COLOURS:
        pictures[f"frozen-{theme}.svg"] = draw_frozen(theme)
        pictures[f"speed-{theme}.svg"] = draw_speed(theme)
        pictures[f"report-{theme}.svg"] = draw_report(parts, theme)
    return pictures


def main(page: Path | None) -> None:
    """Write the files, and before them what is kept of a page, if one is given."""
    if page is not None:
        PARTS.write_text(json.dumps(read_page(page.read_text(encoding="utf-8")), indent=1) + "\n", encoding="utf-8")
    for name, content in draw_all().items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else None)
