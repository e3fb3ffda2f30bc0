#!/usr/bin/env python3
"""The same event files through tallyd and through Apache Spark, row by row.

Each scenario is a configuration and a list of files, which arrive one by one.
After every file tallyd runs --available-now on the same state, and Spark's
batch for that file (one file per trigger) must give the same table, and the
same numbers of input and state rows in the progress. Where the two differ on
purpose, the scenario names the rows that must differ, and why; corpus.py does so
for every tricky line, functions.py for date_format and its family. Prints one
line a scenario and "N passed, N failed"; exit 77 (skipped) with the reason where
Java or PySpark is missing.

    conformance.py [WORD…]      only the scenarios whose names hold one of the words
"""

import glob
import gzip
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.environ.get("top_builddir", os.path.join(HERE, ".."))
SAMPLE = os.path.join(HERE, "..", "..", "shared", "data", "events")
sys.path.insert(0, HERE)

import corpus  # noqa: E402 - beside this file
import functions  # noqa: E402
import tally_on_spark as runner  # noqa: E402


def event(time, action="a", **more):
    return json.dumps({"time": time, "action": action, **more}, separators=(",", ":"))


def sample_files(count):
    """The first files of the public sample, or ones like it where it is absent."""
    paths = sorted(glob.glob(os.path.join(SAMPLE, "file-*.json")), key=lambda p: int(p.rsplit("-", 1)[1][:-5]))
    if paths:
        return [open(path, encoding="utf-8").read() for path in paths[:count]]
    with tempfile.TemporaryDirectory() as made:
        subprocess.run([os.path.join(TOP, "bench/gen_events"), "--notebook", made + "/e"], check=True)
        return [open(f"{made}/e/file-{i}.json", encoding="utf-8").read() for i in range(count)]


def random_files(seed, count, lines, span, late=0):
    """Files whose times mostly ascend; some events are `late` seconds behind."""
    chance = random.Random(seed)
    files = []
    for number in range(count):
        start = 1469500000 + number * span
        rows = []
        for _ in range(lines):
            time = start + chance.randrange(span)
            if late and chance.random() < 0.2:
                time -= chance.randrange(late)
            rows.append(event(time, chance.choice(["Open", "Close", "Ack"])))
        files.append("\n".join(rows) + "\n")
    return files


UNFINISHED = "names of unfinished files (.tmp, .part, .swp, ~) are passed by"
BY_NAME = "Spark knows files by name: what is appended, rewritten or put under an old name is not seen"
ONCE = "a file is counted once, whatever its name; under a new name Spark counts it again"
BELOW = "directories named key=value are partitions in Spark, whose files count also without recursive"
OLD_AT_START = "Spark's maxFileAge leaves out nothing of what was there at the first start"
# What becomes of files: action of the events in it -> why the tables differ there.
OF_FILES = {
    "tmp": UNFINISHED, "part": UNFINISHED, "swp": UNFINISHED, "tilde": UNFINISHED,
    "under=": "names that begin with _ are passed by; with a = in them Spark takes them",
    "linked": "symbolic links inside the directory are not followed",
    "packed without its name": "compression is known by content, not by name",
    "appended": BY_NAME, "rewritten": BY_NAME, "replaced": BY_NAME,
    "renamed": ONCE, "hard link": ONCE,
}
# For some rows, whichever: the one counts more than the other.
DROPPED = {"*": "complete mode drops nothing; Spark drops late events of session windows"}
LATER = {"*": "which late events still count is decided one batch later in Spark, if batches follow without a pause"}


def write(directory, name, content):
    """Writes or, for text that begins with it, appends to a file, as an editor or a logger would."""
    path = os.path.join(directory, name)
    data = content.encode() if isinstance(content, str) else content
    with open(path, "r+b" if os.path.exists(path) else "wb") as file:
        file.write(data)
    return path


