"""Label Parquet files with Ray Data: python ray_data.py CHECKPOINT INPUT OUTPUT, each a path that every node sees."""

import sys

import ray

from polarity_cli import Predictor

checkpoint, source, output = sys.argv[1:]
ray.init()
reviews = ray.data.read_parquet(source, num_cpus=0.25).repartition(target_num_rows_per_block=512)
labelled = reviews.map_batches(
    Predictor,
    fn_constructor_kwargs={"checkpoint": checkpoint, "threads": 1},
    concurrency=int(ray.cluster_resources()["CPU"]),  # a worker for each processor, which asks for half of it:
    num_cpus=0.5,  # where workers take all, nobody is left to read and write
    batch_size=512,
    batch_format="pyarrow",
)
labelled.write_parquet(output, ray_remote_args={"num_cpus": 0.25})
