"""The model card: a checkpoint's README.md, made from its manifest.

What the Hub reads of it stands in front, see `checkpoint/card_metadata`; the rest is for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polarity_cli.checkpoint.card_metadata import make_metadata
from polarity_cli.checkpoint.card_tables import (
    make_confusion_table,
    make_freeze_table,
    make_graph_table,
    make_score_table,
    make_setting_table,
)
from polarity_cli.checkpoint.card_words import escape, find_languages, is_english_set, name_encoder, name_source, quote
from polarity_cli.records import describe_meanings

CARD = "README.md"
_HERE = "."


def write_card(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write the model card of a checkpoint."""
    path.write_text(make_card(manifest), encoding="utf-8")


def make_card(manifest: Mapping[str, Any], *, repo: str | None = None) -> str:
    """Return the model card of a checkpoint, in Markdown with what the Hub reads of it in front.

    Args:
        manifest: of the checkpoint.
        repo: its id on the Hub, `USER/NAME`; None says how the folder is used where it is.
    """
    metadata = make_metadata(manifest, name=repo and repo.rpartition("/")[2])
    parts = [
        _describe_model(manifest),
        _describe_labels(manifest["data"]),
        "## Scores",
        make_score_table(manifest),
        make_confusion_table(manifest),
        *_describe_trust(manifest),
        "## Use",
        *_describe_use(manifest, repo or _HERE),
        "## Limits",
        _describe_limits(manifest),
        "## Training",
        make_freeze_table(manifest["freeze_plan"]),
        make_setting_table(manifest),
        _describe_hashes(manifest),
    ]
    return f"---\n{metadata}\n---\n\n" + "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _describe_model(manifest: Mapping[str, Any]) -> str:
    data, plan = manifest["data"], manifest["freeze_plan"]
    source, columns = quote(name_source(data)), quote(": ".join(data["text"]))
    n_parameters = plan["n_trainable"] + plan["n_frozen"]
    return f"""# Sentiment of {"product " if is_english_set(data) else ""}reviews: negative or positive

{quote(name_encoder(manifest["encoder"]))} with {_describe_trained(plan)} trained ({plan["n_trainable"]:,} of
{n_parameters:,} parameters) on reviews of {source}, read as {columns}, of which
{manifest["max_length"]} tokens are read ({manifest["truncation"]} kept)."""


def _describe_trained(plan: Mapping[str, Any]) -> str:
    if plan["embeddings_train"]:
        return "everything"
    n_unfrozen = plan["n_blocks"] - plan["cut"]
    blocks = {0: "the classifier alone", 1: "the last block, pooler and classifier"}
    return blocks.get(n_unfrozen, f"the last {n_unfrozen} of {plan['n_blocks']} blocks, pooler and classifier")


def _describe_labels(data: Mapping[str, Any]) -> str:
    """Return how the label column was read, as a sentence."""
    shown = describe_meanings(data["labels"], quote=quote)
    return f"Labels come from the column {quote(data['label'])}{f': {shown}' if shown else ''}."


def _describe_trust(manifest: Mapping[str, Any]) -> list[str]:
    """Return how far the scores can be trusted: calibration, threshold, what the run's own checks say."""
    lines = []
    calibration, threshold = manifest.get("calibration") or {}, manifest.get("threshold")
    if "temperature" in calibration:
        before, after = calibration["calibration_error_before"], calibration["calibration_error_after"]
        lines.append(
            f"Scores are calibrated by a temperature of {calibration['temperature']:.3f}, fitted on {calibration['fitted_on']}: "
            f"calibration error {before:.3f} before, {after:.3f} after."
        )
    elif calibration.get("reason"):
        lines.append(f"Scores are not calibrated: {escape(str(calibration['reason']))}.")
    if threshold:
        lines.append(
            f"`polarity predict` is positive from {threshold['positive']:.4f} on: {threshold['precision']:.1%} of the answers\n"
            f"`{threshold['of']}` were right on {threshold['n']:,} reviews ({threshold['found_on']}). Others answer from 0.5 on."
        )
    return lines


def _describe_use(manifest: Mapping[str, Any], where: str) -> list[str]:
    """Return how the model is used from each program that can, and its graphs."""
    parts = [
        f'```bash\npolarity predict --checkpoint {where} "great product"\n```',
        "```python\nfrom transformers import pipeline\n\n"
        f'classify = pipeline("text-classification", "{where}")\nclassify("great product", truncation=True)\n```',
    ]
    onnx = manifest.get("onnx")
    if onnx:
        parts += [
            "With ONNX Runtime through Optimum:",
            "```python\nfrom optimum.onnxruntime import ORTModelForSequenceClassification\n"
            "from transformers import AutoTokenizer, pipeline\n\n"
            f'model = ORTModelForSequenceClassification.from_pretrained("{where}", subfolder="onnx", file_name="model.onnx")\n'
            f'classify = pipeline("text-classification", model, tokenizer=AutoTokenizer.from_pretrained("{where}"))\n```',
            "In a browser, through transformers.js:",
            '```js\nimport { pipeline } from "@huggingface/transformers";\n\n'
            f'const classify = await pipeline("text-classification", "{"USER/NAME" if where == _HERE else where}", '
            f'{{ dtype: "{_find_dtype(onnx)}" }});\nawait classify("great product");\n```',
        ]
    return [*parts, make_graph_table(manifest)]


def _find_dtype(onnx: Mapping[str, Any]) -> str:
    """Return what transformers.js calls the smallest graph: `q8` is `model_quantized.onnx`."""
    return "q8" if (onnx.get("int8") or {}).get("written", True) else "fp32"


def _describe_limits(manifest: Mapping[str, Any]) -> str:
    data, languages = manifest["data"], find_languages(manifest)
    source = quote(name_source(data))
    what = "English product reviews" if is_english_set(data) else f"reviews of {source}; their language was not recorded"
    encoder = f" Its encoder reads {', '.join(map(quote, languages))}." if languages and not is_english_set(data) else ""
    return (
        f"It was trained on {what}.{encoder} It knows two classes and no neutral one.\n"
        "Reviews of other kinds of goods, other languages and texts that are no reviews are outside what its scores speak for."
        f"{_list_checks(manifest)}"
    )


def _list_checks(manifest: Mapping[str, Any]) -> str:
    checks = manifest.get("checks")
    messages = [check.get("message") for check in checks if isinstance(check, dict)] if isinstance(checks, list) else []
    shown = [f"- {escape(message)}" for message in messages if isinstance(message, str)]
    return "\n".join(["\n\nWhat the checks of its scores say:\n", *shown]) if shown else ""


def _describe_hashes(manifest: Mapping[str, Any]) -> str:
    """Return what the list of training texts is; empty where a published checkpoint goes without it."""
    if manifest.get("withheld"):
        return ""
    return (
        "`training_texts.u64` holds eight bytes of a hash of each training review. `polarity evaluate . reviews.csv` counts by\n"
        "them the reviews that stood in training."
    )