def step_of_names(directory):
    """Files of every kind of name; each says in its events what it is."""
    one = {name: event(1469501107, action) + "\n" for name, action in (
        ("plain.json", "plain"), ("plain.txt", "text"), ("renamed.json", "renamed"), ("hard.json", "hard link"), ("old.json", "before"), ("older.json", "before"),
        (".hidden", "hidden"), ("_under", "under"), ("_under=1", "under="), ("x._COPYING_", "copying"),
        ("x.tmp", "tmp"), ("x.part", "part"), ("x.swp", "swp"), ("x~", "tilde"))}
    one["empty.json"] = ""
    one["packed.json.gz"] = gzip.compress(event(1469501107, "packed").encode())
    one["members.json.gz"] = gzip.compress(event(1469501107, "first member").encode() + b"\n") + gzip.compress(event(1469501107, "second member").encode())
    one["packed.json"] = gzip.compress(event(1469501107, "packed without its name").encode())
    for name, content in one.items():
        write(directory, name, content)
    write(os.path.dirname(directory), "aside", event(1469501107, "linked") + "\n")
    os.symlink(os.path.join(os.path.dirname(directory), "aside"), os.path.join(directory, "link.json"))


def step_of_changes(directory):
    write(directory, "plain.json", event(1469501107, "plain") + "\n" + event(1469501107, "appended") + "\n")
    os.rename(os.path.join(directory, "renamed.json"), os.path.join(directory, "renamed-1.json"))
    os.link(os.path.join(directory, "hard.json"), os.path.join(directory, "hard-1.json"))
    write(directory, "copy.json", event(1469501107, "plain") + "\n")
    write(directory, "old.json", event(1469501107, "rewritten") + "\n" + event(1469501107, "rewritten") + "\n")
    write(directory, "new.tmp", event(1469501107, "replaced") + "\n")
    os.rename(os.path.join(directory, "new.tmp"), os.path.join(directory, "older.json"))


def files_named(*names, at=1700000000):
    """A step that writes files, a second apart; the action of the event in each is its name."""

    def step(directory):
        for number, name in enumerate(names):
            os.makedirs(os.path.dirname(os.path.join(directory, name)), exist_ok=True)
            path = write(directory, name, event(1469501107, name) + "\n")
            os.utime(path, (at + number, at + number))
    return step


def step_of_files(texts):
    """All of the files at once."""

    def step(directory):
        for number, text in enumerate(texts):
            take_step(directory, number, text)
    return step


