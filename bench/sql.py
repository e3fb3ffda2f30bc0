#!/usr/bin/env python3
"""make bench-sql: what SQL costs, in rows that stand alone: bench/sql.py [ROW...]

  totals    the totals query over 336 rows, counts changing ten times a second: against an echo
            server of libuv that gives the same answer (bench/echo), one load generator (bench/ask)
  pgbench   the same against PostgreSQL, both asked by pgbench over Unix sockets
  ingest    the same while files are counted at full speed on one thread, and what that loses by it:
            on two processors counting, answering and asking are three that want one, so the time
            that the counting thread ran is told beside what passed
  runaway   pollers beside a statement without end
  million   totals over 1,000,000 groups, unchanged and changed
  frames    SELECT * of 1,000,000 rows in JSON frames, and what a reader that does not read costs

PostgreSQL is Debian's, in a cluster of its own in a temporary directory, settings as shipped;
its rows are skipped with the reason where it is missing. Figures in turn, medians of what is
left without the first. $TALLY_BENCH_SECONDS a measurement (5), $TALLY_BENCH_BYTES of events (2 GB).
"""

import glob
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import postgres

TOP = os.environ.get("top_builddir", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
TOTALS = "select action, sum(count) as total_count from counts group by action order by action;\n"
SECONDS = int(os.environ.get("TALLY_BENCH_SECONDS", "5"))


def pgbench(host, mode, clients, connect):
    command = ["pgbench", "-n", "-h", host, "-U", "bench", "-M", mode, "-f", os.path.join(WORK, "totals.sql"),
               "-c", str(clients), "-j", "2", "-T", str(SECONDS), *(["-C"] if connect else []), "postgres"]
    output = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"tps = ([0-9.]+)", output.stdout)
    if not found:
        raise RuntimeError(output.stderr)
    return float(found[1])


