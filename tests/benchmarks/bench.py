"""What the training benchmark's parts share: the rows, the two sides' commands, and how figures are shown."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polarity_cli.sample import SAMPLE_DIR
from polarity_cli.sample.encoder import find_sample_encoder
from tests.benchmarks.processes import Run, median, polarity, run, write_rows
from tests.benchmarks.work import Shape, count_ours, count_theirs, measure_peak
from tests.conftest import AMAZON

ARTICLE = Path(__file__).with_name("article.py")


@dataclass
class Bench:
    """One call of this program."""

    folder: Path
    rows: int
    wide_rows: int
    pairs: int
    small: bool
    measured: dict[str, Any] = field(default_factory=dict)
    """Every figure, for `--out`."""

    def prepare(self, rows: int, encoder: str, name: str) -> Path:
        """Write `rows` reviews as our source, and our own split of them as theirs; return the folder of both."""
        from polarity_cli.data.tokenized import read_split

        folder = self.folder / name
        longest = 200 if self.small else None
        reviews = [{"text": r["content"][:longest], "label": r["label"]} for r in read_reviews("train")[:rows]]
        write_rows(folder / "reviews.jsonl", reviews)
        cache = folder / "prepared"
        run(polarity("prepare", *self.describe(folder, encoder, cache)))
        (made,) = (cache / "data").iterdir()
        lengths = {}
        for split in ("train", "validation"):
            part = read_split(made / f"{split}.arrow")
            texts = [{"text": part.get_text(i), "label": int(part.labels[i])} for i in range(len(part))]
            write_rows(folder / f"{split}.jsonl", texts)
            lengths[split] = part.lengths
        np.savez(folder / "lengths.npz", train=lengths["train"], validation=lengths["validation"])
        return folder

    @staticmethod
    def describe(folder: Path, encoder: str, cache: Path) -> list[object]:
        """Return the options that both `prepare` and `train` take."""
        source = (folder / "reviews.jsonl", "--encoder", encoder, "--text", "text", "--rows", "all")
        return [*source, "--test", 0, "--validation", 0.2, "--cache-dir", cache, "--quiet", "--json"]

    def ours(
        self, folder: Path, encoder: str, *options: object, cold: bool = True, environment: dict[str, str] | None = None
    ) -> Run:
        """Train with this program, from an empty cache or from the last run's; without graphs, which the other side has not."""
        cache = folder / "cache"
        if cold:
            shutil.rmtree(cache, ignore_errors=True)
        command = polarity("train", *self.describe(folder, encoder, cache), "--no-graphs", "--out", folder / "ours", *options)
        return run(command, environment=environment)

    def theirs(self, folder: Path, encoder: str, *options: object, environment: dict[str, str] | None = None) -> Run:
        """Train with the article's script."""
        shutil.rmtree(folder / "theirs-data", ignore_errors=True)
        command = (sys.executable, ARTICLE, folder, encoder, folder / "theirs", *options)
        return run(command, environment=environment, started_flag=True)


def read_reviews(split: str) -> list[dict[str, Any]]:
    """Return reviews as title, content and label 0 or 1: the real ones where they are, else the built-in sample's."""
    folder = AMAZON / "amazon_reviews"
    if folder.is_dir():
        import pyarrow.parquet as pq

        rows: list[dict[str, Any]] = pq.read_table(folder / f"{split}.parquet").to_pylist()
    else:
        lines = (SAMPLE_DIR / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [{**row, "label": int(row["label"] in (1, "positive"))} for row in map(json.loads, lines)]
    return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]


def find_encoder() -> str:
    """Return the folder of all-MiniLM-L6-v2: six blocks, 384 wide."""
    return str(find_sample_encoder()[0])


def cut_into_pieces(reviews: list[dict[str, Any]]) -> list[str]:
    """Return runs of 40 words, each beginning 8 words after the one before: more than 50,000 distinct rows."""
    pieces = []
    for review in reviews:
        words = review["content"].split()
        pieces += [" ".join(words[start : start + 40]) for start in range(0, max(1, len(words) - 39), 8)]
    return pieces


