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
    --sql TEXT             memory: print the answer of TEXT, at the end with --available-now,
                           else whenever a batch has changed it; static_NAME is NAME by a
                           batch query over the files, as in tallyd
    --dump FILE            with --available-now and memory: write all tables as JSON lines to FILE
    --batches DIR          one JSON file a batch with the table after it, for comparisons

Keys that have no counterpart in Spark are refused by name.
"""

import argparse
import decimal
import json
import os
import re
import signal
import sys

# Of each key the kind of its value, and its default, as in tallyd.conf(5).
SOURCE_KEYS = {
    "path": ("text", "/var/lib/tallyd/events"),
    "glob": ("text", "*"),
    "recursive": ("switch", "no"),
    "poll_interval": ("duration", "1 second"),
    "trigger": ("duration", "0 seconds"),
    "max_files_per_trigger": ("count", "0"),
    "max_bytes_per_trigger": ("size", "256 MiB"),
    "max_file_age": ("duration", ""),
    "max_event_bytes": ("size", "16 MiB"),
    "time_field": ("text", "time"),
    "time_unit": ("s ms us ns", "s"),
    "on_malformed": ("keep fail", "keep"),
    "clean_source": ("off archive delete", "off"),
    "archive_dir": ("text", ""),
}
QUERY_KEYS = {
    "source": ("text", ""),
    "group_by": ("text", "action"),
    "window": ("duration", "1 hour"),
    "slide": ("duration", ""),
    "start_offset": ("duration", "0 seconds"),
    "session": ("duration", ""),
    "watermark": ("duration", ""),
    "output_mode": ("complete append update", "complete"),
    "retention": ("duration", ""),
    "max_groups": ("count", "10000000"),
}
# The daemon's own keys, which say nothing about the queries; a zone does.
DAEMON_KEYS = {key: ("text", "") for key in (
    "socket", "socket_mode", "socket_group", "postgres", "state_dir", "threads", "max_sessions", "max_running_queries",
    "query_timeout", "idle_transaction_timeout", "query_memory", "max_result_bytes", "snapshot_file", "snapshot_interval", "log_level")}
DAEMON_KEYS["timezone"] = ("text", "UTC")
SCOPES = {"tallyd": DAEMON_KEYS, "http": {"listen": ("text", "")}, "source": SOURCE_KEYS, "query": QUERY_KEYS}
# What Spark cannot do, and why: refused where it is set to something else than the default.
NO_COUNTERPART = {
    "timezone": "the session is in UTC as the columns are; set spark.sql.session.timeZone in your own programs",
    "poll_interval": "Spark looks at the directory at each trigger; set trigger",
    "max_event_bytes": "Spark's JSON reader has no such limit",
    "on_malformed": "Spark's modes drop or fail whole files; use Spark's own reader options",
    "retention": "Spark drops no rows of a finished window; use a watermark",
    "max_groups": "Spark's state has no limit",
}
ONE_LIMIT = "no counterpart on Spark: it takes one limit of a trigger, and max_files_per_trigger is set"
# Columns of tallyd's tables, which no field may be called.
OWN_COLUMNS = {"count", "window_start", "window_end", "file", "line", "time", "json"}


class Refused(Exception):
    """A configuration that Spark cannot run; the text says why and what to do."""


class Section(dict):
    """The values of a section by key, with the defaults; knows where each was written."""

    def __init__(self, where, name, keys):
        super().__init__((key, value_of(kind, default)) for key, (kind, default) in keys.items())
        self.where, self.name, self.keys_known, self.lines = where, name, keys, {}

    def refuse(self, key, sentence):
        raise Refused(f"{self.lines.get(key, self.where)}: {self.name}.{key}: {sentence}")

    def write(self, where, key, text):
        if key in self.lines:
            raise Refused(f"{where}: {self.name}.{key}: written before at {self.lines[key]}; keep one of the two")
        self.lines[key] = where
        if key not in self.keys_known:
            self.refuse(key, f"unknown key; there are {', '.join(self.keys_known)}")
        kind, default = self.keys_known[key]
        if not text and default and key not in ("group_by", "window", "start_offset"):
            self.refuse(key, f"empty; a value such as {default} is wanted")
        try:
            value = value_of(kind, text)
        except ValueError as trouble:
            self.refuse(key, str(trouble))
        if kind == "duration" and value is not None and key != "start_offset" and value < (key in ("window", "slide", "session")):
            self.refuse(key, f"{text} is too little")
        if key in NO_COUNTERPART and value != self[key]:
            self.refuse(key, f"no counterpart on Spark: {NO_COUNTERPART[key]}")
        self[key] = value


def value_of(kind, text):
    """A value from its text; a ValueError says what would be right."""
    if kind == "text":
        return text
    if kind == "duration":
        return microseconds_of(text) if text else None
    if kind == "size":
        return bytes_of(text)
    if kind == "count":
        if not re.fullmatch("[+]?[0-9]+", text):
            raise ValueError(f'"{text}" is no whole number')
        return int(text)
    if kind == "switch":
        if text.lower() not in ("yes", "on", "true", "no", "off", "false"):
            raise ValueError(f'"{text}" is neither yes nor no')
        return text.lower() in ("yes", "on", "true")
    if text.lower() not in kind.split():
        raise ValueError(f'"{text}" is none of {", ".join(kind.split())}')
    return text.lower()


UNITS = {"week": 604800 * 10**6, "day": 86400 * 10**6, "hour": 3600 * 10**6, "minute": 60 * 10**6, "second": 10**6, "millisecond": 1000, "microsecond": 1}
PART = rf"([+-]?[0-9]+)([.][0-9]{{1,6}}(?=[ \t]+sec))?[ \t]+({'|'.join(UNITS)})s?(?![a-z])[ \t]*"


def microseconds_of(text):
    """A duration as tallyd reads it, and Spark: `1 day 12 hours`."""
    if not re.fullmatch(rf"[ \t]*(interval[ \t]*)?({PART})+", text, re.IGNORECASE):
        raise ValueError(f'"{text}" is no duration; right would be "90 seconds" or "1 day 12 hours"')
    return sum(int(decimal.Decimal(whole + fraction) * UNITS[unit.lower()]) for whole, fraction, unit in re.findall(PART, text, re.IGNORECASE))


def bytes_of(text):
    match = re.fullmatch(r"([0-9]+)[ \t]*(|kib|mib|gib|kb|mb|gb)", text.lower())
    if not match:
        raise ValueError(f'"{text}" is no size; right would be "1000000" (bytes), "256 MiB" or "1 GB"')
    return int(match[1]) * {"": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 10**3, "mb": 10**6, "gb": 10**9}[match[2]]


def sections_of(path):
    """{name: Section} of an INI file, line by line as tallyd reads it."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().split("\n")
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except UnicodeError as error:
        raise Refused(f"{path}: not valid UTF-8") from error
    sections, section = {}, None
    for number, line in enumerate(lines, 1):
        where, text = f"{path}:{number}", line.strip()
        if not text or text[0] in "#;":
            continue
        if line[0] in " \t":
            raise Refused(f"{where}: the line is indented or continues the one before; write a key and its whole value at the start of one line")
        key_and_value = re.match(r"([^=:]*)[=:](.*)", text)
        if text[0] == "[":
            section = open_section(sections, where, text)
        elif section is None or not key_and_value:
            raise Refused(f"{where}: neither [section] nor key = value in one")
        else:
            section.write(where, key_and_value[1].strip(), re.sub(r"[ \t];.*", "", key_and_value[2]).strip())
    return sections


