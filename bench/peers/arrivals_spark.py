#!/usr/bin/env python3
"""arrivals_spark.py DIRECTORY SECONDS RATE…: Structured Streaming into the memory sink, asked
with SQL in the same session, as the notebook does it."""

import os
import sys
import time

start = time.perf_counter()

from arrivals import measure, say  # noqa: E402 - the clock runs from the start of the program
from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402

directory, seconds, *rates = sys.argv[1:]
os.makedirs(directory)
with open(os.path.join(directory, "first.json"), "w", encoding="utf-8") as first:
    first.write('{"time":1469501107,"action":"Open"}\n')
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", 2)
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
query = (
    spark.readStream.schema("time bigint, action string")
    .json(directory)
    .groupBy("action", F.window(F.col("time").cast("timestamp"), "1 hour"))
    .count()
    .writeStream.format("memory")
    .queryName("counts")
    .outputMode("complete")
    .start()
)
total = "select coalesce(sum(count), 0) from counts"


def ask():
    return spark.sql(total).collect()[0][0]


while ask() < 1:
    time.sleep(0.01)
print(f"first_answer_s={time.perf_counter() - start:.4f}")
for rate in rates:
    say(*measure(ask, directory, float(rate), float(seconds)))
query.stop()
spark.stop()
