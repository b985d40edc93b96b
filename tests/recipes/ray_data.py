"""Label Parquet files with Ray Data: python ray_data.py CHECKPOINT INPUT OUTPUT, each a path that every node sees."""

import sys

import ray

from polarity_cli import Predictor

checkpoint, source, output = sys.argv[1:]
ray.init()
n_workers = int(ray.cluster_resources()["CPU"])  # one for each processor; they reserve half of it, so that reading has room
reviews = ray.data.read_parquet(source, num_cpus=0.25).repartition(target_num_rows_per_block=512)
worker = {"fn_constructor_kwargs": {"checkpoint": checkpoint, "threads": 1}, "num_cpus": 0.5, "batch_format": "pyarrow"}
labelled = reviews.map_batches(Predictor, **worker, batch_size=512, concurrency=n_workers)
labelled.write_parquet(output, ray_remote_args={"num_cpus": 0.25})