def open_section(sections, where, text):
    """The section that a header begins; [tallyd] and [http] may go on later in the file."""
    header = re.match(r"\[(\w+)(?:[ \t]+([^];]*))?\]", text)
    scope, name = header.groups() if header else (None, None)
    if scope not in SCOPES or (name is None) != (scope in ("tallyd", "http")):
        raise Refused(f"{where}: {text}: unknown section; there are [tallyd], [http], [source NAME] and [query NAME]")
    name = scope if name is None else name
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,39}", name):
        raise Refused(f"{where}: {text}: a name is a letter or _ and then up to 39 letters, digits or _")
    other = sections.get(name.lower())
    if other is None:
        sections[name.lower()] = other = Section(where, name, SCOPES[scope])
    elif scope not in ("tallyd", "http"):
        raise Refused(f"{where}: {text}: the name is taken by the section at {other.where}")
    return other


def read_config(path):
    """({name: source}, {name: query}) with every default filled in."""
    sections = sections_of(path)
    sources, queries = ({section.name: section for section in sections.values() if section.keys_known is keys} for keys in (SOURCE_KEYS, QUERY_KEYS))
    sources = sources or {"events": Section(path, "events", SOURCE_KEYS)}
    queries = queries or {"counts": Section(path, "counts", QUERY_KEYS)}
    for source in sources.values():
        judge_source(source)
    for query in queries.values():
        judge_query(query, sources)
    return sources, queries


