"""What the program brings with it: reviews written for it, and the way to the packaged encoder."""

from __future__ import annotations

from pathlib import Path

SAMPLE_DIR = Path(__file__).parent / "reviews"
"""A source folder like any other: `train.jsonl` and `test.jsonl`."""
