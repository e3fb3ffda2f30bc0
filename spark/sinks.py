#!/usr/bin/env python3
"""The runner's sinks for a cluster, for real: what tallyd holds after each step, and what stands in
the Parquet files and in a PostgreSQL that the runner wrote.

    sinks.py [PGJDBC.jar]

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


def compare(mode, run, read):
    """What is wrong after the last of three files, or None. `run` takes (config, home), `read` (home)."""
    files = conformance.random_files(8, 3, 200, 1800, late=5400)
    files[0] = conformance.event(1469500000, None) + "\n" + files[0]
    with tempfile.TemporaryDirectory(prefix="tally-sinks-") as home:
        events, config = conformance.configure(home, "[query counts]\nwindow = 10 minutes\n" + MODES[mode])
        for number, text in enumerate(files):
            conformance.take_step(events, number, text)
            ours = conformance.rows_of_tallyd(home, config, ["action"])
            run(config, home)
        theirs = read(home)
    for key in sorted(set(ours) | set(theirs), key=str):
        if ours.get(key) != theirs.get(key):
            return f"{key}: tallyd {ours.get(key)}, Spark {theirs.get(key)}; {len(ours)} and {len(theirs)} rows"
    return None


def main():
    jar = sys.argv[1] if len(sys.argv) > 1 else None
    # Read when the JVM starts, at the first run.
    os.environ["TZ"] = "Asia/Kolkata"
    os.environ["PYSPARK_SUBMIT_ARGS"] = ((f"--jars {jar} " if jar else "") + "--conf spark.ui.enabled=false --conf spark.log.level=ERROR "
                                         "--conf spark.ui.showConsoleProgress=false --master local[2] pyspark-shell")
    tally = {True: 0, False: 0}

    def judge(name, run, read):
        try:
            trouble = compare(name.split()[-1], run, read)
        except Exception as failure:  # whatever Spark raises is this sink's trouble, and the next one's turn
            trouble = (str(failure).splitlines() or [repr(failure)])[0]
        tally[trouble is None] += 1
        print(f"{'equal ' if trouble is None else 'DIFFER'}  {name}" + (f": {trouble}" if trouble else ""), flush=True)

    for mode in ("complete", "append"):
        judge(f"parquet, {mode}", lambda config, home: run_spark(config, home, "parquet", "--path", home + "/tables"),
              lambda home: parquet_rows(home + "/tables/counts"))
    why = "no driver was given" if not jar else "" if shutil.which("psql") and glob.glob("/usr/lib/postgresql/*/bin/initdb") else "PostgreSQL is not installed"
    if why:
        print(f"skipped: jdbc: {why}")
    else:
        home = tempfile.mkdtemp(prefix="tally-sinks-pg-")
        os.chmod(home, 0o755)
        with Postgres(home + "/pg") as postgres:
            for mode in MODES:
                def read(_):
                    return postgres.rows("counts")
                judge(f"jdbc, {mode}", lambda config, home: run_spark(config, home, "jdbc", "--jdbc-url", postgres.url), read)
                subprocess.run(["psql", "-qAt", "-h", postgres.place, "-p", str(postgres.port), "-U", "tally", "-c", "drop table counts", "postgres"], check=False)
        shutil.rmtree(home)
    print(f"{tally[True]} passed, {tally[False]} failed")
    return 1 if tally[False] else 0


if __name__ == "__main__":
    sys.exit(main())