def scenarios(spark_major):
    """(name, configuration, steps, {group: rule} of what must differ). A step is the text of the
    next file, or a function that changes the directory; @ is the directory."""
    hour = "[query counts]\ngroup_by = action\nwindow = 1 hour\n"
    micros = "[source events]\npath = @\ntime_unit = us\nmax_files_per_trigger = 1\n[query counts]\n"
    edges = ["\n".join(event(time, "edge") for time in (-1, -3600 * 10**6, -3600 * 10**6 - 1, 0, 1469501107 * 10**6, 3599999999)) + "\n"]
    yield "sample, one file per trigger", hour, sample_files(12), {}
    yield "windows before 1970", micros + "window = 1 hour\n", edges, {}
    yield "windows of a week", micros + "window = 7 days\n", edges, {}
    yield "windows with an offset before, sliding", micros + "window = 1 hour\nslide = 30 minutes\nstart_offset = -15 minutes\n", edges, {}
    yield "sliding windows", "[query counts]\nwindow = 10 minutes\nslide = 5 minutes\n", random_files(1, 5, 300, 1800), {}
    yield "sliding, size no multiple of slide", "[query counts]\nwindow = 10 minutes\nslide = 4 minutes\n", random_files(2, 4, 300, 1800), {}
    yield "start offset", "[query counts]\nwindow = 1 hour\nstart_offset = 15 minutes\n", random_files(3, 4, 300, 7200), {}
    yield "session windows", "[query counts]\nsession = 30 seconds\n", random_files(4, 5, 60, 3600), {}
    yield "session windows that touch", "[query counts]\nsession = 30 seconds\n", [
        "\n".join(event(time) for time in (1000, 1030, 1061)) + "\n", event(1091) + "\n" + event(970) + "\n"], {}
    yield "session windows of no fields", "[query counts]\ngroup_by =\nsession = 30 seconds\n", random_files(7, 2, 60, 3600), {}
    late = random_files(5, 7, 200, 1800, late=5400)
    yield "watermark, append", "[query counts]\nwindow = 10 minutes\nwatermark = 20 minutes\noutput_mode = append\n", late, {}
    yield "watermark, update", "[query counts]\nwindow = 10 minutes\nwatermark = 20 minutes\noutput_mode = update\n", late, {}
    yield "watermark, complete", "[query counts]\nwindow = 10 minutes\nwatermark = 20 minutes\n", late, {}
    yield "watermark, update, batches without a pause", "[query counts]\nwindow = 10 minutes\nwatermark = 20 minutes\noutput_mode = update\n", late, LATER
    yield "session windows, append", "[query counts]\nsession = 2 minutes\nwatermark = 10 minutes\noutput_mode = append\n", late, {}
    yield "two fields, one dotted", "[query counts]\ngroup_by = action, user.id\nwindow = 1 hour\n", [
        "\n".join(event(1469500000 + i * 60, "ab"[i % 2], user={"id": i % 3, "id2": 1}) for i in range(200)) + "\n"], {}
    yield "no fields", "[query counts]\ngroup_by =\nwindow = 1 hour\n", random_files(6, 2, 100, 7200), {}
    yield "milliseconds", "[source events]\npath = @\ntime_unit = ms\nmax_files_per_trigger = 1\n" + hour, [
        "\n".join(event(1469500000123 + i * 977, "m") for i in range(500)) + "\n"], {}
    yield "microseconds", micros + "window = 250 milliseconds\n", ["\n".join(event(1469500000123456 + i * 97700, "u") for i in range(100)) + "\n"], {}
    yield "nanoseconds", "[source events]\npath = @\ntime_unit = ns\nmax_files_per_trigger = 1\n[query counts]\nwindow = 1 microsecond\n", [
        "\n".join(event(time, "n") for time in (-1, -1000, -1001, 0, 999, 1469501107123456789, 253402300799999999999)) + "\n"], {}
    yield "a time within an object, fields of it", "[source events]\npath = @\ntime_field = meta.time\nmax_files_per_trigger = 1\n[query counts]\ngroup_by = meta.kind AS kind, action\n", [
        "\n".join(json.dumps({"action": "a", "meta": {"kind": "xy"[i % 2], "time": 1469500000 + i * 60}}) for i in range(100)) + "\n"], {}
    yield "fields that are no object", "[query counts]\ngroup_by = user.id\n", [
        "\n".join(f'{{"time":1469501107,"user":{user}}}' for user in ("5", '"x"', "null", "true", "{}", '{"id":7}', '{"id":{"a":1}}', "[1]")) + "\n"], {}
    yield "fields that differ by case", "[query counts]\ngroup_by = action, Action AS other, Time AS at\n", [
        "\n".join(event(1469500000 + i * 60, "ab"[i % 2], Action="x", Time="y") for i in range(20)) + "\n"], {}
    yield "watermark, sliding windows, append", "[query counts]\nwindow = 10 minutes\nslide = 4 minutes\nwatermark = 15 minutes\noutput_mode = append\n", late, {}
    yield "watermark, sliding windows, update", "[query counts]\nwindow = 10 minutes\nslide = 4 minutes\nwatermark = 15 minutes\noutput_mode = update\n", late, {}
    yield "watermark, session windows, complete", "[query counts]\nsession = 2 minutes\nwatermark = 10 minutes\n", late[:4], DROPPED
    yield "watermark, times before 1970", "[query counts]\nwindow = 1 hour\nwatermark = 1 hour\noutput_mode = update\n", [
        "\n".join(event(time) for time in (-7200, -3601, -3600, -1, 0, 1)) + "\n", event(-1) + "\n" + event(7200) + "\n", event(1) + "\n" + event(3600) + "\n"], {}
    yield "watermark, cut to milliseconds", micros + "window = 500 microseconds\nwatermark = 0 seconds\noutput_mode = update\n", [
        event(1469501107001700) + "\n", event(1469501107001200) + "\n" + event(1469501107000900) + "\n"], {}
    yield "names that a pattern takes", "[source events]\npath = @\nglob = file-[!2]?.js*\n[query counts]\n", [
        files_named("file-1a.json", "file-2a.json", "file-1a.txt", "file-1ab.json", "file-3b.js", "file-3b.j", ".file-1a.json")], {}
    yield "names with braces", "[source events]\npath = @\nglob = {a,b}.*\n[query counts]\n", [
        files_named("a.json", "b.json", "{a,b}.json", "{a,b}json")], {}
    yield "directories below", "[source events]\npath = @\nrecursive = yes\n[query counts]\n", [
        files_named("top.json", "a/one.json", "a/b/c/deep.json", "a/.hidden/x.json", "a/_under/x.json", "day=1/x.json", "a/day=2/x.json")], {}
    yield "directories below, not recursive", "[source events]\npath = @\n[query counts]\n", [
        files_named("top.json", "a/one.json", "a/b/deep.json")], {}
    yield "directories of partitions, not recursive", "[source events]\npath = @\n[query counts]\n", [
        files_named("day=1/x.json", "day=2/x.json")], {"day=1/x.json": BELOW, "day=2/x.json": BELOW}
    yield "old files", "[source events]\npath = @\nmax_file_age = 1 hour\n[query counts]\n", [
        files_named("ancient.json", at=1600000000), files_named("new.json", at=1700000000), files_named("old.json", at=1650000000), files_named("recent.json", at=1699999000)], {}
    yield "old files at the first start", "[source events]\npath = @\nmax_file_age = 1 hour\n[query counts]\n", [
        lambda directory: (files_named("ancient.json", at=1600000000)(directory), files_named("new.json", at=1700000000)(directory))], {"ancient.json": OLD_AT_START}
    seven = [step_of_files(random_files(9, 7, 50, 1800))]
    yield "three files a trigger", "[source events]\npath = @\nmax_files_per_trigger = 3\n" + hour, seven, {}
    if spark_major >= 4:
        yield "bytes of a trigger", "[source events]\npath = @\nmax_bytes_per_trigger = 5 KB\n" + hour, seven, {}
    yield "every kind of file", "[source events]\npath = @\n" + hour, [step_of_names, step_of_changes], OF_FILES


