#!/usr/bin/env python3
"""The same configuration file on Apache Spark.

    spark-submit spark/tally_on_spark.py --config tallyd.conf [options]

Reads tallyd's INI file, builds the same queries with Structured Streaming and
writes each as a table of the same name and columns. For whoever outgrows one
machine: the SQL stays what it was. PySpark 3.5 and 4.

    --config FILE          the configuration
    --available-now        take what is there, then stop
    --sink memory|console|parquet|jdbc
                           memory (default): tables in this session, for a look;
                           output_mode = update goes with console and jdbc alone
    --path DIR             parquet: one directory a query below DIR
    --jdbc-url URL         jdbc: one table a query; each batch is one transaction
    --jdbc-driver CLASS    its driver (known for PostgreSQL and SQLite); the jar goes with --jars
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
# The daemon's own keys, which say nothing about the queries; a zone does.
DAEMON_DEFAULTS = {key: None for key in (
    "socket", "socket_mode", "socket_group", "postgres", "state_dir", "threads", "max_sessions", "max_running_queries",
    "query_timeout", "idle_transaction_timeout", "query_memory", "max_result_bytes", "snapshot_file", "snapshot_interval", "log_level")}
DAEMON_DEFAULTS["timezone"] = "UTC"
# What Spark cannot do, and why: refused where it is set to something else than the default.
NO_COUNTERPART = {
    "timezone": "the session is in UTC as the columns are; set spark.sql.session.timeZone in your own programs",
    "poll_interval": "Spark looks at the directory at each trigger; set trigger",
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
        inline_comment_prefixes=(";",),
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
        elif section in ("tallyd", "http"):
            fill(path, section, parser[section], DAEMON_DEFAULTS if section == "tallyd" else {"listen": None})
        else:
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
        refuse_modes(path, name, query)
    return sources, queries


def refuse_modes(path, name, query):
    """As tallyd refuses them."""
    if query["output_mode"] not in ("complete", "append", "update"):
        raise Refused(f"{path}: [query {name}]: output_mode: \"{query['output_mode']}\" is neither complete, append nor update")
    if query["output_mode"] == "append" and not query["watermark"]:
        raise Refused(f"{path}: [query {name}]: output_mode: append needs a watermark")
    if query["output_mode"] == "update" and query["session"]:
        raise Refused(f"{path}: [query {name}]: output_mode: update does not go with session")


def refuse_sink(queries, sink):
    """A sink that can only add rows, or replace all, cannot keep a table that is updated."""
    for name, query in queries.items():
        if query["output_mode"] == "update" and sink in ("memory", "parquet"):
            raise Refused(f"[query {name}]: output_mode: update: --sink {sink} cannot change rows; take jdbc or console")


def fill(path, section, given, defaults):
    values = dict(defaults)
    for key, value in given.items():
        if key not in defaults:
            raise Refused(f"{path}: [{section}]: {key}: unknown key")
        value = value.strip()
        if key in NO_COUNTERPART and value != defaults[key]:
            raise Refused(f"{path}: [{section}]: {key}: no counterpart on Spark: {NO_COUNTERPART[key]}")
        values[key] = value
    if values.get("max_files_per_trigger", "0") != "0" and values["max_bytes_per_trigger"] != defaults["max_bytes_per_trigger"]:
        raise Refused(f"{path}: [{section}]: max_bytes_per_trigger: no counterpart on Spark: it takes one limit of a trigger, "
                      "and max_files_per_trigger is set")
    return values


SECONDS = {"week": 604800, "day": 86400, "hour": 3600, "minute": 60, "second": 1}


def seconds_of(text):
    """A duration as tallyd writes it, for options of Spark that want "604800s"."""
    if not re.fullmatch(r"(\s*\d+ (week|day|hour|minute|second)s?)+\s*", text):
        raise Refused(f"\"{text}\" is no duration of whole seconds, such as 7 days")
    return sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"(\d+) (\w+?)s?\b", text))


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


# Times of the years 0001 to 9999 count, in seconds since 1970; one beyond them must not end the query.
FIRST_SECOND, PAST_LAST_SECOND = -62135596800, 253402300800
NUMBER = "^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"
DATE, CLOCK, ZONE = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", "[0-9]{1,2}:[0-9]{2}", "Z|[+-][0-9]{2}(:?[0-9]{2})?"
TEXT = f"^{DATE}([T ]{CLOCK}(:[0-9]{{2}}([.][0-9]+)?)?)?({ZONE})?$"


def time_column(time_field, unit):
    """The event time: numbers by time_unit, exact in decimal; texts of tallyd's grammar by Spark's
    own cast, which wants seconds before a zone. Null where tallyd has a reject."""
    from pyspark.sql import functions as F

    text, field = F.col(quoted(time_field)), quoted(time_field)
    a_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    number = F.expr(f"try_cast({field} as decimal(38, 9))")
    in_range = (number >= FIRST_SECOND * a_second) & (number < PAST_LAST_SECOND * a_second)
    micros = F.floor(number * F.lit(10**6 // a_second) if a_second <= 10**6 else number / F.lit(1000))
    whole = f"regexp_replace({field}, '^({DATE})({ZONE})$', '$1T00:00:00$2')"
    whole = f"regexp_replace({whole}, '^({DATE}[T ]{CLOCK})({ZONE})$', '$1:00$2')"
    from_text = F.expr(f"try_cast(case when {field} rlike '{TEXT}' then {whole} end as timestamp)")
    seconds = F.unix_seconds(from_text)
    return F.when(text.rlike(NUMBER), F.when(in_range, F.timestamp_micros(micros.cast("bigint")))).otherwise(
        F.when((seconds >= FIRST_SECOND) & (seconds < PAST_LAST_SECOND), from_text)
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
        reader = reader.option("maxFileAge", f"{seconds_of(source['max_file_age'])}s")
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
        # Spark wants a key beside the session, and takes no literal for one.
        keys = [(F.unix_micros("__time") % 1).alias("__all")]
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
        writer = writer.foreachBatch(lambda rows, _: write_jdbc(rows, name, query, options.jdbc_url, options.jdbc_driver))
    elif options.sink == "parquet":
        target = os.path.join(options.path, name)
        if query["output_mode"] == "append":
            writer = writer.format("parquet").option("path", target)
        else:
            writer = writer.foreachBatch(lambda rows, _: rows.write.mode("overwrite").parquet(target))
    else:
        writer = writer.format(options.sink)
    return writer.start()


# By the name of the database in the URL: a driver that came with --jars is found by its class alone.
JDBC_DRIVERS = {"postgresql": "org.postgresql.Driver", "sqlite": "org.sqlite.JDBC"}


def write_jdbc(rows, name, query, url, driver):
    """One batch into the table `name`: all of its rows (complete), or the rows with the same keys,
    are replaced in one transaction, so a reader sees a whole batch and a batch that runs again
    after a crash changes nothing. The rows wait in the table NAME_batch meanwhile."""
    from pyspark.sql import functions as F

    for column in ("window_start", "window_end"):
        # Without a zone, or the driver would write the times of the JVM's zone.
        rows = rows.withColumn(column, F.col(column).cast("timestamp_ntz"))
    driver = driver or JDBC_DRIVERS.get((url.split(":") + [""])[1])
    properties = {"driver": driver} if driver else {}
    rows.limit(0).write.jdbc(url, name, mode="append", properties=properties)
    rows.write.jdbc(url, f"{name}_batch", mode="overwrite", properties=properties)
    keys = [f'"{column}"' for column in rows.columns if column != "count"]
    same = " and ".join(f"{name}.{key} is not distinct from b.{key}" for key in keys)
    statements = [
        f"delete from {name}" + ("" if query["output_mode"] == "complete" else f" where exists (select 1 from {name}_batch b where {same})"),
        f"insert into {name} select * from {name}_batch",
        f"drop table {name}_batch",
    ]
    connection = rows.sparkSession._jvm.java.sql.DriverManager.getConnection(url)
    try:
        connection.setAutoCommit(False)
        statement = connection.createStatement()
        for text in statements:
            statement.executeUpdate(text)
        connection.commit()
    finally:
        connection.close()


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
    parser.add_argument("--jdbc-driver")
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
        if not options.batches:
            refuse_sink(queries, options.sink)
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
