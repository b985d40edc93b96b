"""The manifest of tokenized reviews: what is read of it, and that nothing of another type is."""

from __future__ import annotations

from typing import Any

import pytest

from polarity_cli.data.prepared import PreparedManifest, is_of_reviews

COUNTS = {"n_rows": 3, "n_positive": 1, "n_negative": 2, "n_tokens": 40}


def make_manifest(**changes: Any) -> dict[str, Any]:
    return {
        "key": {"files": {}},
        "source": "reviews.csv",
        "encoder": "sample",
        "revision": None,
        "text": ["title", "content"],
        "label": "label",
        "labels": {"0": "negative", "1": "positive"},
        "rule": {},
        "left_out": {},
        "splits": {"train": COUNTS},
        "notes": [],
        "files": {"train.arrow": {"size": 1, "sha256": "0"}},
        **changes,
    }


def test_manifest_is_read_as_it_was_written() -> None:
    manifest = PreparedManifest.from_json(make_manifest())
    assert manifest.splits["train"].n_negative == 2
    assert manifest.splits_as_json == {"train": COUNTS}
    assert (manifest.text, manifest.revision) == (("title", "content"), None)


@pytest.mark.parametrize("name", ["key", "source", "encoder", "text", "label", "labels", "rule", "left_out", "splits", "notes"])
@pytest.mark.parametrize("value", [None, 1, [1]])
def test_value_of_another_type_is_refused(name: str, value: object) -> None:
    assert is_of_reviews(make_manifest())
    assert not is_of_reviews(make_manifest(**{name: value}))


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": 1},
        {"labels": {"0": 1}},
        {"splits": {"train": None}},
        {"splits": {"train": {**COUNTS, "n_rows": "3"}}},
        {"splits": {"train": {**COUNTS, "n_rows": True}}},
        {"splits": {"train": {name: n for name, n in COUNTS.items() if name != "n_tokens"}}},
        {"splits": {"train": COUNTS, "test": COUNTS}},
        {"files": {}},
    ],
)
def test_wrong_content_is_refused(changes: dict[str, Any]) -> None:
    assert not is_of_reviews(make_manifest(**changes))
