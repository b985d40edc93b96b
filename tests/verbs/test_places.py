"""What `predict` writes is kept apart from what it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.commands import Outcome


@pytest.mark.parametrize("more", [(), ("--limit", "1"), ("--on-error", "skip")])
@pytest.mark.parametrize("named", ["reviews.csv", "./sub/../reviews.csv", "link.csv"])
def test_an_output_that_is_the_input_is_refused(
    polarity: Callable[..., Outcome], tiny_checkpoint: Path, tmp_path: Path, named: str, more: tuple[str, ...]
) -> None:
    rows = "text\ngreat superb love\nawful broken\n"
    (tmp_path / "sub").mkdir()
    (tmp_path / "reviews.csv").write_text(rows)
    (tmp_path / "link.csv").symlink_to("reviews.csv")
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "-i", "reviews.csv", "-o", named, *more)
    assert outcome.code == 2
    assert f"--output {Path(named)}: that is read here, and would be replaced." in outcome.stderr
    assert (tmp_path / "reviews.csv").read_text() == rows


def test_a_folder_of_outputs_that_is_the_folder_of_inputs_is_refused(
    polarity: Callable[..., Outcome], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "reviews").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "reviews" / name).write_text("text\ngreat\n")
    outcome = polarity("predict", "--checkpoint", tiny_checkpoint, "-i", "reviews/a.csv", "-i", "reviews/b.csv", "-o", "reviews")
    assert outcome.code == 2
    assert "would be replaced" in outcome.stderr
    assert (tmp_path / "reviews" / "a.csv").read_text() == "text\ngreat\n"
