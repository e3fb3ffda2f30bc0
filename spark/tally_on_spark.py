#!/usr/bin/env python3
"""The same configuration file on Apache Spark.

    spark-submit spark/tally_on_spark.py --config tallyd.conf [options]

Reads tallyd's INI file, builds the same queries with Structured Streaming and
writes each as a table of the same name and columns. For whoever outgrows one
machine: the SQL stays what it was. PySpark 3.5 and 4.

    --config FILE          the configuration
    --available-now        take what is there, then stop
    --sink memory|console|parquet|jdbc
                           memory (default): tables in this session, for a look
    --path DIR             parquet: one directory a query below DIR
    --jdbc-url URL         jdbc: one table a query, replaced after each batch
    --checkpoint DIR       where Spark keeps its checkpoints (needed for parquet and jdbc)
    --sql TEXT             with --available-now and memory: print the answer of TEXT
    --dump FILE            with --available-now: write all tables as JSON lines to FILE
    --batches DIR          one JSON file a batch with the table after it, for comparisons

Keys that have no counterpart in Spark are refused by name.
"""

import argparse
import configparser
import json
import os
import re
import sys

SOURCE_DEFAULTS = {
    "path": "/var/lib/tallyd/events",
    "glob": "*",
    "recursive": "no",
    "poll_interval": "1 second",
    "trigger": "0 seconds",
    "max_files_per_trigger": "0",
    "max_bytes_per_trigger": "256 MiB",
    "max_file_age": "",
    "max_event_bytes": "16 MiB",
    "time_field": "time",
    "time_unit": "s",
    "on_malformed": "keep",
    "clean_source": "off",
    "archive_dir": "",
}
QUERY_DEFAULTS = {
    "source": "",
    "group_by": "action",
    "window": "1 hour",
    "slide": "",
    "start_offset": "0 seconds",
    "session": "",
    "watermark": "",
    "output_mode": "complete",
    "retention": "",
    "max_groups": "10000000",
}
# What Spark cannot do, and why: refused where it is set to something else than the default.
NO_COUNTERPART = {
    "max_event_bytes": "Spark's JSON reader has no such limit",
    "on_malformed": "Spark's modes drop or fail whole files; use Spark's own reader options",
    "retention": "Spark drops no rows of a finished window; use a watermark",
    "max_groups": "Spark's state has no limit",
}
TRUE = {"yes", "on", "true", "1"}


class Refused(Exception):
    """A configuration that Spark cannot run; the text says why and what to do."""


def read_config(path):
    """Sources and queries as dictionaries with every default filled in."""
    parser = configparser.ConfigParser(
        inline_comment_prefixes=(" ;",),
        comment_prefixes=("#", ";"),
        interpolation=None,
        strict=True,
        empty_lines_in_values=False,
    )
    parser.optionxform = str
    if not parser.read(path):
        raise Refused(f"{path}: cannot be read")
    sources, queries = {}, {}
    for section in parser.sections():
        kind, _, name = section.partition(" ")
        name = name.strip()
        if kind == "source" and name:
            sources[name] = fill(path, section, parser[section], SOURCE_DEFAULTS)
        elif kind == "query" and name:
            queries[name] = fill(path, section, parser[section], QUERY_DEFAULTS)
        elif section not in ("tallyd", "http"):
            raise Refused(f"{path}: [{section}]: unknown section")
    if not sources:
        sources["events"] = dict(SOURCE_DEFAULTS)
    if not queries:
        queries["counts"] = dict(QUERY_DEFAULTS)
    for name, query in queries.items():
        if not query["source"]:
            query["source"] = "events" if "events" in sources or len(sources) > 1 else next(iter(sources))
        if query["source"] not in sources:
            raise Refused(f"{path}: [query {name}]: source: no source is called \"{query['source']}\"")
    return sources, queries


def fill(path, section, given, defaults):
    values = dict(defaults)
    for key, value in given.items():
        if key not in defaults:
            raise Refused(f"{path}: [{section}]: {key}: unknown key")
        value = value.strip()
        if key in NO_COUNTERPART and value != defaults[key]:
            raise Refused(f"{path}: [{section}]: {key}: no counterpart on Spark: {NO_COUNTERPART[key]}")
        values[key] = value
    return values