def rows_of_tallyd(directory, config, columns):
    """The table after one run; values as text, NULL as None."""
    cells = ", ".join(f"'{column}', {column}" for column in [*columns, "window_start", "window_end", "count"])
    output = subprocess.run(
        [os.path.join(TOP, "tallyd"), "--config", config, "--available-now", "--sql", f"select json_object({cells}) from counts"],
        capture_output=True, text=True, cwd=directory)
    if output.returncode != 0:
        raise RuntimeError(output.stderr)
    return as_set([json.loads(line) for line in output.stdout.splitlines()])


def progress_of_tallyd(directory, config):
    """[(input rows, state rows)] of the batches with data."""
    output = subprocess.run(
        [os.path.join(TOP, "tallyd"), "--config", config, "--available-now", "--sql",
         "select num_input_rows, json_extract(json, '$.stateOperators[0].numRowsTotal') from progress where num_input_rows > 0 order by batch_id"],
        capture_output=True, text=True, cwd=directory, check=True)
    return [tuple(map(int, line.split("|"))) for line in output.stdout.splitlines()]


def as_set(rows):
    """{(group…, start, end): count} with groups as text."""
    table = {}
    for row in rows:
        key = tuple(None if v is None else str(v) for k, v in row.items() if k != "count")
        table[key] = row["count"]
    return table


