"""The tables of a model card: scores, mistakes, blocks that train, graphs, settings. Next: `checkpoint/card`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from polarity_cli.checkpoint.card_metadata import find_judged_split
from polarity_cli.checkpoint.card_words import make_cell, read_interval, read_number

_SHOWN = {
    "f1": "F1 (positive)",
    "f1_macro": "F1 (macro)",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "roc_auc": "ROC AUC",
    "log_loss": "Log loss",
}


def make_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; its cells are written as they are."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def make_score_table(manifest: Mapping[str, Any]) -> str:
    """Return the scores of each split, and the 95% interval of the split that the model is judged by."""
    metrics: dict[str, dict[str, Any]] = manifest.get("metrics") or {}
    if not metrics:
        return "Not evaluated: the data had neither a validation nor a test split."
    judged = find_judged_split(manifest)
    has_intervals = any(read_interval(manifest, key) for key in _SHOWN) and judged is not None
    head = ["metric", *map(make_cell, metrics), *([f"95% interval ({make_cell(str(judged))})"] if has_intervals else [])]
    rows = []
    for key, name in _SHOWN.items():
        values = [_show(scores.get(key)) for scores in metrics.values()]
        rows.append([name, *values, *([_show_interval(read_interval(manifest, key))] if has_intervals else [])])
    counts = [f"{int(read_number(scores.get('n')) or 0):,}" for scores in metrics.values()]
    rows.append(["Reviews", *counts, *([""] if has_intervals else [])])
    return make_table(head, rows)


def make_confusion_table(manifest: Mapping[str, Any]) -> str:
    """Return how many reviews of each class were answered how, with precision and recall; empty where nothing was scored."""
    split = find_judged_split(manifest)
    scores = manifest["metrics"][split] if split else {}
    keys = [f"{of}_as_{answer}" for of in ("negative", "positive") for answer in ("negative", "positive")]
    counts = {key: read_number(scores.get(key)) for key in keys}
    if any(count is None for count in counts.values()):
        return ""
    rows = []
    for of, prefix in (("negative", "negative_"), ("positive", "")):
        shares = [
            f"{_show(scores.get(name))} ({_show_interval(read_interval(manifest, name))})"
            for name in (f"{prefix}precision", f"{prefix}recall")
        ]
        rows.append([of, *(f"{int(counts[f'{of}_as_{answer}'] or 0):,}" for answer in ("negative", "positive")), *shares])
    head = ["label", "answered negative", "answered positive", "precision (95% interval)", "recall (95% interval)"]
    return f"What became of the reviews of {make_cell(str(split))}:\n\n{make_table(head, rows)}\n"


def make_freeze_table(plan: Mapping[str, Any]) -> str:
    """Return which parts of the encoder were trained."""
    cut, n_blocks = plan["cut"], plan["n_blocks"]
    rows = [["embeddings", "trained" if plan["embeddings_train"] else "as in the encoder"]]
    rows += [[_name_blocks(0, cut), "as in the encoder"]] if cut else []
    rows += [[_name_blocks(cut, n_blocks), "trained"]] if cut < n_blocks else []
    has_pooler = any(str(name).endswith("pooler") for name in plan.get("trainable_modules", ()))
    rows.append(["pooler and classifier" if has_pooler else "classifier", "trained"])
    rows.append(["parameters", f"{plan['n_trainable']:,} trained, {plan['n_frozen']:,} as in the encoder"])
    return make_table(["part", "weights"], rows)


def _name_blocks(first: int, end: int) -> str:
    """Return some blocks' numbers, counted from 0 as everywhere here."""
    return f"block {first}" if end - first == 1 else f"blocks {first} to {end - 1}"


def make_graph_table(manifest: Mapping[str, Any]) -> str:
    """Return the checkpoint's graphs and how close each is to the weights; empty where it has none."""
    rows = []
    for key, names in (
        ("graphs", {"fp32": "polarity/fp32.onnx", "int8": "polarity/int8.onnx"}),
        ("onnx", {"fp32": "onnx/model.onnx", "int8": "onnx/model_quantized.onnx"}),
    ):
        found = manifest.get(key)
        for precision, name in names.items():
            figures = found.get(precision) if isinstance(found, Mapping) else None
            if isinstance(found, Mapping) and isinstance(figures, Mapping) and figures.get("written", True):
                asked = "" if precision == found.get("default") else f" --precision {precision}"
                reader = f"`polarity predict{asked}`" if key == "graphs" else "Optimum, ONNX Runtime, transformers.js"
                rows.append([f"`{name}`", reader, *_show_closeness(figures)])
    head = ["graph", "read by", "labels equal to the weights'", "largest difference of a logit", "texts compared"]
    return make_table(head, rows) if rows else ""


def _show_closeness(figures: Mapping[str, Any]) -> list[str]:
    equal, largest, n = (read_number(figures.get(key)) for key in ("equal_labels", "largest_logit_difference", "n_texts"))
    return [
        "-" if equal is None else f"{equal:.2%}",
        "-" if largest is None else f"{largest:.2g}",
        "-" if n is None else f"{n:,.0f}",
    ]


def make_setting_table(manifest: Mapping[str, Any]) -> str:
    """Return the settings of the training run."""
    settings = {"recipe": manifest["recipe"]["name"], "seed": manifest["seed"], **manifest["recipe"]["values"]}
    settings["rows"] = ", ".join(f"{name} {counts['n_rows']:,}" for name, counts in manifest["data"]["splits"].items())
    settings["data fingerprint"] = manifest["data"]["fingerprint"]
    settings["encoder revision"] = manifest["encoder"]["revision"]
    settings["made"] = f"{manifest['created']} with polarity {manifest['versions']['polarity']}"
    shown = {name.replace("_", " ").capitalize(): value for name, value in settings.items() if value is not None}
    return make_table(["setting", "value"], [[make_cell(name), make_cell(str(value))] for name, value in shown.items()])


def _show(value: object) -> str:
    number = read_number(value)
    return "-" if number is None else f"{number:.4f}"


def _show_interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
