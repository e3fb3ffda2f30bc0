#!/usr/bin/env python3
"""Polars: a lazy scan with the schema given, collected by its streaming engine."""

import os

from answer import arguments, give

shape, threads, directory = arguments()
os.environ["POLARS_MAX_THREADS"] = str(threads)

import polars  # noqa: E402 - reads its environment when it is imported

events = polars.scan_ndjson(
    os.path.join(directory, "*"),
    schema={"time": polars.Int64 if shape == "narrow" else polars.String, "action": polars.String},
    ignore_errors=False,
)
time = polars.col("time")
if shape == "wide":
    time = time.str.to_datetime("%Y-%m-%dT%H:%M:%SZ").dt.epoch("s")
give(
    lambda: events.group_by("action", (time - time % 3600).alias("hour"))
    .len()
    .collect(engine="streaming")
    .rows()
)
