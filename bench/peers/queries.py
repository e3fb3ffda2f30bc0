"""The totals query over 336 rows by 1, 8 and 32 clients, over connections that stay and a
connection a question, at rest and while tallyd counts at full speed: tallyd over plain text, JSON
frames and the PostgreSQL protocol, PostgreSQL, Redis with the totals in a hash, Spark in its session."""

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import engine
import peers
import postgres

HERE = os.path.dirname(os.path.abspath(__file__))
TOTALS = "select action, sum(count) as total_count from counts group by action order by action"
CLIENTS = (1, 8, 32)


def versions():
    found = {}
    for name, command in (("PostgreSQL", ["psql", "--version"]), ("Redis", ["redis-server", "--version"])):
        if shutil.which(command[0]):
            found[name] = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return found


def left_out():
    """{name: why it cannot run here}."""
    reasons = {}
    try:
        postgres.binaries()
    except postgres.Missing as reason:
        reasons["PostgreSQL"] = str(reason)
    if not shutil.which("redis-benchmark") or not shutil.which("redis-server"):
        reasons["Redis"] = "it is not installed (apt install redis-server redis-tools)"
    return reasons


@contextlib.contextmanager
def tallyd(home, busy):
    """A daemon with the 336 rows; `busy`: beside them it counts so many times 2 GB, one source each."""
    os.makedirs(home + "/events")
    os.chmod(home, 0o755)
    with open(home + "/events/base.json", "w", encoding="utf-8") as file:
        for hour in range(168):
            for action in ("Open", "Close"):
                file.write(f'{{"time":{1469500000 + hour * 3600},"action":"{action}"}}\n')
    with open(home + "/conf", "w", encoding="utf-8") as file:
        file.write(f"[tallyd]\nsocket = {home}/tallyd.sock\nstate_dir = {home}/state\nthreads = 1\nmax_sessions = 2000\n")
        file.write(f"[source events]\npath = {home}/events\n[query counts]\nsource = events\n")
        for turn in range(busy):
            file.write(f"[source more{turn}]\npath = {engine.make_set('v1', [])}\nmax_bytes_per_trigger = 64 MiB\n[query counts{turn}]\nsource = more{turn}\n")
    daemon = subprocess.Popen([os.path.join(engine.TOP, "tallyd"), "--config", home + "/conf"], stderr=subprocess.DEVNULL)
    try:
        while answer(home, "select count(*) from counts") != "336\n":
            time.sleep(0.02)
        yield home
    finally:
        daemon.kill()
        daemon.wait()


def answer(place, sql):
    return subprocess.run([os.path.join(engine.TOP, "tally"), place + "/tallyd.sock", sql], capture_output=True, text=True).stdout


def while_counting(home, name, clients, connect, seconds):
    """Questions a second to a fresh daemon that counted from the first to the last of them."""
    with tallyd(tempfile.mkdtemp(dir=home), 4 + int(4 * max(1, seconds))) as busy:
        figure = protocols(busy)[name](clients, connect, seconds)
        counted = answer(busy, "select sum(events) from queries")
        time.sleep(0.2)
        if answer(busy, "select sum(events) from queries") == counted:
            raise RuntimeError("the counting was over before the questions were")
        return figure


@contextlib.contextmanager
def redis(home):
    path = home + "/redis.sock"
    server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", home], stdout=subprocess.DEVNULL)
    try:
        while subprocess.run(["redis-cli", "-s", path, "hset", "totals", "Open", "168", "Close", "168"], capture_output=True).returncode != 0:
            time.sleep(0.05)
        yield path
    finally:
        server.terminate()
        server.wait()


def pgbench(host, clients, connect, seconds):
    script = os.path.join(os.path.dirname(host) if host.endswith("/pg") else host, "totals.sql")
    with open(script, "w", encoding="utf-8") as file:
        file.write(TOTALS + ";\n")
    command = ["pgbench", "-n", "-h", host, "-U", "bench", "-M", "simple" if connect else "prepared", "-f", script,
               "-c", str(clients), "-j", "2", "-T", str(max(1, int(seconds))), *(["-C"] if connect else []), "postgres"]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if not found:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(found[1])


