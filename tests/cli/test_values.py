"""What options' texts mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from polarity_cli.cli.values import parse_output, parse_size
from polarity_cli.errors import UsageError
from polarity_cli.train_config import FeatureCache


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("auto", "auto"),
        ("off", "off"),
        ("0", 0),
        ("512", 512),
        ("500MB", 500_000_000),
        ("1.5 gb", 1_500_000_000),
        ("2TB", 2_000_000_000_000),
        ("64KiB", 65_536),
        ("1GiB", 2**30),
    ],
)
def test_sizes_are_decimal_unless_they_say_otherwise(value: str, expected: FeatureCache) -> None:
    assert parse_size(value, "--feature-cache") == expected


def test_output_that_ends_with_a_slash_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_output("labelled/", "--output") == Path("labelled")
    assert Path("labelled").is_dir()
    assert parse_output("labelled.csv", "--output") == Path("labelled.csv")
    assert not Path("labelled.csv").exists()
    Path("file").write_text("mine")
    with pytest.raises(UsageError, match=r"--output file/: cannot be made"):
        parse_output("file/", "--output")