def judge_source(source):
    """Rules between keys, as tallyd has them, and what Spark's own options cannot say."""
    if "" in source["time_field"].split("."):
        source.refuse("time_field", "no field; a name such as time, or a path such as meta.time, is wanted")
    if "/" in source["glob"]:
        source.refuse("glob", f"\"{source['glob']}\" holds a slash; it is matched against a file's name alone")
    if "[:" in source["glob"]:
        source.refuse("glob", "no counterpart on Spark: its patterns have no classes such as [:digit:]; write [0-9]")
    if source["clean_source"] == "archive" and not source["archive_dir"]:
        source.refuse("clean_source", "archive needs archive_dir")
    if source["max_files_per_trigger"] and source["max_bytes_per_trigger"] != bytes_of(SOURCE_KEYS["max_bytes_per_trigger"][1]):
        source.refuse("max_bytes_per_trigger", ONE_LIMIT)


def judge_query(query, sources):
    """The same; puts the name of the source, the step of the windows and their offset where they were left out."""
    known = {name.lower(): name for name in sources}
    if not query["source"] and len(sources) > 1:
        query.refuse("source", f"there are {len(sources)} sources; write which one, such as source = {next(iter(sources))}")
    if query["source"] and query["source"].lower() not in known:
        query.refuse("source", f"there is no [source {query['source']}]")
    query["source"] = known[query["source"].lower()] if query["source"] else next(iter(sources))
    if query["session"]:
        for key in ("window", "slide", "start_offset"):
            if key in query.lines and query[key] is not None:
                query.refuse("session", f"it stands instead of a window; leave out {key}")
        if query["output_mode"] == "update":
            query.refuse("output_mode", "update does not go with session windows, which merge")
    else:
        if not query["window"]:
            query.refuse("window", "empty; a duration such as 1 hour is wanted, or session = GAP")
        query["slide"], query["start_offset"] = query["slide"] or query["window"], query["start_offset"] or 0
        if query["slide"] > query["window"]:
            query.refuse("slide", "longer than the window")
        if abs(query["start_offset"]) >= query["slide"]:
            query.refuse("start_offset", "it must be shorter than the step of the windows")
    if query["output_mode"] == "append" and query["watermark"] is None:
        query.refuse("output_mode", "append shows a window once, when the watermark has passed its end; write watermark = 10 minutes, or another delay")
    try:
        tree_of_query(sources[query["source"]], query)
    except ValueError as trouble:
        query.refuse("group_by", str(trouble))


def refuse_sink(queries, sink):
    """A sink that can only add rows, or replace all, cannot keep a table that is updated."""
    for name, query in queries.items():
        if query["output_mode"] == "update" and sink in ("memory", "parquet"):
            query.refuse("output_mode", f"update: --sink {sink} cannot change rows; take jdbc or console")
        if sink == "jdbc" and any(other.lower() == f"{name}_batch".lower() for other in queries):
            raise Refused(f"{query.where}: {name}: --sink jdbc keeps the rows of a batch in {name}_batch, which is another query's table; rename one")


def fields_of(query):
    """[(dotted path, column)] of group_by; a ValueError says what is wrong."""
    fields = []
    for part in query["group_by"].split(",") if query["group_by"] else []:
        named = re.fullmatch(r"\s*(.*\S)\s+as\s+(.*\S)\s*", part, re.IGNORECASE)
        path = named[1] if named else part.strip()
        column = named[2] if named else path.rpartition(".")[2]
        if "" in path.split("."):
            raise ValueError(f'"{part.strip()}" is neither a field nor a field AS name')
        if column.lower() in OWN_COLUMNS:
            raise ValueError(f"the column {column} is one of the tables' own; name the field, such as {path} AS {column}_field")
        if column.lower() in (other.lower() for _, other in fields):
            raise ValueError(f"the column {column} would stand twice; name one of them, such as {path} AS {column}_2")
        fields.append((path, column))
    return fields


