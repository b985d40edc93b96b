"""Names and numbers of a manifest as a model card shows them: nothing in them is markup, and none tells of a disk.

A manifest may come from anywhere. Used by `checkpoint/card`, `checkpoint/card_metadata` and `checkpoint/card_tables`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polarity_cli.config import DEFAULT_SOURCE, SAMPLE
from polarity_cli.text import make_printable

_LONGEST_NAME = 200
"""Characters of a name that the card shows."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_AMAZON = f"fancyzhx/{DEFAULT_SOURCE}"
_ENGLISH_SETS = (DEFAULT_SOURCE, _AMAZON, f"{_AMAZON}:{DEFAULT_SOURCE}")
"""Sets on the Hub whose reviews are known to be of products, and in English; so are those of the sample."""
_ENGLISH_ENCODERS = re.compile(
    r"(google-bert/)?bert-(base|large)-(un)?cased(-whole-word-masking)?"
    r"|(distilbert/)?(distilbert-base-(un)?cased|distilroberta-base)"
    r"|(FacebookAI/)?roberta-(base|large)"
    r"|(albert/)?albert-(base|large|xlarge|xxlarge)-v[12]"
    r"|google/(electra-(small|base|large)-discriminator|bert_uncased_L-\d+_H-\d+_A-\d+|mobilebert-uncased)"
    r"|microsoft/(deberta-(v3-(xsmall|small|base|large)|base|large)|MiniLM-L12-H384-uncased|mpnet-base)"
    r"|prajjwal1/bert-(tiny|mini|small|medium)"
    r"|answerdotai/ModernBERT-(base|large)"
    r"|sentence-transformers/all-(MiniLM-L6|MiniLM-L12|mpnet-base|distilroberta)-v[12]"
)


def quote(text: str) -> str:
    """Return a name as a span of code, in which nothing is markup, whatever backticks and line breaks are in it."""
    shown = make_plain(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    room = " " if shown.strip() != shown or "`" in shown else ""
    return f"{fence}{room}{shown or '-'}{room}{fence}"


def make_cell(text: str) -> str:
    """Return a name for a cell of a table: as it is where it is plain, else as a span of code that ends no cell."""
    return text if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 .,:+-]{0,60}", text) else quote(text).replace("|", "\\|")


def escape(sentence: str) -> str:
    """Return a sentence in which nothing is markup."""
    shown = make_printable(sentence, instead=" ", keep="")
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#!|~&$" else c for c in shown)


def make_plain(text: str) -> str:
    """Return a name without what steers a terminal or breaks a line, and no longer than a card shows."""
    return make_printable(text, instead=" ", keep="")[:_LONGEST_NAME]


def name_source(data: Mapping[str, Any]) -> str:
    """Return what a checkpoint's reviews are called: a Hub data set by its id, local files by the last part of their path."""
    source = str(data["source"])
    if is_hub_set(data):
        return source
    return Path(source).name or "reviews"


def name_encoder(encoder: Mapping[str, Any]) -> str:
    """Return what the encoder is called: on the Hub, else the last part of its folder's path."""
    return str(encoder.get("hub_id") or Path(str(encoder["name"])).name or "encoder")


def is_hub_set(data: Mapping[str, Any]) -> bool:
    """Tell whether reviews came from a data set on the Hub; its commit is kept only then."""
    return data.get("revision") is not None and _HUB_ID.fullmatch(split_config(str(data["source"]))[0]) is not None


def split_config(source: str) -> tuple[str, str | None]:
    """Return a Hub data set's full id, and its configuration where one is named."""
    name, _, config = source.partition(":")
    return (_AMAZON if name == DEFAULT_SOURCE else name), config or None


def is_public(data: Mapping[str, Any]) -> bool:
    """Tell whether anybody may have the reviews: those of the Hub and the built-in ones."""
    return (data.get("source") == SAMPLE and not data.get("more_sources")) or is_hub_set(data)


def is_english_set(data: Mapping[str, Any]) -> bool:
    """Tell whether reviews are known to be of products, and in English."""
    return data["source"] == SAMPLE or (data.get("revision") is not None and data["source"] in _ENGLISH_SETS)


def find_base_model(encoder: Mapping[str, Any]) -> str | None:
    """Return the encoder's id on the Hub, where it has one."""
    hub_id = encoder.get("hub_id")
    return hub_id if isinstance(hub_id, str) and _HUB_ID.fullmatch(hub_id) else None


def find_languages(manifest: Mapping[str, Any]) -> list[str]:
    """Return the languages that are known of a model, as codes: those its encoder's card names, else by its name, else none."""
    noted = manifest["encoder"].get("language")
    if isinstance(noted, list) and noted:
        return [code for code in noted if isinstance(code, str) and re.fullmatch(r"[a-z]{2,3}|multilingual|code", code)]
    name = find_base_model(manifest["encoder"]) or str(manifest["encoder"].get("name"))
    return ["en"] if _ENGLISH_ENCODERS.fullmatch(name) or is_english_set(manifest["data"]) else []


def read_number(value: object) -> float | None:
    """Return a finite number; None of anything else."""
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None  # type: ignore[arg-type]


def read_interval(manifest: Mapping[str, Any], metric: str) -> tuple[float, float] | None:
    """Return the two ends of a metric's 95% interval; None where it has none."""
    ends = (manifest.get("intervals") or {}).get(metric)
    low, high = map(read_number, ends) if isinstance(ends, list | tuple) and len(ends) == 2 else (None, None)
    return None if low is None or high is None else (low, high)