def size_in_bytes(text):
    match = re.fullmatch(r"(\d+)\s*(KiB|MiB|GiB|KB|MB|GB)?", text)
    if not match:
        raise Refused(f"\"{text}\" is no size")
    unit = {None: 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
    return int(match[1]) * unit[match[2]]


def fields_of(query):
    """[(dotted path, column)] of group_by."""
    fields = []
    for part in filter(None, (p.strip() for p in query["group_by"].split(","))):
        match = re.fullmatch(r"(\S+)(?:\s+[aA][sS]\s+(\w+))?", part)
        if not match:
            raise Refused(f"group_by: \"{part}\" is neither a field nor a field AS name")
        fields.append((match[1], match[2] or match[1].split(".")[-1]))
    return fields


def schema_of(time_field, paths):
    """A schema with the time and every group field; dotted paths become nested structs."""
    from pyspark.sql.types import StringType, StructField, StructType

    tree = {}
    for path in [time_field, *paths]:
        node = tree
        *outer, last = path.split(".")
        for name in outer:
            node = node.setdefault(name, {})
            if node is None:
                raise Refused(f"{path}: a field is asked for both as a value and as an object")
        node.setdefault(last, None)

    def build(node):
        return StructType(
            [StructField(name, StringType() if inner is None else build(inner)) for name, inner in node.items()]
        )

    return build(tree)


def time_column(time_field, unit):
    """The event time: numbers by time_unit, exact in decimal, strings by Spark's own cast."""
    from pyspark.sql import functions as F

    text = F.col(quoted(time_field))
    micros = {"s": 6, "ms": 3, "us": 0, "ns": -3}[unit]
    number = F.expr(f"try_cast({quoted(time_field)} as decimal(38, 9))")
    scaled = F.floor(number * F.expr(f"cast(1e{micros} as decimal(20, 9))" if micros < 0 else f"{10 ** micros}"))
    from_number = F.timestamp_micros(scaled.cast("bigint"))
    return F.when(text.rlike(r"^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"), from_number).otherwise(
        F.expr(f"try_cast({quoted(time_field)} as timestamp)")
    )


def quoted(path):
    return ".".join(f"`{part}`" for part in path.split("."))


def build_query(spark, source, query):
    """The streaming frame with the columns of tallyd's table."""
    from pyspark.sql import functions as F

    fields = fields_of(query)
    reader = (
        spark.readStream.format("json")
        .schema(schema_of(source["time_field"], [path for path, _ in fields]))
        .option("allowSingleQuotes", "false")
    )
    if source["glob"] != "*":
        reader = reader.option("pathGlobFilter", source["glob"])
    if source["recursive"].lower() in TRUE:
        reader = reader.option("recursiveFileLookup", "true")
    if source["max_files_per_trigger"] != "0":
        reader = reader.option("maxFilesPerTrigger", source["max_files_per_trigger"])
    elif size_in_bytes(source["max_bytes_per_trigger"]) > 0:
        reader = reader.option("maxBytesPerTrigger", str(size_in_bytes(source["max_bytes_per_trigger"])))
    if source["max_file_age"]:
        reader = reader.option("maxFileAge", source["max_file_age"])
    else:
        reader = reader.option("maxFileAge", "36500d")
    if source["clean_source"] != "off":
        reader = reader.option("cleanSource", source["clean_source"])
        if source["clean_source"] == "archive":
            reader = reader.option("sourceArchiveDir", source["archive_dir"])

    columns = [F.col(quoted(path)).alias(column) for path, column in fields]
    events = reader.load(source["path"]).select(
        time_column(source["time_field"], source["time_unit"]).alias("__time"), *columns
    )
    if query["watermark"]:
        events = events.withWatermark("__time", query["watermark"])
    if query["session"]:
        window = F.session_window("__time", query["session"])
        events = events.where(F.col("__time").isNotNull())
    else:
        window = F.window(
            "__time", query["window"], query["slide"] or query["window"], query["start_offset"]
        )
    keys = [F.col(f"`{column}`") for _, column in fields]
    if query["session"] and not keys:
        keys = [F.lit("").alias("__all")]
    counted = events.groupBy(*keys, window.alias("__window")).count()
    return counted.select(
        *[F.col(f"`{column}`") for _, column in fields],
        F.col("__window.start").alias("window_start"),
        F.col("__window.end").alias("window_end"),
        F.col("count"),
    )


def start_query(name, frame, source, query, options):
    writer = frame.writeStream.queryName(name).outputMode(query["output_mode"])
    if options.available_now:
        writer = writer.trigger(availableNow=True)
    elif source["trigger"] != "0 seconds":
        writer = writer.trigger(processingTime=source["trigger"])
    if options.checkpoint:
        writer = writer.option("checkpointLocation", os.path.join(options.checkpoint, name))
    if options.batches:
        writer = writer.foreachBatch(lambda rows, batch: dump_batch(rows, batch, name, query, options.batches))
    elif options.sink == "jdbc":
        mode = "overwrite" if query["output_mode"] == "complete" else "append"
        writer = writer.foreachBatch(
            lambda rows, _: rows.write.jdbc(options.jdbc_url, name, mode=mode, properties={"truncate": "true"})
        )
    elif options.sink == "parquet":
        if query["output_mode"] == "append":
            writer = writer.format("parquet").option("path", os.path.join(options.path, name))
        else:
            target = os.path.join(options.path, name)
            writer = writer.foreachBatch(lambda rows, _: rows.write.mode("overwrite").parquet(target))
    else:
        writer = writer.format(options.sink)
    return writer.start()


def rows_of(frame):
    """Rows as JSON-ready dictionaries with tallyd's spelling of times."""
    from pyspark.sql import functions as F

    shown = frame
    for column in ("window_start", "window_end"):
        shown = shown.withColumn(column, F.col(column).cast("string"))
    return [row.asDict() for row in shown.collect()]


def dump_batch(frame, batch, name, query, directory):
    rows = rows_of(frame)
    path = os.path.join(directory, f"{name}-{batch:06d}.json")
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump({"query": name, "batch": batch, "mode": query["output_mode"], "rows": rows}, file)
    os.rename(path + ".tmp", path)


WINDOW_OR_QUOTED = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \bwindow\s*\.\s*(start|end)\b""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def dialect(text):
    """window.start and window.end as tallyd takes them: the tables have columns, not a struct."""
    return WINDOW_OR_QUOTED.sub(lambda m: f"window_{m[1].lower()}" if m[1] else m[0], text)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--available-now", action="store_true")
    parser.add_argument("--sink", choices=["memory", "console", "parquet", "jdbc"], default="memory")
    parser.add_argument("--path")
    parser.add_argument("--jdbc-url")
    parser.add_argument("--checkpoint")
    parser.add_argument("--sql", action="append", default=[])
    parser.add_argument("--dump")
    parser.add_argument("--batches")
    options = parser.parse_args()
    if options.sink == "parquet" and not (options.path and options.checkpoint):
        parser.error("--sink parquet needs --path and --checkpoint")
    if options.sink == "jdbc" and not (options.jdbc_url and options.checkpoint):
        parser.error("--sink jdbc needs --jdbc-url and --checkpoint")
    if (options.sql or options.dump) and not (options.available_now and options.sink == "memory"):
        parser.error("--sql and --dump go with --available-now and the memory sink")
    return options


def main():
    options = parse_options()
    try:
        sources, queries = read_config(options.config)
    except (Refused, configparser.Error) as refusal:
        print(refusal, file=sys.stderr)
        return 78

    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.appName("tally")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    # Spark's 200 state partitions cost more than these tables are worth; one a core does.
    if spark.conf.get("spark.sql.shuffle.partitions") == "200":
        spark.conf.set("spark.sql.shuffle.partitions", str(spark.sparkContext.defaultParallelism))
    try:
        running = [
            start_query(name, build_query(spark, sources[query["source"]], query), sources[query["source"]], query, options)
            for name, query in queries.items()
        ]
    except Refused as refusal:
        print(f"{options.config}: {refusal}", file=sys.stderr)
        return 78
    if options.available_now:
        for query in running:
            query.awaitTermination()
    else:
        spark.streams.awaitAnyTermination()
    for text in options.sql:
        spark.sql(dialect(text)).show(1000, truncate=False)
    if options.dump:
        with open(options.dump, "w", encoding="utf-8") as file:
            for name in queries:
                for row in rows_of(spark.table(name)):
                    file.write(json.dumps({"table": name, **row}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
