#!/usr/bin/env python3
"""The runner's sinks, for real: what tallyd holds after each step, and what stands in the Parquet
files, in a PostgreSQL and in an SQLite file that the runner wrote; and what a spark-submit prints.

    sinks.py [DRIVER.jar…]

Three runs on the same checkpoint for each output mode: a file comes before each, so that rows
change and are added. The zone of the JVM is not UTC, which must not show. The last line is
"N passed, N failed"; a sink that cannot be had here is skipped with the reason.
"""

import glob
import json
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile

import conformance
import tally_on_spark as runner

WATERMARK = "watermark = 20 minutes\n"
MODES = {"complete": "", "append": WATERMARK + "output_mode = append\n", "update": WATERMARK + "output_mode = update\n"}


class Postgres:
    """A cluster of its own that listens on a port of the loopback."""

    def __init__(self, place):
        self.programs = (sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [None])[-1]
        self.place, self.as_user = place, []
        os.makedirs(place)
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(place, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"jdbc:postgresql://127.0.0.1:{self.port}/postgres?user=tally"

    def run(self, program, *words):
        command = [*self.as_user, os.path.join(self.programs, program), "-D", self.place + "/data", *words]
        subprocess.run(command, check=True, capture_output=True, cwd=self.place)

    def __enter__(self):
        self.run("initdb", "-A", "trust", "-U", "tally", "-E", "UTF8", "--locale=C")
        self.run("pg_ctl", "-w", "-l", self.place + "/log", "-o", f"-p {self.port} -k {self.place} -c listen_addresses=127.0.0.1", "start")
        return self

    def __exit__(self, *_):
        self.run("pg_ctl", "-m", "immediate", "stop")

    def rows(self, table):
        text = subprocess.run(["psql", "-qAt", "-h", self.place, "-p", str(self.port), "-U", "tally", "-c",
                               f"select json_build_object('action', action, 'start', to_char(window_start, 'YYYY-MM-DD HH24:MI:SS'), "
                               f"'end', to_char(window_end, 'YYYY-MM-DD HH24:MI:SS'), 'count', count) from {table}", "postgres"],
                              check=True, capture_output=True, text=True).stdout
        rows = [json.loads(line) for line in text.splitlines()]
        table = conformance.as_set(rows)
        assert len(table) == len(rows), "a row stands twice"
        return table

    def drop(self, table):
        subprocess.run(["psql", "-qAt", "-h", self.place, "-p", str(self.port), "-U", "tally", "-c", f"drop table {table}", "postgres"], check=False)


class Sqlite:
    """A file of SQLite; times are text there, as tallyd writes them."""

    def __init__(self, path):
        self.path, self.url = path, f"jdbc:sqlite:{path}"

    def rows(self, table):
        connection = sqlite3.connect(self.path)
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(f"select action, window_start, window_end, count from {table}")]
        connection.close()
        table = conformance.as_set(rows)
        assert len(table) == len(rows), "a row stands twice"
        return table

    def drop(self, table):
        connection = sqlite3.connect(self.path)
        connection.execute(f"drop table {table}")
        connection.close()


def run_spark(config, home, sink, *words):
    """The runner's own program, in this process, so that one JVM serves all runs."""
    sys.argv = ["tally_on_spark.py", "--config", config, "--available-now", "--sink", sink, "--checkpoint", home + "/checkpoint", *words]
    if runner.main() != 0:
        raise RuntimeError("the runner refused the configuration")


def parquet_rows(path):
    from pyspark.sql import SparkSession

    rows = runner.rows_of(SparkSession.builder.getOrCreate().read.parquet(path))
    table = conformance.as_set(rows)
    assert len(table) == len(rows), "a row stands twice"
    return table


def compare(mode, run, read, spelling=lambda group: group):
    """What is wrong after the last of three files, or None. `run` takes (config, home), `read` (home);
    `spelling` says how the groups of tallyd's table are written there."""
    files = conformance.random_files(8, 3, 200, 1800, late=5400)
    files[0] = conformance.event(1469500000, None) + "\n" + conformance.event(1469500000, "a\0b") + "\n" + files[0]
    with tempfile.TemporaryDirectory(prefix="tally-sinks-") as home:
        events, config = conformance.configure(home, "[query counts]\nwindow = 10 minutes\n" + MODES[mode])
        for number, text in enumerate(files):
            conformance.take_step(events, number, text)
            ours = conformance.rows_of_tallyd(home, config, ["action"])
            run(config, home)
        theirs = read(home)
    ours = {(spelling(action), *window): n for (action, *window), n in ours.items()}
    for key in sorted(set(ours) | set(theirs), key=str):
        if ours.get(key) != theirs.get(key):
            return f"{key}: tallyd {ours.get(key)}, Spark {theirs.get(key)}; {len(ours)} and {len(theirs)} rows"
    return None


def without_nul(group):
    """PostgreSQL keeps no NUL in a text."""
    return group and group.replace("\0", "\ufffd")


