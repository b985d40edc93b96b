"""Label Parquet files with Spark: spark-submit spark.py CHECKPOINT INPUT OUTPUT, each a path that every node sees."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, StringType, StructField, StructType

from polarity_cli import Predictor

checkpoint, source, output = sys.argv[1:]
predictor = Predictor(checkpoint, threads=1, prefix="predicted_")  # Spark sends it to each worker, which opens it


def label(batches):
    for batch in batches:
        yield predictor(batch)


spark = SparkSession.builder.getOrCreate()
reviews = spark.read.parquet(source)
added = [StructField("predicted_label", StringType()), StructField("predicted_score", DoubleType())]
reviews.mapInArrow(label, StructType([*reviews.schema, *added])).write.parquet(output)
spark.stop()