def spark_tables(spark, config, directory):
    """Tables after each of Spark's batches so far: complete replaces, append adds, update replaces rows;
    and of each batch of this run with data the rows it read and the rows of its state."""
    sources, queries = runner.read_config(config)
    batches = os.path.join(directory, "batches")
    os.makedirs(batches, exist_ok=True)
    options = Options(available_now=True, batches=batches, checkpoint=os.path.join(directory, "checkpoint"), sink="memory", sql=[])
    running, = runner.start_queries(spark, sources, queries, options)
    running.awaitTermination()
    progress = [(p["numInputRows"], p["stateOperators"][0]["numRowsTotal"]) for p in running.recentProgress if p["numInputRows"] > 0]
    table, tables = {}, []
    for path in sorted(os.listdir(batches)):
        rows = as_set(json.load(open(os.path.join(batches, path), encoding="utf-8"))["rows"])
        table = rows if queries["counts"]["output_mode"] == "complete" else {**table, **rows}
        tables.append(dict(table))
    return tables, progress


class Options:
    """What the runner's command line would give."""

    def __init__(self, **values):
        self.__dict__.update(values)


def configure(directory, text):
    """Writes tallyd.conf below `directory`: its own state, its own events."""
    events = os.path.join(directory, "events")
    os.makedirs(events)
    config = os.path.join(directory, "tallyd.conf")
    source = "[source events]\npath = @\nmax_files_per_trigger = 1\n"
    body = text if "[source" in text else source + text
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"[tallyd]\nstate_dir = {directory}/state\n" + body.replace("@", events))
    return events, config


def take_step(events, number, step):
    if callable(step):
        step(events)
        return
    path = write(events, f"file-{number}.json", step)
    os.utime(path, (1700000000 + number, 1700000000 + number))


def run_scenario(spark, directory, text, steps, rules):
    """([(row, rule)] that differ on purpose, what is wrong or None). Each of the two has a directory of its own, in which the same happens."""
    here, there = os.path.join(directory, "tallyd"), os.path.join(directory, "spark")
    (our_events, our_config), (their_events, their_config) = configure(here, text), configure(there, text)
    _, queries = runner.read_config(our_config)
    columns = [column for _, column in runner.fields_of(queries["counts"])]
    # With a watermark Spark judges lateness by the batch before the last unless a batch without
    # files came between, as it does at the end of a run: so it runs once a file there, like tallyd.
    stepwise = callable(steps[0]) or ("watermark" in text and rules != LATER)
    ours, theirs, their_progress = [], [], []
    for number, step in enumerate(steps):
        take_step(our_events, number, step)
        take_step(their_events, number, step)
        ours.append(rows_of_tallyd(here, our_config, columns))
        if stepwise:
            tables, progress = spark_tables(spark, their_config, there)
            theirs.append(tables[-1])
            their_progress += progress
    if not stepwise:
        theirs, their_progress = spark_tables(spark, their_config, there)
    if rules == LATER:
        return list(rules.items()), counts_more(ours[-1], theirs[-1])
    if rules == DROPPED:
        return list(rules.items()), None if sum(ours[-1].values()) > sum(theirs[-1].values()) else "no longer differs"
    our_progress = progress_of_tallyd(here, our_config)
    if "watermark" in text:
        # When the rows of closed windows leave the state is each one's own affair.
        our_progress, their_progress = ([rows for rows, _ in progress] for progress in (our_progress, their_progress))
    if not rules and our_progress != their_progress:
        return [], f"input and state rows of the batches: tallyd {our_progress}, Spark {their_progress}; the last tables {ours[-1]}, {theirs[-1]}"
    if len(ours) != len(theirs):
        return [], f"tallyd ran {len(ours)} batches, Spark {len(theirs)}"
    different = set()
    for number, (mine, spark_table) in enumerate(zip(ours, theirs)):
        for key in sorted(set(mine) | set(spark_table), key=str):
            if mine.get(key) != spark_table.get(key):
                if key[0] not in rules:
                    return [], f"after batch {number}: {key}: tallyd {mine.get(key)}, Spark {spark_table.get(key)}"
                different.add(key[0])
    same = set(rules) - different
    return list(rules.items()), f"no longer differ: {', '.join(sorted(same))}" if same else None


