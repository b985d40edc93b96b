"""The layout of the cache directory, and fingerprints. `cache/publish` writes entries, `cache/entries` finds them again.

    <cache>/hub/<owner>--<name>/<revision>/   rows read from a Hub data set
    <cache>/data/<fingerprint>/               tokenized splits and their manifest
    <cache>/features/<fingerprint>/           a split's hidden states at the cut, and the key they were made from
    <cache>/graphs/<fingerprint>/             the graphs of a checkpoint that has none of its own
    <cache>/checkpoints/<time>-<run>/         every run's checkpoint
    <cache>/runs/<fingerprint>/               the states of a run that was interrupted
    <cache>/locks/, <cache>/seen/             locks of entries being made; checked files, and when they were last used

An entry is written to a folder beside its place and renamed when it is whole, so whatever has its final name is complete.
"""

from __future__ import annotations

import hashlib
import json

MANIFEST = "manifest.json"


def fingerprint(value: object) -> str:
    """Return a hash of a value of plain JSON types, 16 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
