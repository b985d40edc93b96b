"""Prediction from Parquet to Parquet, whole and without the model. A part of `tests/benchmarks/predict`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.bench import read_reviews

if TYPE_CHECKING:
    from tests.benchmarks.predict import Bench


def compare_parquet(bench: Bench) -> None:
    """The same reviews from Parquet to Parquet and from plain text to plain text; the reading and writing alone; and memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    reviews = [*read_reviews("test"), *read_reviews("train")][: bench.n_rows]
    texts = [" ".join(f"{r['title']}: {r['content']}".split()) for r in reviews]
    plain, table = bench.folder / "texts.txt", bench.folder / "texts.parquet"
    plain.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    pq.write_table(pa.table({"id": range(len(texts)), "text": texts, "tags": [["a", str(i)] for i in range(len(texts))]}), table)
    print(f"\n{len(texts):,} reviews from file to file:", flush=True)
    seconds: dict[str, list[float]] = {"text": [], "parquet": []}
    for number in range(bench.pairs):
        pair = [("text", plain), ("parquet", table)]
        for name, path in pair if number % 2 == 0 else reversed(pair):
            out = bench.folder / f"out{path.suffix}"
            seconds[name].append(bench.ours("--input", path, "--output", out, "--precision", "int8").seconds)
    bench.show("parquet, faster than text", [a / b for a, b in zip(seconds["text"], seconds["parquet"], strict=True)])
    for name, values in seconds.items():
        bench.show(f"{name}, reviews a second", [len(texts) / value for value in values], "")
    for name, path in (("text", plain), ("parquet", table)):
        alone = [1e6 * time_files_alone(path) / len(texts) for _ in range(bench.pairs + 1)][1:]  # the first one imports
        bench.show(f"{name}, reading and writing alone, a review", alone, "us")
    for n_rows in (bench.n_lines // 20, bench.n_lines // 2):
        many = bench.folder / f"many-{n_rows}.parquet"
        titles = [" ".join(reviews[i % len(reviews)]["title"].split()[:4]) or "good" for i in range(n_rows)]
        pq.write_table(pa.table({"id": range(n_rows), "text": titles}), many)
        ours = bench.ours("--input", many, "--output", bench.folder / "many-out.parquet", "--precision", "int8")
        bench.show(f"peak memory, {n_rows:,} short rows of Parquet", [ours.peak_bytes / 1e6], "MB")
        bench.show(f"rows a second, {n_rows:,} short rows of Parquet", [n_rows / ours.seconds], "")


def time_files_alone(path: Path) -> float:
    """Return the seconds that it takes to read a file and write it again with an answer that costs nothing."""
    from polarity_cli.config import ReadOptions
    from polarity_cli.data.reading import read_texts
    from polarity_cli.formats import open_path
    from polarity_cli.formats.output_file import open_output
    from polarity_cli.formats.results import make_writer, name_results
    from polarity_cli.inference.read_ahead import ReadAhead
    from polarity_cli.records import Prediction

    answer = Prediction("positive", 0.75)
    began = time.perf_counter()
    stream = open_path(path, ReadOptions())
    reading = read_texts(stream, option=["text"] if path.suffix == ".parquet" else None)
    with open_output(path.with_name(f"alone{path.suffix}")) as sink:
        writer = make_writer(stream.format, sink, stream, reading.columns, name_results(reading.columns))
        for chunk in ReadAhead(reading.records).chunks():
            for record in chunk.records:
                writer.write(record, answer)
        writer.finish()
    stream.close()
    return time.perf_counter() - began