def counts_more(ours, theirs):
    """Spark may count more late events, and does; never fewer."""
    fewer = [key for key in ours if theirs.get(key, 0) < ours[key]]
    if fewer:
        return f"{fewer[0]}: tallyd {ours[fewer[0]]}, Spark {theirs.get(fewer[0])}"
    return None if sum(theirs.values()) > sum(ours.values()) else "no longer differs"


def run_corpus(spark, directory, reading):
    """([(line, rule)] that differ on purpose, what is wrong or None)."""
    events, config = configure(directory, "[query counts]\ngroup_by = id, action\n")
    write(events, "file-0.json", corpus.as_file())
    ours = rows_of_tallyd(directory, config, ["id", "action"])
    if reading == "runner":
        theirs = spark_tables(spark, config, directory)[0][-1]
    else:
        theirs = read_as_the_notebook_does(spark, events)
    purposely, trouble = corpus.compare(reading, int(spark.version.split(".")[0]), ours, theirs)
    return purposely, "; ".join(trouble) or None


NOTEBOOK = [
    "select action, sum(count) as total_count from {0} group by action order by action",
    'select action, date_format(window.end, "MMM-dd HH:mm") as time, count from {0} order by time, action',
]


def run_notebook_sql(spark, directory):
    """([], what is wrong with the answers to the notebook's statements, over the stream's table and over the files', or None)."""
    events, config = configure(directory, "[query counts]\n")
    for number, text in enumerate([*sample_files(3), event(1469501107, None) + "\n"]):
        take_step(events, number, text)
    texts = [text.format(table) for text in NOTEBOOK for table in ("counts", "static_counts")]
    sources, queries = runner.read_config(config)
    options = Options(available_now=True, batches=None, checkpoint=None, sink="memory", sql=texts)
    running, = runner.start_queries(spark, sources, queries, options)
    running.awaitTermination()
    for text in texts:
        ours = subprocess.run([os.path.join(TOP, "tallyd"), "--config", config, "--available-now", "--sql", text], capture_output=True, text=True, check=True).stdout
        theirs = "".join("|".join("" if value is None else str(value) for value in row) + "\n" for row in spark.sql(runner.dialect(text)).collect())
        if ours != theirs:
            return [], f"{text}: tallyd {ours[:200]!r}, Spark {theirs[:200]!r}"
    return [], None


def run_clean_source(spark, directory, kind):
    """([], what is wrong with the tables, or with the files that are left, after three files and as many runs, or None)."""
    left = {}
    for side in ("tallyd", "spark"):
        home = os.path.join(directory, side)
        events, config = configure(home, f"[source events]\npath = @\nclean_source = {kind}\narchive_dir = {home}/archive\nmax_files_per_trigger = 1\n[query counts]\n")
        os.makedirs(home + "/archive")
        for number in range(3):
            take_step(events, number, event(1469501107, str(number)) + "\n")
            rows = rows_of_tallyd(home, config, ["action"]) if side == "tallyd" else spark_tables(spark, config, home)[0][-1]
        left[side] = (rows, sorted(os.listdir(events)), sorted(name for _, _, names in os.walk(home + "/archive") for name in names))
    (ours, our_files, our_archive), (theirs, their_files, their_archive) = left["tallyd"], left["spark"]
    if ours != theirs:
        return [], f"tallyd {ours}, Spark {theirs}"
    archived = [f"file-{number}.json" for number in range(3)] if kind == "archive" else []
    if our_files or our_archive != archived:
        return [], f"tallyd left {our_files} and archived {our_archive}"
    # Spark clears a batch's files away when it has planned the next one.
    if their_files != ["file-2.json"] or their_archive != archived[:2]:
        return [], f"Spark left {their_files} and archived {their_archive}"
    return [], None


