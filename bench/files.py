#!/usr/bin/env python3
"""make bench-files: what many small files cost, in one run.

  small    100,000 files of 20 lines, `tallyd --available-now`, the whole process, against
           list + stat + open + read + close of the same files with as many threads;
           in wall time, and in CPU time, which a busy machine changes less
  memory   what a known file adds to the resident memory of a daemon at rest, after it
           has counted and after a restart
  start    1,000,000 groups and 100,000 known files in the checkpoint: from the start of
           the program to the first right answer; and the same with the 50 files of the sample's shape

Options: names of rows; --passes N. Files are made below $TALLY_BENCH_DIR (default /dev/shm) and
removed.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from freshness import TOP, Daemon, write_event

FILES = 100000


def run_cpu(command):
    """Wall and CPU seconds of a program that ends, and its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, output.decode()


def count(events, state, threads):
    command = [os.path.join(TOP, "tallyd"), "--events", events, "--state-dir", state, "--available-now",
               "--set", "tallyd.threads=%d" % threads, "--sql", "select events from queries"]
    return run_cpu(command)


def small(work, passes):
    events, state = os.path.join(work, "events"), os.path.join(work, "state")
    subprocess.run([os.path.join(TOP, "bench/gen_events"), "--set", "v4", events], check=True)
    for threads in (1, 2):
        ratios, cpu_ratios, walls, hands = [], [], [], []
        for turn in range(passes + 1):
            hand, _, hand_cpu = run_cpu([os.path.join(TOP, "bench/read_files"), str(threads), events])[2].split()
            shutil.rmtree(state, ignore_errors=True)
            wall, cpu, output = count(events, state, threads)
            assert int(output) == 20 * FILES
            if turn > 0:
                walls.append(wall)
                hands.append(float(hand))
                ratios.append(wall / float(hand))
                cpu_ratios.append(cpu / float(hand_cpu))
        print("small    %d files, %d thread(s): by hand %.2f s, tallyd %.2f s; wall %.2f x (%.2f-%.2f), CPU time %.2f x" % (
            FILES, threads, statistics.median(hands), statistics.median(walls), statistics.median(ratios),
            min(ratios), max(ratios), statistics.median(cpu_ratios)), flush=True)


def anonymous_bytes(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def resting_bytes(daemon):
    """Of a daemon with nothing to do: it has handed its heap back, or will not."""
    daemon.start()
    daemon.process_all()
    least = anonymous_bytes(daemon.process.pid)
    for _ in range(20):
        time.sleep(0.1)
        least = min(least, anonymous_bytes(daemon.process.pid))
    daemon.stop()
    return least


def memory(work, _passes):
    figures = []
    for n in (1, FILES):
        directory = os.path.join(work, "memory-%d" % n)
        daemon = Daemon(directory)
        for number in range(n):
            write_event(os.path.join(daemon.events, "file-%05d.json" % number), number % 3600)
        figures.append((resting_bytes(daemon), resting_bytes(daemon)))
    for what, few, many in zip(("after counting", "after a restart"), *figures):
        print("memory   %s: %.1f MB at rest, %.0f bytes a known file" % (what, many / 1e6, (many - few) / (FILES - 1)), flush=True)


def first_answer(daemon, n_events):
    start = time.perf_counter()
    daemon.start()
    assert daemon.ask() == n_events
    took = time.perf_counter() - start
    cpu = daemon.cpu_seconds()
    daemon.process_all()
    daemon.stop()
    return took, cpu


def fill_sample(directory):
    os.rmdir(directory)
    subprocess.run([os.path.join(TOP, "bench/gen_events"), "--set", "v0", directory], check=True)
    return 50 * 2000


def fill_groups(directory):
    """Each event a group of its own."""
    for number in range(FILES):
        with open(os.path.join(directory, "file-%05d.json" % number), "w", encoding="ascii") as file:
            for at in range(number * 10, number * 10 + 10):
                file.write('{"time":%d,"action":"action-%d"}\n' % (1469501107 + at // 100 * 3600, at % 100))
    return FILES * 10


def start(work, passes):
    for fill in (fill_sample, fill_groups):
        daemon = Daemon(os.path.join(work, fill.__name__))
        n_events = fill(daemon.events)
        count(daemon.events, daemon.state, 1)
        figures = [first_answer(daemon, n_events) for _ in range(passes + 1)][1:]
        print("start    %s: the first answer, which is right, after %.3f s (%.3f-%.3f), %.2f s of CPU time" % (
            "%d groups, %d files" % (n_events, FILES) if fill is fill_groups else "50 files of 2,000 events",
            statistics.median(f[0] for f in figures), min(f[0] for f in figures),
            max(f[0] for f in figures), statistics.median(f[1] for f in figures)), flush=True)


ROWS = {"small": small, "memory": memory, "start": start}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="rows to run; default: all")
    parser.add_argument("--passes", type=int, default=5)
    options = parser.parse_args()
    for name in options.rows or ROWS:
        work = tempfile.mkdtemp(prefix="tally-files-", dir=os.environ.get("TALLY_BENCH_DIR", "/dev/shm"))
        try:
            ROWS[name](work, options.passes)
        finally:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
