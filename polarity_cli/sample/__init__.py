"""The built-in reviews, written for this program, and the packaged encoder (`sample/encoder`). Used by `data/sources`."""

from __future__ import annotations

from pathlib import Path

SAMPLE_DIR = Path(__file__).parent / "reviews"
"""A source folder with `train.jsonl` and `test.jsonl`."""
