"""The rival of `polarity evaluate`: transformers' Trainer scores a checkpoint on a file of reviews, as a script.

python tests/benchmarks/evaluator.py CHECKPOINT reviews.jsonl --batch-size 16 --by-length
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Print what Trainer's evaluation finds, and how long it took, without imports, loading and tokenizing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--by-length", action="store_true", help="batches of like length")
    parser.add_argument("--rows", type=int)
    options = parser.parse_args()
    import numpy as np
    from datasets import Dataset
    from sklearn.metrics import f1_score
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    rows = [json.loads(line) for line in options.reviews.read_text(encoding="utf-8").splitlines()][: options.rows]
    model = AutoModelForSequenceClassification.from_pretrained(options.checkpoint)
    tokenizer: Any = AutoTokenizer.from_pretrained(options.checkpoint)
    texts = [f"{row['title']}: {row['content']}" if row["title"] else row["content"] for row in rows]
    encoded = tokenizer(texts, truncation=True)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    order = sorted(range(len(rows)), key=lengths.__getitem__, reverse=True) if options.by_length else range(len(rows))
    labels = [row["label"] for row in rows]
    dataset = Dataset.from_dict(
        {name: [values[index] for index in order] for name, values in encoded.items()} | {"labels": [labels[i] for i in order]}
    )
    arguments = TrainingArguments(
        output_dir="unused", per_device_eval_batch_size=options.batch_size, report_to=[], use_cpu=True, disable_tqdm=True
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda found: {"f1": f1_score(found.label_ids, np.asarray(found.predictions).argmax(1))},
    )
    started = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):  # where Trainer may print its own
        metrics = trainer.evaluate(dataset)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "n_rows": len(rows), "f1": metrics["eval_f1"]}))


if __name__ == "__main__":
    main()