def build_wide_encoder(folder: Path, *, small: bool) -> Path:
    """Write a BERT of BERT-base's shape with random weights and the sample encoder's tokenizer, and return its folder."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(0)
    shape = (64, 3, 4, 128) if small else (768, 12, 12, 3072)
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    config: Any = BertConfig
    BertModel(config(vocab_size=30522, **dict(zip(names, shape, strict=True)))).save_pretrained(folder)
    AutoTokenizer.from_pretrained(find_encoder()).save_pretrained(folder)
    return folder


def score(bench: Bench, checkpoint: Path, *options: object) -> dict[str, Any]:
    """Return a checkpoint's metrics on the test reviews, which neither side saw."""
    rows = [{"text": row["content"], "label": row["label"]} for row in read_reviews("test")[: 40 if bench.small else None]]
    test = write_rows(bench.folder / "test.jsonl", rows)
    command = polarity("evaluate", checkpoint, test, "--split", "all", "--rows", "all", "--text", "text", *options)
    metrics: dict[str, Any] = run([*command, "--cache-dir", bench.folder / "scores", "--json", "--quiet"]).output["metrics"]
    return metrics


def keep(bench: Bench, name: str, **runs: Run) -> None:
    """Keep a pair's figures, and show its times."""
    bench.measured[name] = {side: {"seconds": r.seconds, "peak_bytes": r.peak_bytes, **r.output} for side, r in runs.items()}
    print(f"{name}: {', '.join(f'{side} {r.seconds:.1f} s {r.peak_bytes / 1e9:.2f} GB' for side, r in runs.items())}", flush=True)


def show(bench: Bench, title: str, ratios: dict[str, list[float]]) -> None:
    """Print a part's ratios: theirs over ours for times, ours over theirs for memory."""
    print(f"\n{title[0].upper()}{title[1:]} (median of {bench.pairs}, least and most):")
    for name, values in ratios.items():
        print(f"    {name:<28} {median(values):6.2f}   {min(values):.2f} to {max(values):.2f}", flush=True)
    bench.measured[title] = {name: median(values) for name, values in ratios.items()}


def show_scores(bench: Bench, scores: dict[str, dict[str, Any]]) -> None:
    """Print F1 on the test reviews."""
    for name, metrics in scores.items():
        print(f"    F1 on {metrics['n']:.0f} test reviews, {name}: {metrics['f1']:.4f}", flush=True)
    bench.measured.setdefault("scores", {}).update(scores)


def show_work(bench: Bench, folder: Path, three: Run) -> None:
    """Print tokens, operations, and the share of the machine's peak that the pass through the trunk reached."""
    lengths = np.load(folder / "lengths.npz")
    shape = Shape(n_blocks=6, n_heads=12, hidden=384, intermediate=1536)
    train, validation = lengths["train"], lengths["validation"]
    theirs = count_theirs(shape, train, validation, n_trained=2)
    ours = count_ours(shape, train, validation, n_trained=2, seed=42)
    peak = measure_peak()
    rate = ours.trunk_operations / three.output["features"]["trunk_seconds"]
    print(f"    real tokens {ours.real_tokens:,}; padded: theirs {theirs.padded_tokens:,}, ours {ours.padded_tokens:,}")
    print(f"    operations, one epoch: theirs {theirs.operations / 1e12:.2f}e12, ours {ours.operations / 1e12:.2f}e12")
    print(
        f"    matrix-product peak {peak / 1e9:.0f}e9 a second; trunk pass {rate / 1e9:.0f}e9, {rate / peak:.0%} of it", flush=True
    )
    bench.measured["work"] = {"theirs": theirs.__dict__, "ours": ours.__dict__, "peak": peak, "trunk_share": rate / peak}