def submit(config, *words):
    """What a spark-submit of PySpark's own prints, started as a person would from a shell."""
    import pyspark

    program = os.path.join(os.path.dirname(pyspark.__file__), "bin/spark-submit")
    shell = {name: value for name, value in os.environ.items() if name not in ("PYSPARK_SUBMIT_ARGS", "TZ")}
    done = subprocess.run([program, "--master", "local[2]", "--conf", "spark.ui.enabled=false", runner.__file__, "--config", config, "--available-now", *words],
                          capture_output=True, text=True, env=shell)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
    return done.stdout


def cells(text):
    """The rows of the tables that Spark prints, without their heads; a NULL is empty."""
    rows, borders = [], 0
    for line in text.splitlines():
        if line.startswith("+"):
            borders += 1
        elif line.startswith("|") and borders % 3 == 2:
            rows.append(["" if cell.strip() == "NULL" else cell.strip() for cell in line[1:-1].split("|")])
    return rows


def compare_submit(options, body, texts):
    """What is wrong with the rows that `options` make a spark-submit print, or None: tallyd's answers to `texts`."""
    with tempfile.TemporaryDirectory(prefix="tally-sinks-") as home:
        events, config = conformance.configure(home, body)
        for number, text in enumerate([*conformance.sample_files(3), conformance.event(1469501107, None) + "\n"]):
            conformance.take_step(events, number, text)
        ours = []
        for text in texts:
            answer = subprocess.run([os.path.join(conformance.TOP, "tallyd"), "--config", config, "--available-now", "--sql", text], capture_output=True, text=True, check=True)
            ours += [line.split("|") for line in answer.stdout.splitlines()]
        theirs = cells(submit(config, *options))
    if "console" in options:
        ours, theirs = sorted(ours), sorted(theirs)
    return None if ours == theirs else f"tallyd {ours[:5]}, Spark {theirs[:5]}; {len(ours)} and {len(theirs)} rows"


def all_drivers(jars):
    """{name of a database: its driver}."""
    return {name: jar for jar in jars for name in ("postgresql", "sqlite") if os.path.basename(jar).startswith(name)}


def main():
    drivers = all_drivers(sys.argv[1:])
    # Read when the JVM starts, at the first run.
    os.environ["TZ"] = "Asia/Kolkata"
    os.environ["PYSPARK_SUBMIT_ARGS"] = ((f"--jars {','.join(drivers.values())} " if drivers else "") + f"--driver-java-options '{conformance.QUICK_JVM}' --conf spark.ui.enabled=false --conf spark.log.level=ERROR "
                                         "--conf spark.ui.showConsoleProgress=false --master local[2] pyspark-shell")
    tally = {True: 0, False: 0}

    def judge(name, run):
        try:
            trouble = run()
        except Exception as failure:  # whatever Spark raises is this sink's trouble, and the next one's turn
            trouble = (str(failure).splitlines() or [repr(failure)])[0]
        tally[trouble is None] += 1
        print(f"{'equal ' if trouble is None else 'DIFFER'}  {name}" + (f": {trouble}" if trouble else ""), flush=True)

    def judge_database(name, database, spelling):
        for mode in MODES:
            judge(f"{name}, {mode}", lambda mode=mode: compare(
                mode, lambda config, home: run_spark(config, home, "jdbc", "--jdbc-url", database.url), lambda _: database.rows("counts"), spelling))
            database.drop("counts")

    statements = [text.format(table) for table in ("counts", "static_counts") for text in conformance.NOTEBOOK] + ["select * from days order by window_start"]
    judge("spark-submit, memory, the notebook's SQL", lambda: compare_submit(
        [word for text in statements for word in ("--sql", text)], "[query counts]\n[query days]\ngroup_by =\nwindow = 1 day\n", statements))
    judge("spark-submit, console", lambda: compare_submit(
        ["--sink", "console"], "[source events]\npath = @\n[query counts]\nwatermark = 1 hour\noutput_mode = update\n", ["select * from counts"]))
    for mode in ("complete", "append"):
        judge(f"parquet, {mode}", lambda mode=mode: compare(mode, lambda config, home: run_spark(config, home, "parquet", "--path", home + "/tables"),
                                                            lambda home: parquet_rows(home + "/tables/counts")))
    with tempfile.TemporaryDirectory(prefix="tally-sinks-db-") as home:
        os.chmod(home, 0o755)
        if "sqlite" in drivers:
            judge_database("jdbc, SQLite", Sqlite(home + "/tables.db"), lambda group: group)
        else:
            print("skipped: jdbc, SQLite: no driver was given")
        why = "no driver was given" if "postgresql" not in drivers else "" if shutil.which("psql") and glob.glob("/usr/lib/postgresql/*/bin/initdb") else "PostgreSQL is not installed"
        if why:
            print(f"skipped: jdbc, PostgreSQL: {why}")
        else:
            with Postgres(home + "/pg") as postgres:
                judge_database("jdbc, PostgreSQL", postgres, without_nul)
    print(f"{tally[True]} passed, {tally[False]} failed")
    return 1 if tally[False] else 0


if __name__ == "__main__":
    sys.exit(main())
