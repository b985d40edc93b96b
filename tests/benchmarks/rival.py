"""The rival of `tests.benchmarks.predict`: transformers' pipeline, as a script that labels the lines of a file or one text.

python tests/benchmarks/rival.py CHECKPOINT --input FILE --batch-size 8
python tests/benchmarks/rival.py CHECKPOINT --text "great product"
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    """Print label, score and text, as `polarity predict` does, and then how long the labelling took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
    parser.add_argument("--input", type=Path)
    parser.add_argument("--text")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--output", type=Path, default=Path("/dev/null"))
    options = parser.parse_args()
    from transformers import pipeline
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    classify = pipeline("text-classification", options.checkpoint, device="cpu")
    lines = [options.text] if options.text else options.input.read_text(encoding="utf-8").splitlines()[: options.rows]

    def texts() -> Iterator[str]:
        yield from lines  # the pipeline batches what a generator gives

    started = time.perf_counter()
    answers: Any = classify(texts(), batch_size=options.batch_size, truncation=True)  # type: ignore[arg-type]
    with options.output.open("w", encoding="utf-8") as out:
        for line, answer in zip(lines, answers, strict=True):
            out.write(f"{answer['label']}\t{answer['score']:.2f}\t{line}\n")
    print(json.dumps({"seconds_to_label": time.perf_counter() - started, "n_rows": len(lines)}))


if __name__ == "__main__":
    main()