def read_as_the_notebook_does(spark, events):
    """The static query of the notebook. With ANSI mode on, the default since Spark 4, the first
    time that is too far away ends the query, and so does the first that Spark 2 read otherwise."""
    from pyspark.sql import functions as F

    spark.conf.set("spark.sql.ansi.enabled", "false")
    spark.conf.set("spark.sql.legacy.timeParserPolicy", "CORRECTED")
    counted = (spark.read.schema("id string, time timestamp, action string").json(events)
               .groupBy("id", "action", F.window("time", "1 hour").alias("w")).count()
               .select("id", "action", F.col("w.start").alias("window_start"), F.col("w.end").alias("window_end"), "count"))
    table = as_set(runner.rows_of(counted))
    spark.conf.unset("spark.sql.ansi.enabled")
    spark.conf.unset("spark.sql.legacy.timeParserPolicy")
    return table


# Programs of a minute are over before the second compiler has paid for itself.
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def start_spark():
    from pyspark.sql import SparkSession

    spark = (SparkSession.builder.master("local[2]").appName("conformance").config("spark.sql.session.timeZone", "UTC")
             .config("spark.sql.shuffle.partitions", "2").config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
             .config("spark.driver.extraJavaOptions", QUICK_JVM).config("spark.sql.warehouse.dir", tempfile.mkdtemp()).getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def main():
    words = sys.argv[1:]
    if importlib.util.find_spec("pyspark") is None:
        print("skipped: PySpark is not installed (pip install pyspark)")
        return 77
    if shutil.which("java") is None:
        print("skipped: there is no Java")
        return 77
    spark = start_spark()
    print(f"Spark {spark.version}, Java {spark._jvm.System.getProperty('java.version')}")
    tally = {True: 0, False: 0}
    purposely = []

    def judge(name, difference):
        tally[difference is None] += 1
        print(f"{'equal ' if difference is None else 'DIFFER'}  {name}" + (f": {difference}" if difference else ""), flush=True)

    def run(name, what, *more):
        """Judges `name` by what `what` finds in a directory of its own: differences on purpose, trouble or None, and what is added to the name."""
        if words and not any(word in name for word in words):
            return
        with tempfile.TemporaryDirectory(prefix="tally-spark-") as directory:
            try:
                different, trouble, *size = what(spark, directory, *more)
            except Exception as failure:  # whatever Spark raises is this one's trouble, and the next one's turn
                different, trouble, size = [], (str(failure).splitlines() or [repr(failure)])[0], []
                traceback.print_exc()
        judge(name + "".join(size), trouble)
        purposely.extend((f"{name.partition(': corpus')[0]}: {what}", rule) for what, rule in different)

    for name, text, steps, rules in scenarios(int(spark.version.split(".")[0])):
        run(name, run_scenario, text, steps, rules)
    run("clean_source, delete", run_clean_source, "delete")
    run("clean_source, archive", run_clean_source, "archive")
    run("the notebook's SQL", run_notebook_sql)
    run("date_format and its family", functions.compare, TOP)
    for reading in ("runner", "notebook"):
        run(f"{reading}: corpus of {len(corpus.CASES)} lines", run_corpus, reading)
    print("equal, but for these differences on purpose:")
    for rule in dict.fromkeys(rule for _, rule in purposely):
        print(f"  {rule}")
        for what in (what for what, of in purposely if of == rule):
            print(f"      {what}")
    print(f"{tally[True]} passed, {tally[False]} failed")
    return 1 if tally[False] else 0


if __name__ == "__main__":
    sys.exit(main())
