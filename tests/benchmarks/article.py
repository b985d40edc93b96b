"""The rival: the article's recipe as people write it with transformers' Trainer.

A script of its own, so that it starts, imports and runs as such scripts do: fast tokenizer in batches, dynamic padding, the same
frozen blocks, an evaluation after each epoch, and the model saved at the end. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from datasets import load_dataset
from sklearn.metrics import f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder with train.jsonl and validation.jsonl: text, label")
    parser.add_argument("encoder")
    parser.add_argument("out")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--everything", action="store_true", help="freeze nothing")
    parser.add_argument("--started", type=float, required=True, help="when the process was started, in seconds since 1970")
    options = parser.parse_args()

    files = {split: str(options.data / f"{split}.jsonl") for split in ("train", "validation")}
    data = load_dataset("json", data_files=files, cache_dir=f"{options.out}-data")
    tokenizer = AutoTokenizer.from_pretrained(options.encoder)
    data = data.map(lambda rows: tokenizer(rows["text"], truncation=True, max_length=512), batched=True, remove_columns="text")
    model = AutoModelForSequenceClassification.from_pretrained(options.encoder, num_labels=2)
    if not options.everything:
        model.requires_grad_(False)
        for module in (*model.bert.encoder.layer[-2:], model.bert.pooler, model.classifier):
            module.requires_grad_(True)

    seconds: list[float] = []

    class Watch(TrainerCallback):
        def on_evaluate(self, *args: Any, **kwargs: Any) -> None:
            seconds.append(time.time() - options.started)

    trainer = Trainer(
        model,
        TrainingArguments(
            options.out,
            num_train_epochs=options.epochs,
            learning_rate=2e-5,
            weight_decay=0.01,
            per_device_train_batch_size=16,
            per_device_eval_batch_size=16,
            eval_strategy="epoch",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=42,
        ),
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda answers: {"f1": f1_score(answers.label_ids, np.argmax(answers.predictions, axis=-1))},
        callbacks=[Watch()],
    )
    trainer.train()
    trainer.save_model(options.out)
    print(json.dumps({"seconds_to_each_evaluation": seconds}))


if __name__ == "__main__":
    main()