def tree_of(paths):
    """The objects and values that dotted paths name: {name: tree of an object, or None for a value}."""
    tree = {}
    for path in paths:
        node = tree
        *outer, last = path.split(".")
        for name in outer:
            node = node.setdefault(name, {})
            if node is None:
                break
        if node is None or node.setdefault(last, None) is not None:
            raise ValueError(f'no counterpart on Spark: "{path}" lies in, or holds, another field that is read as a value; its schema takes one of the two')
    return tree


def tree_of_query(source, query):
    return tree_of([source["time_field"], *(path for path, _ in fields_of(query))])


def schema_of(tree):
    """A schema with the time and every group field as text; dotted paths are nested structs."""
    from pyspark.sql.types import StringType, StructField, StructType

    return StructType([StructField(name, StringType() if inner is None else schema_of(inner)) for name, inner in tree.items()])


# Times of the years 0001 to 9999 count, in seconds since 1970; one beyond them must not end the query.
FIRST_SECOND, PAST_LAST_SECOND = -62135596800, 253402300800
NUMBER = r"\A-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?\z"
DATE, CLOCK, ZONE = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", "[0-9]{1,2}:[0-9]{2}", "Z|[+-][0-9]{2}(?::?[0-9]{2})?"
TEXT = rf"\A{DATE}([T ]{CLOCK}(:[0-9]{{2}}([.][0-9]+)?)?)?({ZONE})?\z"


