"""The front of a model card: what the Hub reads of it, written by the Hub's own library. Next: `checkpoint/card`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from polarity_cli.checkpoint.card_words import (
    find_base_model,
    find_languages,
    is_hub_set,
    make_plain,
    name_encoder,
    name_source,
    read_interval,
    read_number,
    split_config,
)

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_METRICS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "f1": ("f1", "F1 (positive)", {}),
    "f1_macro": ("f1", "F1 (macro)", {"average": "macro"}),
    "accuracy": ("accuracy", "Accuracy", {}),
    "precision": ("precision", "Precision (positive)", {}),
    "recall": ("recall", "Recall (positive)", {}),
    "roc_auc": ("roc_auc", "ROC AUC", {}),
    "matthews": ("matthews_correlation", "Matthews correlation", {}),
}
"""By their names in a manifest: the Hub's own, what a page shows, and what the metric was computed with."""


def make_metadata(manifest: Mapping[str, Any], *, name: str | None = None) -> str:
    """Return the YAML between the two lines `---` of a card.

    Args:
        manifest: of the checkpoint.
        name: what the model is called in its results; None calls it by its encoder.
    """
    from huggingface_hub import ModelCardData

    data, has_graphs = manifest["data"], bool(manifest.get("onnx"))
    results = _list_results(manifest)
    languages = find_languages(manifest)
    card = ModelCardData(
        language=languages[0] if len(languages) == 1 else languages or None,
        license=manifest.get("license"),
        library_name="transformers",
        pipeline_tag="text-classification",
        base_model=find_base_model(manifest["encoder"]),
        datasets=[split_config(data["source"])[0]] if is_hub_set(data) else None,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        tags=["sentiment-analysis", *(["onnx", "transformers.js"] if has_graphs else [])],
        model_name=make_plain(name or f"{name_encoder(manifest['encoder']).rpartition('/')[2]}-sentiment"),
        eval_results=results or None,
    )
    if not results:
        card.pop("model_name")  # which the library would write beside no results
    return str(card.to_yaml())


def find_judged_split(manifest: Mapping[str, Any]) -> str | None:
    """Return the split whose scores speak for the model: never that which chose its weights, unless it has no other."""
    metrics = manifest.get("metrics") or {}
    judged = (manifest.get("judged_by") or {}).get("split")
    return next((split for split in (judged, "test", "out of fold") if split in metrics), None)


def _list_results(manifest: Mapping[str, Any]) -> list[EvalResult]:
    split = find_judged_split(manifest)
    if split is None:
        return []
    scores, about = manifest["metrics"][split], _describe_reviews(manifest, split)
    results = []
    for key in _METRICS:
        value = read_number(scores.get(key))
        if value is not None:
            results.append(_make_result(key, value, read_interval(manifest, key), about))
    return results


def _make_result(key: str, value: float, interval: tuple[float, float] | None, about: Mapping[str, Any]) -> EvalResult:
    """Return a metric as the Hub keeps it.

    A result has no place for an interval. A value as text, "0.91 ± 0.03", could not be sorted by. So `args`, which the Hub keeps
    as they are, have its ends for programs, and the name, which a page shows, has them for people.
    """
    from huggingface_hub import EvalResult

    metric, shown, args = _METRICS[key]
    args = {**args}
    if interval is not None:
        low, high = (round(end, 4) for end in interval)
        args |= {"confidence_level": 0.95, "confidence_interval": [low, high]}
        shown += f", 95% interval {low:.3f} to {high:.3f}"
    return EvalResult(metric_type=metric, metric_value=round(value, 4), metric_name=shown, metric_args=args or None, **about)


def _describe_reviews(manifest: Mapping[str, Any], split: str) -> dict[str, Any]:
    """Return which reviews the scores are of, in the Hub's words."""
    data = manifest["data"]
    repo, config = split_config(data["source"]) if is_hub_set(data) else ("custom", None)
    return {
        "task_type": "text-classification",
        "task_name": "Sentiment analysis" + (" (each review by a model that did not see it)" if split == "out of fold" else ""),
        "dataset_type": repo,
        "dataset_name": make_plain(name_source(data)) or "reviews",
        "dataset_config": config,
        "dataset_split": "train" if split == "out of fold" else make_plain(split),
        "dataset_revision": data["revision"] if is_hub_set(data) else None,
    }
