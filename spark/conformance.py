#!/usr/bin/env python3
"""The same event files through tallyd and through Apache Spark, row by row.

Each scenario is a configuration and a list of files, which arrive one by one.
After every file tallyd runs --available-now on the same state, and Spark's
batch for that file (one file per trigger) must give the same table, and the
same numbers of input and state rows in the progress. Where the two differ on
purpose, the scenario names the rows that may differ and why. Prints one line a scenario and "N passed, N failed"; exit 77 (skipped)
with the reason where Java or PySpark is missing.
"""

import glob
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


# Lines that both judge alike …
SAME = [
    event(1469501107, "Open"), event("2016-07-26T02:45:07Z", "iso"), event("2016-07-26 04:45:07+02:00", "offset"),
    event(-1, "before"), event(-3600, "edge"), event(0, "zero"), '{"action":"no time"}', '{"time":null,"action":"null time"}',
    '{"time":1469501107}', '{"time":1469501107,"action":null}', '{"time":1469501107,"action":""}',
    '{"time":1469501107,"action":1.50}', '{"time":1469501107,"action":true}', '{"time":1469501107,"action":{"a": 1}}',
    '{"time":1469501107,"action":[1, 2]}', '{"time":1,"time":1469501107,"action":"last wins"}',
    '{"t\\u0069me":1469501107,"action":"unescaped"}', '{"Time":1469501107,"action":"case"}', "", "   ",
    '[{"time":1469501107,"action":"array"},{"time":1469501107,"action":"array"}]', "123", '"text"', "null",
    '{"time":1469501107,"action":"x",}', "{'time':1469501107,'action':'single'}", '{"time":01,"action":"zeros"}',
    '{"time":1469501107 "action":"comma"}', '{"time":1469501107,"action":"cut', '{"time":1469501107,"action":"tab\there"}',
    '{"time":1469501107,"action":"\\u0041\\u00e9"}', '{"time":"2016-02-30","action":"no such day"}', '{"time":"2016-07-26","action":"date"}',
    '{"time":1469501107,"action":"extra","more":{"time":5,"deep":[1,{"a":null}]}}',
]
# … and lines that tallyd counts and Spark does not, each with the rule.
OURS = [
    ('{"time":1469501107,"action":"second"}{"time":1469501107,"action":"second"}', "second", "several values on a line each count"),
    ('{"time":1469501107.5,"action":"decimal"}', None, "decimal times count in both: the runner reads them as decimals"),
    ('{"time":1469501107,"action":"then"} garbage', None, "the value counts in both, the garbage is a reject only here"),
]


def scenarios():
    hour = "[query counts]\ngroup_by = action\nwindow = 1 hour\n"
    yield "sample, one file per trigger", hour, sample_files(12), set()
    yield "sliding windows", "[query counts]\nwindow = 10 minutes\nslide = 5 minutes\n", random_files(1, 5, 300, 1800), set()
    yield "sliding, size no multiple of slide", "[query counts]\nwindow = 10 minutes\nslide = 4 minutes\n", random_files(2, 4, 300, 1800), set()
    yield "start offset", "[query counts]\nwindow = 1 hour\nstart_offset = 15 minutes\n", random_files(3, 4, 300, 7200), set()
    yield "session windows", "[query counts]\nsession = 30 seconds\n", random_files(4, 5, 60, 3600), set()
    late = random_files(5, 7, 200, 1800, late=5400)
    yield "watermark, append", "[query counts]\nwindow = 10 minutes\nwatermark = 20 minutes\noutput_mode = append\n", late, set()
    yield "watermark, update", "[query counts]\nwindow = 10 minutes\nwatermark = 20 minutes\noutput_mode = update\n", late, set()
    yield "watermark, complete", "[query counts]\nwindow = 10 minutes\nwatermark = 20 minutes\n", late, set()
    yield "session windows, append", "[query counts]\nsession = 2 minutes\nwatermark = 10 minutes\noutput_mode = append\n", late, set()
    yield "two fields, one dotted", "[query counts]\ngroup_by = action, user.id\nwindow = 1 hour\n", [
        "\n".join(event(1469500000 + i * 60, "ab"[i % 2], user={"id": i % 3, "id2": 1}) for i in range(200)) + "\n"], set()
    yield "no fields", "[query counts]\ngroup_by =\nwindow = 1 hour\n", random_files(6, 2, 100, 7200), set()
    yield "milliseconds", "[source events]\npath = @\ntime_unit = ms\nmax_files_per_trigger = 1\n" + hour, [
        "\n".join(event(1469500000123 + i * 977, "m") for i in range(500)) + "\n"], set()
    corpus = "\n".join(SAME + [line for line, _, _ in OURS]) + "\n"
    yield "corpus of lines", hour, [corpus], {action for _, action, _ in OURS if action}


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


