#!/usr/bin/env python3
"""The same event files through tallyd and through Apache Spark, row by row.

Each scenario is a configuration and a list of files, which arrive one by one.
After every file tallyd runs --available-now on the same state, and Spark's
batch for that file (one file per trigger) must give the same table, and the
same numbers of input and state rows in the progress. Where the two differ on
purpose, the scenario names the rows that must differ, and why; corpus.py does so
for every tricky line. Prints one line a scenario and "N passed, N failed"; exit
77 (skipped) with the reason where Java or PySpark is missing.

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

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.environ.get("top_builddir", os.path.join(HERE, ".."))
SAMPLE = os.path.join(HERE, "..", "..", "shared", "data", "events")
sys.path.insert(0, HERE)

import corpus  # noqa: E402 - beside this file


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


# What becomes of files: action of the events in it -> why the tables differ there.
OF_FILES = {
    "tmp": "names of unfinished files (.tmp, .part, .swp, ~) are passed by",
    "part": "names of unfinished files (.tmp, .part, .swp, ~) are passed by",
    "swp": "names of unfinished files (.tmp, .part, .swp, ~) are passed by",
    "tilde": "names of unfinished files (.tmp, .part, .swp, ~) are passed by",
    "linked": "symbolic links inside the directory are not followed",
    "packed without its name": "compression is known by content, not by name",
    "appended": "a file may grow: Spark reads a file once, by name",
    "renamed": "a renamed file is not counted again: Spark knows files by name",
}
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
        ("plain.json", "plain"), ("plain.txt", "text"), ("renamed.json", "renamed"), (".hidden", "hidden"), ("_under", "under"), ("x._COPYING_", "copying"),
        ("x.tmp", "tmp"), ("x.part", "part"), ("x.swp", "swp"), ("x~", "tilde"))}
    one["empty.json"] = ""
    one["packed.json.gz"] = gzip.compress(event(1469501107, "packed").encode())
    one["packed.json"] = gzip.compress(event(1469501107, "packed without its name").encode())
    for name, content in one.items():
        write(directory, name, content)
    write(os.path.dirname(directory), "aside", event(1469501107, "linked") + "\n")
    os.symlink(os.path.join(os.path.dirname(directory), "aside"), os.path.join(directory, "link.json"))


def step_of_changes(directory):
    write(directory, "plain.json", event(1469501107, "plain") + "\n" + event(1469501107, "appended") + "\n")
    os.rename(os.path.join(directory, "renamed.json"), os.path.join(directory, "renamed-1.json"))
    write(directory, "copy.json", event(1469501107, "plain") + "\n")


def scenarios():
    """(name, configuration, steps, {group: rule} of what must differ). A step is the text of the
    next file, or a function that changes the directory."""
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
    yield "files", "[source events]\npath = @\n" + hour, [step_of_names, step_of_changes], OF_FILES


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


def spark_tables(spark, runner, config, directory):
    """Tables after each of Spark's batches so far: complete replaces, append adds, update replaces rows;
    and of each batch with data the rows it read and the rows of its state."""
    sources, queries = runner.read_config(config)
    query = queries["counts"]
    batches = os.path.join(directory, "batches")
    os.makedirs(batches, exist_ok=True)
    options = Options(available_now=True, batches=batches, checkpoint=os.path.join(directory, "checkpoint"), sink="memory")
    frame = runner.build_query(spark, sources["events"], query)
    running = runner.start_query("counts", frame, sources["events"], query, options)
    running.awaitTermination()
    progress = [(p["numInputRows"], p["stateOperators"][0]["numRowsTotal"]) for p in running.recentProgress if p["numInputRows"] > 0]
    table, tables = {}, []
    for path in sorted(os.listdir(batches)):
        rows = as_set(json.load(open(os.path.join(batches, path), encoding="utf-8"))["rows"])
        table = rows if query["output_mode"] == "complete" else {**table, **rows}
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
    source = f"[source events]\npath = {events}\nmax_files_per_trigger = 1\n"
    body = text.replace("path = @", f"path = {events}") if "[source" in text else source + text
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"[tallyd]\nstate_dir = {directory}/state\n" + body)
    return events, config


def take_step(events, number, step):
    if callable(step):
        step(events)
        return
    path = write(events, f"file-{number}.json", step)
    os.utime(path, (1700000000 + number, 1700000000 + number))


def run_scenario(spark, runner, directory, text, steps, rules):
    """What is wrong, or None."""
    events, config = configure(directory, text)
    _, queries = runner.read_config(config)
    columns = [column for _, column in runner.fields_of(queries["counts"])]
    # With a watermark Spark judges lateness by the batch before the last unless a batch without
    # files came between, as it does at the end of a run: so it runs once a file there, like tallyd.
    stepwise = callable(steps[0]) or ("watermark" in text and rules != LATER)
    ours, theirs = [], []
    for number, step in enumerate(steps):
        take_step(events, number, step)
        ours.append(rows_of_tallyd(directory, config, columns))
        if stepwise:
            theirs.append(spark_tables(spark, runner, config, directory)[0][-1])
    if not stepwise:
        theirs, their_progress = spark_tables(spark, runner, config, directory)
        our_progress = progress_of_tallyd(directory, config)
        if not rules and our_progress != their_progress:
            return f"input and state rows of the batches: tallyd {our_progress}, Spark {their_progress}"
    if rules == LATER:
        return counts_more(ours[-1], theirs[-1])
    if len(ours) != len(theirs):
        return f"tallyd ran {len(ours)} batches, Spark {len(theirs)}"
    different = set()
    for number, (mine, spark_table) in enumerate(zip(ours, theirs)):
        for key in sorted(set(mine) | set(spark_table), key=str):
            if mine.get(key) != spark_table.get(key):
                if key[0] not in rules:
                    return f"after batch {number}: {key}: tallyd {mine.get(key)}, Spark {spark_table.get(key)}"
                different.add(key[0])
    same = set(rules) - different
    return f"no longer differ: {', '.join(sorted(same))}" if same else None


def counts_more(ours, theirs):
    """Spark may count more late events, and does; never fewer."""
    fewer = [key for key in ours if theirs.get(key, 0) < ours[key]]
    if fewer:
        return f"{fewer[0]}: tallyd {ours[fewer[0]]}, Spark {theirs.get(fewer[0])}"
    return None if sum(theirs.values()) > sum(ours.values()) else "no longer differs"


def run_corpus(spark, runner, directory, reading):
    """([(line, rule)] that differ on purpose, what is wrong or None)."""
    events, config = configure(directory, "[query counts]\ngroup_by = id, action\n")
    write(events, "file-0.json", corpus.as_file())
    ours = rows_of_tallyd(directory, config, ["id", "action"])
    if reading == "runner":
        theirs = spark_tables(spark, runner, config, directory)[0][-1]
    else:
        theirs = read_as_the_notebook_does(spark, runner, events)
    purposely, trouble = corpus.compare(reading, int(spark.version.split(".")[0]), ours, theirs)
    return purposely, "; ".join(trouble) or None


def read_as_the_notebook_does(spark, runner, events):
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


def start_spark():
    from pyspark.sql import SparkSession

    spark = (SparkSession.builder.master("local[2]").appName("conformance").config("spark.sql.session.timeZone", "UTC")
             .config("spark.sql.shuffle.partitions", "2").config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
             .config("spark.sql.warehouse.dir", tempfile.mkdtemp()).getOrCreate())
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
    import tally_on_spark as runner

    spark = start_spark()
    print(f"Spark {spark.version}, Java {spark._jvm.System.getProperty('java.version')}")
    tally = {True: 0, False: 0}
    purposely = []

    def judge(name, difference):
        tally[difference is None] += 1
        print(f"{'equal ' if difference is None else 'DIFFER'}  {name}" + (f": {difference}" if difference else ""), flush=True)

    wanted = lambda name: not words or any(word in name for word in words)
    for name, text, steps, rules in scenarios():
        if wanted(name):
            with tempfile.TemporaryDirectory(prefix="tally-spark-") as directory:
                judge(name, run_scenario(spark, runner, directory, text, steps, rules))
            purposely += [(f"{name}: {what}", rule) for what, rule in rules.items()]
    for reading in ("runner", "notebook"):
        name = f"corpus of {len(corpus.CASES)} lines, read as the {reading} does"
        if wanted(name):
            with tempfile.TemporaryDirectory(prefix="tally-spark-") as directory:
                different, trouble = run_corpus(spark, runner, directory, reading)
            judge(name, trouble)
            purposely += [(f"{reading}: {what}", rule) for what, rule in different]
    print("equal, but for these differences on purpose:")
    for rule in dict.fromkeys(rule for _, rule in purposely):
        print(f"  {rule}")
        for what in (what for what, of in purposely if of == rule):
            print(f"      {what}")
    print(f"{tally[True]} passed, {tally[False]} failed")
    return 1 if tally[False] else 0


if __name__ == "__main__":
    sys.exit(main())
