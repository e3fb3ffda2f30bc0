#!/usr/bin/env python3
"""make bench-files: from a rename into an idle directory until a poll shows it.

Starts tallyd over a directory in memory and over one on a disk, renames one
file of one event into it a hundred times, each after a pause, and asks for the
count over one open connection until it has grown. Beside it stands what such a
poll takes when nothing changes: below that nobody can see anything. With
`--files N` the directory holds N finished files before the first. With
`--realtime` daemon and asker go before everything else that runs (root only):
what is left is what the program itself takes, however busy the machine is.
"""

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.environ.get("top_builddir", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
ASK = b'{"id":1,"sql":"select sum(count) from counts"}\n'


class Daemon:
    def __init__(self, directory):
        self.events = os.path.join(directory, "events")
        self.socket = os.path.join(directory, "sock")
        self.state = os.path.join(directory, "state")
        os.makedirs(self.events)
        self.stderr = open(os.path.join(directory, "log"), "w", encoding="utf-8")
        self.process = None
        self.connection = None
        self.reader = None

    def start(self):
        command = [os.path.join(TOP, "tallyd"), "--events", self.events, "--socket", self.socket, "--state-dir", self.state]
        self.process = subprocess.Popen(command, stderr=self.stderr)
        while True:
            try:
                self.connection = socket.socket(socket.AF_UNIX)
                self.connection.connect(self.socket)
                break
            except OSError:
                self.connection.close()
                if self.process.poll() is not None:
                    sys.exit("tallyd ended with %d" % self.process.returncode)
                time.sleep(0.002)
        self.reader = self.connection.makefile("rb")

    def ask(self, request=ASK):
        """The first value of the answer."""
        self.connection.sendall(request)
        value = None
        while True:
            frame = json.loads(self.reader.readline())
            if frame.get("rows"):
                value = frame["rows"][0][0]
            if "error" in frame:
                sys.exit(frame["error"]["message"])
            if "ok" in frame:
                return value

    def process_all(self):
        self.ask(b'{"id":1,"sql":"select process_all_available()"}\n')

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.reader.close()
        self.connection.close()
        self.process.terminate()
        self.process.wait()


def write_event(path, number):
    with open(path, "w", encoding="ascii") as file:
        file.write('{"time":%d,"action":"Open"}\n' % (1469501107 + number))


def go_first(pid):
    """Every thread of the process, and those they start, in real time."""
    for thread in os.listdir("/proc/%d/task" % pid):
        os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(10))


def quantile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def measure(daemon, n_turns, pause):
    """Seconds from the rename to the poll that showed it, and of polls that showed nothing new."""
    delays, polls = [], []
    for turn in range(n_turns):
        name = os.path.join(daemon.events, "fresh-%d" % turn)
        write_event(name + ".tmp", turn)
        time.sleep(pause * random.uniform(0.5, 1.5))
        asked = time.perf_counter()
        before = daemon.ask()
        renamed = time.perf_counter()
        polls.append(renamed - asked)
        os.rename(name + ".tmp", name + ".json")
        while daemon.ask() == before:
            pass
        delays.append(time.perf_counter() - renamed)
    return delays, polls


def run(label, parent, options):
    directory = tempfile.mkdtemp(prefix="tally-fresh-", dir=parent)
    try:
        daemon = Daemon(directory)
        for number in range(options.files + 1):
            write_event(os.path.join(daemon.events, "known-%d" % number), number)
        daemon.start()
        daemon.process_all()
        if options.realtime:
            go_first(daemon.process.pid)
            go_first(os.getpid())
        delays, polls = measure(daemon, options.turns, options.pause)
        print("%-8s %6d files: p50 %.2f ms  p90 %.2f ms  p99 %.2f ms  max %.2f ms; a poll that shows nothing new %.2f ms (p99 %.2f)" % (
            label, options.files, statistics.median(delays) * 1e3, quantile(delays, 0.9) * 1e3, quantile(delays, 0.99) * 1e3,
            max(delays) * 1e3, statistics.median(polls) * 1e3, quantile(polls, 0.99) * 1e3), flush=True)
        if options.idle > 0:
            time.sleep(2)
            before = daemon.cpu_seconds()
            time.sleep(options.idle)
            print("%-8s %6d files: %.2f s of CPU in %g s without a change" % (
                label, options.files, daemon.cpu_seconds() - before, options.idle), flush=True)
        daemon.stop()
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=300)
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two files, on average")
    parser.add_argument("--files", type=int, default=0, help="finished files in the directory before")
    parser.add_argument("--idle", type=float, default=0, help="then seconds to watch an idle daemon's CPU time")
    parser.add_argument("--realtime", action="store_true", help="let nothing else on the machine interfere")
    parser.add_argument("--memory", default="/dev/shm")
    parser.add_argument("--disk", default="/var/tmp", help="empty: not on a disk")
    options = parser.parse_args()
    for label, parent in (("memory", options.memory), ("disk", options.disk)):
        if parent:
            run(label, parent, options)


if __name__ == "__main__":
    main()