def run_scenario(spark, runner, name, text, files, allowed):
    directory = tempfile.mkdtemp(prefix="tally-spark-")
    events = os.path.join(directory, "events")
    os.makedirs(events)
    config = os.path.join(directory, "tallyd.conf")
    source = f"[source events]\npath = {events}\nmax_files_per_trigger = 1\n"
    body = text.replace("path = @", f"path = {events}") if "[source" in text else source + text
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"[tallyd]\nstate_dir = {directory}/state\n" + body)
    _, queries = runner.read_config(config)
    columns = [column for _, column in runner.fields_of(queries["counts"])]
    # With a watermark Spark judges lateness by the batch before the last unless a batch without
    # files came between, as it does at the end of a run: so it runs once a file there, like tallyd.
    stepwise = "watermark" in text
    ours, theirs = [], []
    for number, content in enumerate(files):
        path = os.path.join(events, f"file-{number}.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        os.utime(path, (1700000000 + number, 1700000000 + number))
        ours.append(rows_of_tallyd(directory, config, columns))
        if stepwise:
            theirs.append(spark_tables(spark, runner, config, directory)[0][-1])
    if not stepwise:
        theirs, their_progress = spark_tables(spark, runner, config, directory)
        our_progress = progress_of_tallyd(directory, config)
        if not allowed and our_progress != their_progress:
            return f"input and state rows of the batches: tallyd {our_progress}, Spark {their_progress}"
    shutil.rmtree(directory)
    if len(ours) != len(theirs):
        return f"tallyd ran {len(ours)} batches, Spark {len(theirs)}"
    for number, (mine, spark_table) in enumerate(zip(ours, theirs)):
        for key in sorted(set(mine) | set(spark_table), key=str):
            if mine.get(key) != spark_table.get(key) and key[0] not in allowed:
                return f"after batch {number}: {key}: tallyd {mine.get(key)}, Spark {spark_table.get(key)}"
    return None


def main():
    try:
        import pyspark
        from pyspark.sql import SparkSession
    except ImportError:
        print("skipped: PySpark is not installed (pip install pyspark)")
        return 77
    if shutil.which("java") is None:
        print("skipped: there is no Java")
        return 77
    import tally_on_spark as runner

    spark = (SparkSession.builder.master("local[2]").appName("conformance").config("spark.sql.session.timeZone", "UTC")
             .config("spark.sql.shuffle.partitions", "2").config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
             .config("spark.sql.warehouse.dir", tempfile.mkdtemp()).getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    print(f"Spark {pyspark.__version__}, Java {spark._jvm.System.getProperty('java.version')}")
    passed = failed = 0
    for name, text, files, allowed in scenarios():
        difference = run_scenario(spark, runner, name, text, files, allowed)
        passed, failed = passed + (difference is None), failed + (difference is not None)
        print(f"{'equal ' if difference is None else 'DIFFER'}  {name}" + (f": {difference}" if difference else ""), flush=True)
    print("differences on purpose, as listed above:")
    for line, _, rule in OURS:
        print(f"  {line}  ({rule})")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