class Daemon:
    """A tallyd over files below WORK/NAME."""

    def __init__(self, name, *options):
        self.directory = os.path.join(WORK, name)
        self.events = os.path.join(self.directory, "events")
        os.makedirs(self.events, exist_ok=True)
        self.socket = os.path.join(self.directory, "tallyd.sock")
        self.process = None
        self.options = options

    def __enter__(self):
        self.process = subprocess.Popen([os.path.join(TOP, "tallyd"), "--events", self.events, "--socket", self.socket,
                                         "--state-dir", self.directory + "/state", *self.options], stderr=subprocess.DEVNULL)
        while True:
            try:
                self.ask("select process_all_available()")
                return self
            except OSError:
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory)

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.socket)
        return client

    def request(self, client, sql):
        client.sendall(json.dumps({"id": 1, "sql": sql}).encode() + b"\n")

    def ask(self, sql):
        """The bytes of the answer's lines but the last, which is returned as well."""
        with self.connect() as client:
            self.request(client, sql)
            buffer, n, tail = bytearray(1 << 20), 0, b""
            while not re.search(rb'\n?\{"id":1,"(ok|error)".*\n$', tail):
                got = client.recv_into(buffer)
                if got == 0:
                    raise OSError("closed")
                n += got
                tail = (tail + bytes(buffer[max(0, got - 400):got]))[-400:]
        end = json.loads(tail.splitlines()[-1])
        if "error" in end:
            raise RuntimeError(end["error"]["message"])
        return n, end

    def append(self, line):
        with open(self.events + "/base.json", "a", encoding="utf-8") as file:
            file.write(line)

    def cpu_ms(self):
        spent = glob.glob(f"/proc/{self.process.pid}/task/*/schedstat")
        return sum(int(open(path, encoding="ascii").read().split()[0]) for path in spent) / 1e6

    def counting_ms(self):
        """What all threads but the loop's have run, and have waited for a processor."""
        tasks = [path for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat") if f"/task/{self.process.pid}/" not in path]
        spent = [open(path, encoding="ascii").read().split() for path in tasks]
        return sum(int(words[0]) for words in spent) / 1e6, sum(int(words[1]) for words in spent) / 1e6

    def rss_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def week(daemon):
    """168 hours of two actions."""
    daemon.append("".join(f'{{"time":{1469500000 + hour * 3600},"action":"{action}"}}\n'
                          for hour in range(168) for action in ("Open", "Close")))


class Changes(threading.Thread):
    """One event ten times a second."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon_to_feed, self.going = daemon, threading.Event()

    def run(self):
        while not self.going.wait(0.1):
            self.daemon_to_feed.append('{"time":1469500000,"action":"Open"}\n')

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.going.set()
        self.join()


def ask(path, clients=8, seconds=SECONDS, mode=""):
    """Questions a second; median, 99th percentile and maximum in microseconds."""
    output = subprocess.run([os.path.join(TOP, "bench/ask"), path, str(clients), str(seconds), TOTALS.strip().rstrip(";"), *mode.split()],
                            capture_output=True, text=True, check=True).stdout
    return [float(word) for word in output.split()]


def in_turn(*measures, passes=4):
    """The median of each, the first pass thrown away."""
    results = [[measure() for measure in measures] for _ in range(passes)][1:]
    return [statistics.median(result[i] for result in results) for i in range(len(measures))]


class Echo:
    """bench/echo with the text that `daemon` answers."""

    def __init__(self, daemon):
        answer = subprocess.run([os.path.join(TOP, "tally"), "-list", daemon.socket, TOTALS], capture_output=True, text=True, check=True).stdout
        self.socket = daemon.directory + "/echo.sock"
        self.process = subprocess.Popen([os.path.join(TOP, "bench/echo"), self.socket, answer])
        while not os.path.exists(self.socket):
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        os.unlink(self.socket)


def totals():
    with Daemon("totals") as daemon:
        week(daemon)
        daemon.ask("select process_all_available()")
        with Echo(daemon) as echo, Changes(daemon):
            for mode in "", "connect":
                theirs, ours = in_turn(lambda: ask(echo.socket, mode=mode)[0], lambda: ask(daemon.socket, mode=mode)[0])
                print(f"totals {mode:8} 8 connections: echo {theirs:.0f}/s, tallyd {ours:.0f}/s, {100 * ours / theirs:.0f} %", flush=True)


def against_postgres():
    with Daemon("pgbench") as daemon:
        week(daemon)
        daemon.ask("select process_all_available()")
        rows = subprocess.run([os.path.join(TOP, "tally"), "-csv", daemon.socket, "select * from counts"], check=True, capture_output=True).stdout
        with postgres.running(os.path.join(WORK, "pg"), rows) as place:
            with Changes(daemon):
                print(f"{'mode':<10} {'clients':>7} {'PostgreSQL q/s':>15} {'tallyd q/s':>12} {'ratio':>7}")
                rows = [(mode, clients, False) for mode in ("simple", "extended", "prepared") for clients in (1, 8, 32)]
                for mode, clients, connect in rows + [("simple", clients, True) for clients in (1, 8, 32)]:
                    theirs, ours = in_turn(lambda: pgbench(place, mode, clients, connect),
                                           lambda: pgbench(daemon.directory, mode, clients, connect), passes=3)
                    print(f"{'connect' if connect else mode:<10} {clients:>7} {theirs:>15.0f} {ours:>12.0f} {ours / theirs:>7.1f}", flush=True)


def ingest():
    """Files of 64 MiB, one a batch, so that the counts change all the time."""
    with Daemon("ingest", "--set", "tallyd.threads=1", "--set", "events.max_bytes_per_trigger=64 MiB") as daemon:
        size = os.environ.get("TALLY_BENCH_BYTES", "2 GB")
        subprocess.run([os.path.join(TOP, "bench/gen_events"), "--set", "v1", "--bytes", size, daemon.directory + "/made"], check=True)
        daemon.ask(TOTALS.rstrip(";\n"))

        def count(poll):
            """A fresh pass over the files: its seconds, those that counting ran and waited, and what poll() gave meanwhile."""
            with Daemon("pass", "--set", "tallyd.threads=1", "--set", "events.max_bytes_per_trigger=64 MiB") as fresh:
                rate = [0]
                poller = threading.Thread(target=lambda: rate.append(poll(fresh)))
                poller.start()
                ran, waited = fresh.counting_ms()
                started = time.monotonic()
                for entry in os.scandir(daemon.directory + "/made"):
                    os.link(entry.path, os.path.join(fresh.events, entry.name))
                fresh.ask("select process_all_available()")
                seconds = time.monotonic() - started
                now_ran, now_waited = fresh.counting_ms()
                poller.join()
                return seconds, (now_ran - ran) / 1e3, (now_waited - waited) / 1e3, rate[-1]

        def medians(passes):
            return [statistics.median(column) for column in zip(*passes)]

        alone, alone_ran, alone_waited, _ = medians([count(lambda _: 0) for _ in range(4)][1:])
        asks = max(0.2, 0.9 * alone)
        seconds, ran, waited, rate = medians([count(lambda fresh: ask(fresh.socket, seconds=asks)[0]) for _ in range(4)][1:])
        print(f"ingest     {size}: alone {alone:.2f} s (ran {alone_ran:.2f}, waited {alone_waited:.2f}), beside 8 pollers {seconds:.2f} s "
              f"({100 * (seconds / alone - 1):+.0f} %; ran {ran:.2f}, {100 * (ran / alone_ran - 1):+.0f} %, waited {waited:.2f}), "
              f"{rate:.0f} questions/s meanwhile", flush=True)
        week(daemon)
        daemon.ask("select process_all_available()")
        rows = subprocess.run([os.path.join(TOP, "tally"), "-csv", daemon.socket, "select * from counts"], check=True, capture_output=True).stdout
        with postgres.running(os.path.join(WORK, "pg"), rows) as place:
            theirs = statistics.median(pgbench(place, "prepared", 8, False) for _ in range(3))
        print(f"ingest     PostgreSQL prepared, 8 clients, without ingest: {theirs:.0f}/s; tallyd beside its ingest {rate / theirs:.1f} x", flush=True)


def runaway():
    with Daemon("runaway", "--set", "tallyd.query_timeout=10 minutes") as daemon:
        week(daemon)
        daemon.ask("select process_all_available()")

        def beside():
            with daemon.connect() as client:
                daemon.request(client, "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n where i < 0")
                return ask(daemon.socket)[2]

        alone, with_it = in_turn(lambda: ask(daemon.socket)[2], beside, passes=6)
        print(f"runaway    99th percentile of 8 pollers: alone {alone:.0f} us, beside it {with_it:.0f} us, {with_it / alone:.2f} x", flush=True)


def a_million(daemon):
    daemon.append("".join(f'{{"time":{1469500000 + hour * 3600},"action":"action{n:02}"}}\n' for hour in range(10000) for n in range(100)))
    daemon.ask("select process_all_available()")


def million():
    with Daemon("million") as daemon:
        a_million(daemon)
        with daemon.connect() as client:
            client.sendall(TOTALS.encode())
            client.recv(1)  # from now on it is kept
        with Echo(daemon) as echo:
            theirs, ours = in_turn(lambda: ask(echo.socket)[0], lambda: ask(daemon.socket)[0])
            print(f"million    totals unchanged: echo {theirs:.0f}/s, tallyd {ours:.0f}/s, {100 * ours / theirs:.0f} %", flush=True)

        def changed():
            daemon.append('{"time":1469500000,"action":"action00"}\n')
            daemon.ask("select process_all_available()")
            time.sleep(0.05)
            cpu_ms = daemon.cpu_ms()
            ms = daemon.ask(TOTALS.rstrip(";\n"))[1]["ms"]
            return ms, daemon.cpu_ms() - cpu_ms

        times = [changed() for _ in range(11)][1:]
        ms, cpu_ms = (statistics.median(pair[i] for pair in times) for i in (0, 1))
        print(f"million    totals changed: {ms:.0f} ms, {cpu_ms:.0f} ms of processor", flush=True)


def frames():
    with Daemon("frames") as daemon:
        a_million(daemon)

        def read():
            cpu_ms, started = daemon.cpu_ms(), time.monotonic()
            n, _ = daemon.ask("select * from counts")
            return n / 1e6 / (time.monotonic() - started), n / 1e3 / (daemon.cpu_ms() - cpu_ms)

        rates = [read() for _ in range(5)][1:]
        rate, cpu_rate = (statistics.median(pair[i] for pair in rates) for i in (0, 1))
        print(f"frames     SELECT * of a million rows: {rate:.0f} MB/s, {cpu_rate:.0f} MB a second of processor", flush=True)
        before = daemon.rss_kb()
        lazy = [daemon.connect() for _ in range(10)]
        for client in lazy:
            daemon.request(client, "select * from counts")
        time.sleep(2)
        print(f"frames     a reader that does not read: {(daemon.rss_kb() - before) / len(lazy):.0f} kB of the daemon's memory", flush=True)
        for client in lazy:
            client.close()


ROWS = {"totals": totals, "pgbench": against_postgres, "ingest": ingest, "runaway": runaway, "million": million, "frames": frames}


def main():
    with open(os.path.join(WORK, "totals.sql"), "w", encoding="utf-8") as file:
        file.write(TOTALS)
    for name in sys.argv[1:] or ROWS:
        try:
            ROWS[name]()
        except postgres.Missing as reason:
            print(f"{name:10} skipped: {reason}", flush=True)


if __name__ == "__main__":
    # In memory: what is measured is not the disk.
    WORK = tempfile.mkdtemp(prefix="tally-sql-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    os.chmod(WORK, 0o755)
    try:
        main()
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
