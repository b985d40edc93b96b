"""What options' texts mean."""

from __future__ import annotations

import pytest

from polarity_cli.cli.values import parse_size
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
