#!/usr/bin/env python3
"""make bench-sql: the totals query, tallyd against PostgreSQL, in one run.

Both hold the same 336 rows (168 hours of two actions); while it runs, one event
is appended to tallyd's stream ten times a second. pgbench asks both in turn
over Unix sockets. PostgreSQL is Debian's, in a cluster of its own in a
temporary directory, settings as shipped; skipped with the reason where it is
missing.
"""

import glob
import os
import pwd
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

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


def start_postgres():
    binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not binaries or not shutil.which("pgbench"):
        sys.exit("skipped: PostgreSQL and pgbench are not installed (apt install postgresql)")
    home = os.path.join(WORK, "pg")
    os.makedirs(home)
    as_user = []
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(home, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    run = lambda *command: subprocess.run([*as_user, *command], check=True, capture_output=True, cwd=home)
    run(binaries[-1] + "/initdb", "-D", home + "/data", "-A", "trust", "-U", "bench")
    run(binaries[-1] + "/pg_ctl", "-D", home + "/data", "-o", f"-k {home} -c listen_addresses=", "-l", home + "/log", "-w", "start")
    rows = subprocess.run([os.path.join(TOP, "tally"), "-csv", SOCKET, "select * from counts"], check=True, capture_output=True).stdout
    subprocess.run(["psql", "-q", "-h", home, "-U", "bench", "-c", "create table counts(action text, window_start timestamp, window_end timestamp, count bigint, primary key(action, window_start))", "postgres"], check=True)
    subprocess.run(["psql", "-q", "-h", home, "-U", "bench", "-c", "copy counts from stdin csv", "-c", "analyze counts", "postgres"], input=rows, check=True)
    return home, lambda: run(binaries[-1] + "/pg_ctl", "-D", home + "/data", "-m", "immediate", "stop")


def main():
    events = os.path.join(WORK, "events")
    os.makedirs(events)
    with open(events + "/base.json", "w", encoding="utf-8") as file:
        for hour in range(168):
            for action in ("Open", "Close"):
                file.write(f'{{"time":{1469500000 + hour * 3600},"action":"{action}"}}\n')
    with open(os.path.join(WORK, "totals.sql"), "w", encoding="utf-8") as file:
        file.write(TOTALS)
    daemon = subprocess.Popen([os.path.join(TOP, "tallyd"), "--events", events, "--socket", SOCKET, "--state-dir", WORK + "/state"],
                              stderr=subprocess.DEVNULL)
    stop_postgres = lambda: None
    going = threading.Event()
    try:
        while subprocess.run([os.path.join(TOP, "tally"), SOCKET, "select 1 from counts limit 1"], capture_output=True).stdout != b"1\n":
            time.sleep(0.05)
        postgres, stop_postgres = start_postgres()

        def append():
            while not going.wait(0.1):
                with open(events + "/base.json", "a", encoding="utf-8") as file:
                    file.write('{"time":1469500000,"action":"Open"}\n')

        writer = threading.Thread(target=append)
        writer.start()
        print(f"{'mode':<10} {'clients':>7} {'PostgreSQL q/s':>15} {'tallyd q/s':>12} {'ratio':>7}")
        for mode, clients, connect in [("prepared", 1, False), ("prepared", 8, False), ("prepared", 32, False), ("simple", 8, False),
                                       ("extended", 8, False), ("simple", 8, True)]:
            pairs = [(pgbench(postgres, mode, clients, connect), pgbench(WORK, mode, clients, connect)) for _ in range(3)]
            theirs, ours = (statistics.median(p[i] for p in pairs[1:]) for i in (0, 1))
            print(f"{'connect' if connect else mode:<10} {clients:>7} {theirs:>15.0f} {ours:>12.0f} {ours / theirs:>7.1f}", flush=True)
    finally:
        going.set()
        daemon.terminate()
        daemon.wait()
        stop_postgres()


if __name__ == "__main__":
    WORK = tempfile.mkdtemp(prefix="tally-sql-")
    os.chmod(WORK, 0o755)
    SOCKET = os.path.join(WORK, "tallyd.sock")
    try:
        main()
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