def time_column(time_field, unit):
    """The event time: numbers by time_unit, exact in decimal and cut to microseconds; texts of
    tallyd's grammar by Spark's own cast, which wants seconds before a zone. Null where tallyd
    has a reject."""
    from pyspark.sql import functions as F

    field = quoted(*time_field.split("."))
    text = F.col(field)
    a_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    # 21 digits hold the year 9999 in nanoseconds.
    decimal_text = f"try_cast({field} as decimal(38, 17))"
    number = F.expr(decimal_text)
    first, past_last = (F.lit(decimal.Decimal(second * a_second)) for second in (FIRST_SECOND, PAST_LAST_SECOND))
    in_range = (number >= first) & (number < past_last)
    cut = F.expr(f"floor({decimal_text}, {({'s': 6, 'ms': 3}).get(unit, 0)})")
    micros = F.floor(cut / F.lit(1000) if unit == "ns" else cut * F.lit(10**6 // a_second))
    whole = F.regexp_replace(text, f"^({DATE})({ZONE})$", "$1T00:00:00$2")
    whole = F.regexp_replace(whole, f"^({DATE}[T ]{CLOCK})({ZONE})$", "$1:00$2")
    from_text = F.try_to_timestamp(F.when(text.rlike(TEXT), whole))
    seconds = F.unix_seconds(from_text)
    return F.when(text.rlike(NUMBER), F.when(in_range, F.timestamp_micros(micros.cast("bigint")))).otherwise(
        F.when((seconds >= FIRST_SECOND) & (seconds < PAST_LAST_SECOND), from_text)
    )


def quoted(*names):
    return ".".join(f"`{name.replace('`', '``')}`" for name in names)


def microseconds(duration):
    return f"{duration} microseconds"


def glob_of(pattern):
    """fnmatch's pattern as Hadoop reads it: braces are plain letters, and so is a letter behind a backslash."""
    return re.sub(r"\\(\w)|\\.|[{}]", lambda m: m[1] or (m[0] if len(m[0]) > 1 else "\\" + m[0]), pattern)


def reader_options(source):
    """JSON as strict as Spark can read it, lines that end at a newline alone, and which files."""
    options = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false", "lineSep": "\n", "ignoreMissingFiles": "true"}
    if source["glob"] != "*":
        options["pathGlobFilter"] = glob_of(source["glob"])
    if source["recursive"]:
        options["recursiveFileLookup"] = "true"
    return options


def stream_options(source):
    """What a trigger takes, and what becomes of files."""
    options = {"maxFileAge": "36500d" if source["max_file_age"] is None else f"{source['max_file_age'] // 1000}ms"}
    if source["max_files_per_trigger"]:
        options["maxFilesPerTrigger"] = str(min(source["max_files_per_trigger"], 2**31 - 1))
    elif source["max_bytes_per_trigger"]:
        options["maxBytesPerTrigger"] = str(source["max_bytes_per_trigger"])
    if source["clean_source"] != "off":
        options["cleanSource"] = source["clean_source"]
    if source["clean_source"] == "archive":
        options["sourceArchiveDir"] = source["archive_dir"]
    return options


def build_query(spark, source, query, is_static=False):
    """The frame with the columns of tallyd's table: of the stream, or of a batch query over the files that are there."""
    from pyspark.sql import functions as F

    fields = fields_of(query)
    reader = (spark.read if is_static else spark.readStream).format("json").options(**reader_options(source))
    if not is_static:
        reader = reader.options(**stream_options(source))
    events = reader.schema(schema_of(tree_of_query(source, query))).load(source["path"])
    columns = [F.col(quoted(*path.split("."))).alias(column) for path, column in fields]
    events = events.select(time_column(source["time_field"], source["time_unit"]).alias("__time"), *columns)
    if query["watermark"] is not None and not is_static:
        events = events.withWatermark("__time", microseconds(query["watermark"]))
    if query["session"]:
        window = F.session_window("__time", microseconds(query["session"]))
        events = events.where(F.col("__time").isNotNull())
    else:
        window = F.window("__time", *(microseconds(query[key]) for key in ("window", "slide", "start_offset")))
    keys = [F.col(quoted(column)) for _, column in fields]
    if query["session"] and not keys:
        # Spark wants a key beside the session, and takes no literal for one.
        keys = [(F.unix_micros("__time") % 1).alias("__all")]
    counted = events.groupBy(*keys, window.alias("__window")).count()
    return counted.select(
        *[F.col(quoted(column)) for _, column in fields],
        F.col("__window.start").alias("window_start"),
        F.col("__window.end").alias("window_end"),
        F.col("count"),
    )


def start_queries(spark, sources, queries, options):
    """Starts all of them."""
    if any(differ_by_case(tree_of_query(sources[query["source"]], query)) for query in queries.values()):
        spark.conf.set("spark.sql.caseSensitive", "true")
    return [start_query(spark, name, sources[query["source"]], query, options) for name, query in queries.items()]


def differ_by_case(tree):
    """Whether two names beside each other are one to Spark, which has no regard for case unless it is told to."""
    return len({name.lower() for name in tree}) < len(tree) or any(differ_by_case(inner) for inner in tree.values() if inner)


def start_query(spark, name, source, query, options):
    frame = build_query(spark, source, query)
    if options.sql:
        build_query(spark, source, query, is_static=True).createOrReplaceTempView(f"static_{name}")
    writer = frame.writeStream.queryName(name).outputMode(query["output_mode"])
    if options.available_now:
        writer = writer.trigger(availableNow=True)
    elif source["trigger"]:
        writer = writer.trigger(processingTime=microseconds(source["trigger"]))
    if options.checkpoint:
        writer = writer.option("checkpointLocation", os.path.join(options.checkpoint, name))
    if options.batches:
        writer = writer.foreachBatch(lambda rows, batch: dump_batch(rows, batch, name, query, options.batches))
    elif options.sink == "jdbc":
        writer = writer.foreachBatch(lambda rows, _: write_jdbc(rows, name, query, options))
    elif options.sink == "parquet":
        target = os.path.join(options.path, name)
        if query["output_mode"] == "append":
            writer = writer.format("parquet").option("path", target)
        else:
            writer = writer.foreachBatch(lambda rows, _: rows.write.mode("overwrite").parquet(target))
    elif options.sink == "console":
        writer = writer.format("console").option("truncate", "false").option("numRows", "1000000")
    else:
        writer = writer.format("memory")
    return writer.start()


# By the name of the database in the URL: a driver that came with --jars is found by its class alone.
JDBC_DRIVERS = {"postgresql": "org.postgresql.Driver", "sqlite": "org.sqlite.JDBC"}


def write_jdbc(rows, name, query, options):
    """One batch into the table `name`: all of its rows (complete), or the rows with the same keys,
    are replaced in one transaction, so a reader sees a whole batch and a batch that runs again
    after a crash changes nothing. The rows wait in the table NAME_batch meanwhile."""
    url = options.jdbc_url
    database = (url.split(":") + [""])[1]
    rows = as_stored(rows, database)
    driver = options.jdbc_driver or JDBC_DRIVERS.get(database)
    properties = {"driver": driver} if driver else {}
    rows.limit(0).write.jdbc(url, name, mode="append", properties=properties)
    rows.write.jdbc(url, f"{name}_batch", mode="overwrite", properties=properties)
    keys = ['"' + column.replace('"', '""') + '"' for column in rows.columns if column != "count"]
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


def as_stored(rows, database):
    """The rows as the database keeps them. Times without a zone, or the driver would write those of
    the JVM's zone; in SQLite, which has no such type, the text that tallyd writes, by one writer.
    PostgreSQL has no NUL in a text: it becomes U+FFFD, as tallyd sends it there."""
    from pyspark.sql import functions as F

    for column, kind in rows.dtypes:
        if column in ("window_start", "window_end"):
            rows = rows.withColumn(column, F.col(column).cast("string" if database == "sqlite" else "timestamp_ntz"))
        elif kind == "string" and database == "postgresql":
            rows = rows.withColumn(column, F.translate(F.col(quoted(column)), "\0", "\ufffd"))
    return rows.coalesce(1) if database == "sqlite" else rows


def rows_of(frame):
    """Rows as JSON-ready dictionaries with times as text, which Spark spells as tallyd does."""
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


def print_answers(spark, texts):
    for text in texts:
        answer = spark.sql(dialect(text))
        answer.show(max(1, answer.count()), truncate=False)


def watch(spark, texts):
    """Prints the answers again whenever they have changed, until a query ends."""
    shown = None
    while True:
        now = [spark.sql(dialect(text)).collect() for text in texts]
        if now != shown:
            print_answers(spark, texts)
            shown = now
        if spark.streams.awaitAnyTermination(1):
            return


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
    if (options.sql or options.dump) and options.sink != "memory":
        parser.error("--sql and --dump go with the memory sink")
    if options.dump and not options.available_now:
        parser.error("--dump goes with --available-now")
    return options


def refuse_version(version, sources):
    """Spark 3 passes an option by that it does not know."""
    for source in sources.values():
        if version.startswith("3.") and "max_bytes_per_trigger" in source.lines and source["max_bytes_per_trigger"] > 0:
            source.refuse("max_bytes_per_trigger", f"no counterpart on Spark {version}: it knows max_files_per_trigger alone")


def run(options, sources, queries):
    import pyspark
    from pyspark.sql import SparkSession

    refuse_version(pyspark.__version__, sources)
    spark = (
        SparkSession.builder.appName("tally")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    # Ctrl-C ends the program, as SIGTERM does: the checkpoint knows where to go on. PySpark's own
    # handler talks to a JVM that has got the signal too.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # On one machine Spark's 200 state partitions cost more than these tables are worth; one a core
    # does. On a cluster the number is for good and the executors may not be there yet: it is left alone.
    if spark.conf.get("spark.sql.shuffle.partitions") == "200" and spark.sparkContext.master.startswith("local"):
        spark.conf.set("spark.sql.shuffle.partitions", str(spark.sparkContext.defaultParallelism))
    running = start_queries(spark, sources, queries, options)
    if not options.available_now:
        if options.sink == "memory" and not options.sql:
            print("the tables stay in this session: --sql TEXT prints an answer whenever it changes, --sink console every batch", file=sys.stderr)
        watch(spark, options.sql)
    for query in running:
        query.awaitTermination()
    print_answers(spark, options.sql)
    if options.dump:
        with open(options.dump, "w", encoding="utf-8") as file:
            for name in queries:
                for row in rows_of(spark.table(name)):
                    file.write(json.dumps({"table": name, **row}) + "\n")


def main():
    options = parse_options()
    try:
        sources, queries = read_config(options.config)
        if not options.batches:
            refuse_sink(queries, options.sink)
        from pyspark.errors import PySparkException
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 78
    except ImportError:
        print("PySpark 3.5 or 4 is not installed for this Python: pip install 'pyspark==4.0.*'", file=sys.stderr)
        return 1
    try:
        run(options, sources, queries)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 78
    except PySparkException as trouble:
        # The first line says what; the plans and stacks behind it are in Spark's own log.
        print(str(trouble).partition("\n")[0], file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
