"""The model card: a checkpoint's README.md, made from its manifest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from polarity_cli.config import DEFAULT_SOURCE, SAMPLE
from polarity_cli.records import describe_meanings
from polarity_cli.text import make_printable

_SHOWN = {
    "f1": "F1 (positive)",
    "f1_macro": "F1 (macro)",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "roc_auc": "ROC AUC",
    "log_loss": "Log loss",
}

_LONGEST_NAME = 200
"""Characters of a name that the card shows."""
_ENGLISH = (DEFAULT_SOURCE, f"fancyzhx/{DEFAULT_SOURCE}", f"fancyzhx/{DEFAULT_SOURCE}:{DEFAULT_SOURCE}")
"""Sets on the Hub whose reviews are known to be of products, and in English; so are those of the sample."""


def write_card(path: Path, manifest: dict[str, Any]) -> None:
    """Write the model card of a checkpoint."""
    path.write_text(make_card(manifest), encoding="utf-8")


def make_card(manifest: dict[str, Any]) -> str:
    """Return the model card of a checkpoint, in Markdown with what the Hub reads of it in front."""
    data, plan, encoder = manifest["data"], manifest["freeze_plan"], manifest["encoder"]
    source, columns = _quote(_last_part(data["source"])), _quote(": ".join(data["text"]))
    n_parameters = plan["n_trainable"] + plan["n_frozen"]
    is_known = data["source"] == SAMPLE or (data["revision"] is not None and data["source"] in _ENGLISH)
    language = "language: en\n" if is_known else ""
    base_model = f"base_model: {json.dumps(encoder['hub_id'])}\n" if encoder["hub_id"] else ""
    return f"""---
{language}library_name: transformers
pipeline_tag: text-classification
{base_model}tags: [sentiment-analysis]
---

# Sentiment of {"product " if is_known else ""}reviews: negative or positive

{_quote(encoder["hub_id"] or _last_part(encoder["name"]))} with {_describe_trained(plan)} trained ({plan["n_trainable"]:,} of
{n_parameters:,} parameters) on reviews of {source}, read as {columns}, of which
{manifest["max_length"]} tokens are read ({manifest["truncation"]} kept).

{_describe_labels(data)}

## Scores

{_make_table(manifest["metrics"])}
{_describe_trust(manifest)}
## Use

    polarity predict --checkpoint . "great product"

    from transformers import pipeline
    pipeline("text-classification", ".")("great product", truncation=True)

## Training

| setting | value |
|---|---|
{_describe_settings(manifest)}
| Data fingerprint | {_quote(data["fingerprint"])} |
| Encoder revision | {_quote(encoder["revision"])} |
| Made | {manifest["created"]} with polarity {manifest["versions"]["polarity"]} |

It was trained on {_describe_reviews(source, is_known=is_known)}. It knows two classes and no neutral one.
Reviews of other kinds of goods, other languages and texts that are no reviews are outside what its scores speak for.

`training_texts.u64` holds eight bytes of a hash of each training review. `polarity evaluate . reviews.csv` counts by them the
reviews that stood in training.
"""


def _describe_trust(manifest: dict[str, Any]) -> str:
    """Return how far the scores can be trusted: interval, calibration, threshold; empty where nothing of it is known."""
    lines = []
    judged, interval = manifest.get("judged_by"), (manifest.get("intervals") or {}).get("f1")
    if judged and interval:
        lines.append(
            f"F1 on the reviews of {judged['split']} lies between {interval[0]:.3f} and {interval[1]:.3f} (95% interval)."
        )
    calibration, threshold = manifest.get("calibration") or {}, manifest.get("threshold")
    if "temperature" in calibration:
        before, after = calibration["calibration_error_before"], calibration["calibration_error_after"]
        lines.append(
            f"Scores are calibrated by a temperature of {calibration['temperature']:.3f}, fitted on {calibration['fitted_on']}: "
            f"calibration error {before:.3f} before, {after:.3f} after."
        )
    if threshold:
        lines.append(
            f"`polarity predict` is positive from {threshold['positive']:.4f} on: {threshold['precision']:.1%} of the answers\n"
            f"`{threshold['of']}` were right on {threshold['n']:,} reviews ({threshold['found_on']}). Others answer from 0.5 on."
        )
    return "".join(f"\n{line}\n" for line in lines)


def _quote(text: str) -> str:
    """Return a name as a span of code, in which nothing is markup, whatever backticks and line breaks are in it."""
    shown = make_printable(text, instead=" ", keep="")[:_LONGEST_NAME]
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    room = " " if shown.strip() != shown or "`" in shown else ""
    return f"{fence}{room}{shown or '-'}{room}{fence}"


def _last_part(name: str) -> str:
    """Return a local path's last part: a card that is published tells nothing of the disk it was made on."""
    return name if name.count("/") < 2 and not name.startswith((".", "/", "~")) else Path(name).name


def _describe_reviews(source: str, *, is_known: bool) -> str:
    return "English product reviews" if is_known else f"reviews of {source}; their language was not recorded"


def _describe_labels(data: dict[str, Any]) -> str:
    """Return how the label column was read, as a sentence."""
    shown = describe_meanings(data["labels"], quote=_quote)
    return f"Labels come from the column {_quote(data['label'])}{f': {shown}' if shown else ''}."


def _describe_trained(plan: dict[str, Any]) -> str:
    if plan["embeddings_train"]:
        return "everything"
    n_unfrozen = plan["n_blocks"] - plan["cut"]
    blocks = {0: "the classifier alone", 1: "the last block, pooler and classifier"}
    return blocks.get(n_unfrozen, f"the last {n_unfrozen} of {plan['n_blocks']} blocks, pooler and classifier")


def _describe_settings(manifest: dict[str, Any]) -> str:
    settings = {"recipe": manifest["recipe"]["name"], "seed": manifest["seed"], **manifest["recipe"]["values"]}
    settings["rows"] = ", ".join(f"{name} {counts['n_rows']:,}" for name, counts in manifest["data"]["splits"].items())
    shown = {name.replace("_", " ").capitalize(): value for name, value in settings.items() if value is not None}
    return "\n".join(f"| {name} | {value} |" for name, value in shown.items())


def _make_table(metrics: dict[str, dict[str, float | None]]) -> str:
    if not metrics:
        return "Not evaluated: the data had neither a validation nor a test split."
    lines = ["| metric | " + " | ".join(metrics) + " |", "|---|" + "---|" * len(metrics)]
    for key, name in _SHOWN.items():
        values = [values.get(key) for values in metrics.values()]
        lines.append(f"| {name} | " + " | ".join("-" if v is None else f"{v:.4f}" for v in values) + " |")
    lines.append("| Reviews | " + " | ".join(f"{int(values.get('n') or 0):,}" for values in metrics.values()) + " |")
    return "\n".join(lines)
