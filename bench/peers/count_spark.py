#!/usr/bin/env python3
"""Apache Spark: the batch query of the notebook, schema given, local[THREADS].

The session is up and one small job has run before the clock starts."""

import glob
import os

from answer import arguments, give
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

shape, threads, directory = arguments()
spark = (
    SparkSession.builder.master(f"local[{threads}]")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", threads)
    .config("spark.driver.memory", "4g")
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")


def count(path):
    kind = "bigint" if shape == "narrow" else "timestamp"
    events = spark.read.schema(f"time {kind}, action string").json(path)
    return (
        events.groupBy("action", F.window(F.col("time").cast("timestamp"), "1 hour").alias("w"))
        .count()
        .select("action", F.col("w.start").cast("long"), "count")
        .collect()
    )


count(sorted(glob.glob(os.path.join(directory, "*")))[0])
give(lambda: count(directory))
spark.stop()