def ask(path, clients, connect, seconds, *words):
    words = [*(["connect"] if connect else []), *words]
    done = subprocess.run([os.path.join(engine.TOP, "bench/ask"), path, str(clients), str(max(1, int(seconds))), TOTALS, *words],
                          capture_output=True, text=True, check=True)
    return float(done.stdout.split()[0])


def protocols(place):
    """{what: how the tallyd whose directory this is is asked}."""
    return {
        "tallyd, text": lambda *a: ask(place + "/tallyd.sock", *a),
        "tallyd, frames": lambda *a: ask(place + "/tallyd.sock", *a, "frames"),
        "tallyd, PostgreSQL protocol": lambda *a: pgbench(place, *a),
    }


def rows_of(place):
    """The table of that tallyd as CSV."""
    return subprocess.run([os.path.join(engine.TOP, "tally"), "-csv", place + "/tallyd.sock", "select * from counts"], check=True, capture_output=True).stdout


def redis_benchmark(path, clients, connect, seconds):
    """It counts requests, not seconds: so many that they take about as long."""
    number = int((4000 if connect else 40000) * seconds)
    done = subprocess.run(["redis-benchmark", "-s", path, "-c", str(clients), "-n", str(number), "-k", "0" if connect else "1", "--csv", "hgetall", "totals"],
                          capture_output=True, text=True, check=True)
    return float(re.search(r'"hgetall totals","([0-9.]+)"', done.stdout)[1])


def spark(seconds):
    program = (
        "import sys, time\nfrom pyspark.sql import SparkSession\n"
        "s = SparkSession.builder.master('local[2]').config('spark.sql.shuffle.partitions', 2).config('spark.ui.enabled', 'false').getOrCreate()\n"
        "rows = [(a, h, h + 1, 1) for h in range(168) for a in ('Open', 'Close')]\n"
        "s.createDataFrame(rows, 'action string, window_start bigint, window_end bigint, count bigint').cache().createOrReplaceTempView('counts')\n"
        "ask = lambda: s.sql(sys.argv[1]).collect()\nfor _ in range(20): ask()\n"
        "n, start = 0, time.perf_counter()\nwhile time.perf_counter() - start < float(sys.argv[2]): ask(); n += 1\n"
        "print(n / (time.perf_counter() - start))\n"
    )
    done = subprocess.run([peers.PYTHON, "-c", program, TOTALS, str(seconds)], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def measure(seconds, passes):
    """[{who, clients, connect, busy, per_second, per_second_min, per_second_max}]; all take turns."""
    table = []
    home = tempfile.mkdtemp(prefix="queries-", dir=engine.WORK)
    os.chmod(home, 0o755)
    try:
        with contextlib.ExitStack() as stack:
            rest = stack.enter_context(tallyd(home + "/rest", 0))
            who = protocols(rest)
            if "PostgreSQL" not in left_out():
                place = stack.enter_context(postgres.running(home + "/pg", rows_of(rest)))
                who["PostgreSQL"] = lambda *a: pgbench(place, *a)
            if "Redis" not in left_out():
                path = stack.enter_context(redis(home))
                who["Redis, hgetall"] = lambda *a: redis_benchmark(path, *a)
            for connect in (False, True):
                for clients in CLIENTS:
                    figures = {name: [] for name in who}
                    for turn in range(passes + 1):
                        for name, run in who.items():
                            figure = run(clients, connect, seconds / 5)
                            if turn > 0:
                                figures[name].append(figure)
                    table += [row_of(name, clients, connect, False, of) for name, of in figures.items()]
        for connect in (False, True):
            for name in protocols(home):
                for clients in CLIENTS:
                    figures = [while_counting(home, name, clients, connect, seconds / 10) for _ in range(passes)]
                    table.append(row_of(name, clients, connect, True, figures))
        if any(p.name == "Spark" and not p.missing() for p in peers.COUNTERS):
            table.append(row_of("Spark, in its session", 1, False, False, [spark(seconds / 2)]))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return table


def row_of(name, clients, connect, busy, figures):
    row = {"who": name, "clients": clients, "connect": int(connect), "busy": int(busy), "per_second": statistics.median(figures),
           "per_second_min": min(figures), "per_second_max": max(figures)}
    print(f"  {name:<28} {clients:>3} clients {'connecting' if connect else ''} {'busy' if busy else ''} {row['per_second']:10.0f}/s", file=sys.stderr, flush=True)
    return row
