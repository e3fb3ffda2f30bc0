"""A directory tree of events that grow, rotate and arrive, and what ought to be counted of it.

Three sources: lines are appended to `growing`, cut anywhere, and its file is rotated by rename;
whole files arrive in `arriving` (plain or gzip) and are archived; others arrive in `passing` and
are deleted. Everything that is written is remembered here, in the naive way, so that the tables
can be compared although the files are gone. No two lines are alike.
"""

import collections
import gzip
import json
import os
import re

import harness

CONFIG = """[tallyd]
postgres = off
[source growing]
path = @DIR@/growing
max_bytes_per_trigger = 4096
[source arriving]
path = @DIR@/arriving
clean_source = archive
archive_dir = @DIR@/archive
max_files_per_trigger = 2
[source passing]
path = @DIR@/passing
clean_source = delete
[query grown]
source = growing
[query daily]
source = growing
window = 1 day
group_by =
[query arrived]
source = arriving
[query visits]
source = arriving
session = 10 minutes
[query passed]
source = passing
"""
START = 1469501107
HOUR, DAY, GAP = 3600, 86400, 600


class World:
    """`step()` does one thing a writer does; `check(daemon)` compares all tables."""

    def __init__(self, random_source, config=CONFIG, span=None):
        self.random = random_source
        self.config = config
        self.span = span           # seconds of event time, gone through again and again; None: no end
        self.now = START
        self.serial = 0
        self.file = None           # the growing one, open
        self.pending = b""         # its last line so far
        self.rest = b""            # what is still to come of that line
        self.n_rotated = 0
        self.hours = {name: collections.Counter() for name in ("grown", "arrived", "passed")}
        self.days = collections.Counter()
        self.times = collections.defaultdict(list)  # of `arrived`, by action
        self.rejects = collections.Counter()
        self.arrived = []

    def put_into(self, daemon):
        """Gives the daemon its configuration and makes the directories."""
        self.directory = daemon.directory
        daemon.config = self.config.replace("@DIR@", self.directory)
        for name in ("growing", "arriving", "passing", "archive"):
            os.makedirs(os.path.join(self.directory, name), exist_ok=True)
        return self

    def path(self, *names):
        return os.path.join(self.directory, *names)

    # --- lines and what they count ---

    def line(self):
        self.serial += 1
        self.now += self.random.choice([0, 1, 5, 40])
        if self.span is not None and self.now > START + self.span:
            self.now = START
        chance = self.random.random()
        if chance < 0.01:
            return b"no event, number %d" % self.serial
        event = {"time": self.now - self.random.choice([0, 0, 0, 5000]), "n": self.serial,
                 "action": self.random.choice(["Open", "Close", "Knock \u00e9", "%d" % (self.serial % 7)])}
        if chance < 0.015:
            del event["action"]
        return json.dumps(event).encode()

    def count(self, table, source, line):
        try:
            event = json.loads(line)
        except ValueError:
            self.rejects[source] += 1
            return
        action = event.get("action")
        self.hours[table][action, event["time"] // HOUR * HOUR] += 1
        if table == "grown":
            self.days[event["time"] // DAY * DAY] += 1
        if table == "arrived":
            self.times[action].append(event["time"])

    # --- what a writer does ---

    def step(self):
        chance = self.random.random()
        if chance < 0.6:
            self.append()
        elif chance < 0.7:
            self.rotate()
        elif chance < 0.9:
            self.arrive("arriving", "arrived", compress=self.random.random() < 0.3)
        else:
            self.arrive("passing", "passed")

    def append(self):
        """Some lines, the last cut anywhere."""
        if self.file is None:
            self.file = open(self.path("growing", "app.log"), "ab", buffering=0)
        lines = [self.line() for _ in range(self.random.randrange(1, 12))]
        data = self.pending_rest() + b"".join(line + b"\n" for line in lines)
        cut = self.random.randrange(0, len(lines[-1]) + 2)
        data, rest = data[:len(data) - cut], data[len(data) - cut:]
        self.write_growing(data)
        self.rest = rest

    def pending_rest(self):
        rest, self.rest = self.rest, b""
        return rest

    def write_growing(self, data):
        self.file.write(data)
        *lines, self.pending = (self.pending + data).split(b"\n")
        for line in lines:
            self.count("grown", "growing", line)

    def rotate(self):
        """The name goes to the next file; the last line of this one is still written into it."""
        if self.file is None:
            return
        self.n_rotated += 1
        os.rename(self.path("growing", "app.log"),
                  self.path("growing", "app.log.%d" % self.n_rotated))
        if self.rest:
            self.write_growing(self.pending_rest())
        self.file.close()
        self.file = None

    def arrive(self, source, table, compress=False):
        lines = [self.line() for _ in range(self.random.randrange(1, 40))]
        for line in lines:
            self.count(table, source, line)
        data = b"\n".join(lines) + self.random.choice([b"", b"\n"])
        # A line that is no event and has no end is none yet.
        if not data.endswith(b"\n") and not lines[-1].startswith(b"{"):
            data += b"\n"
        name = "%s-%d" % (source, self.serial)
        with open(self.path(source, name + ".tmp"), "wb") as out:
            out.write(gzip.compress(data) if compress else data)
        os.rename(self.path(source, name + ".tmp"), self.path(source, name))
        if source == "arriving":
            self.arrived.append(name)

    # --- what ought to stand in the tables ---

    def with_pending(self, table, counter, size):
        """The last line counts when its object is whole, newline or not."""
        try:
            event = json.loads(self.pending)
        except ValueError:
            return counter
        counter = collections.Counter(counter)
        start = event["time"] // size * size
        counter[(event.get("action"), start) if table == "grown" else start] += 1
        return counter

    def sessions(self):
        found = {}
        for action, times in self.times.items():
            begin = end = None
            for time in sorted(times):
                if end is not None and time <= end:
                    found[action, begin][1] += 1
                    found[action, begin][0] = end = time + GAP
                else:
                    begin, end = time, time + GAP
                    found[action, begin] = [end, 1]
        return {key: tuple(value) for key, value in found.items()}

    def expected(self):
        return {
            "grown": dict(self.with_pending("grown", self.hours["grown"], HOUR)),
            "daily": dict(self.with_pending("daily", self.days, DAY)),
            "arrived": dict(self.hours["arrived"]),
            "passed": dict(self.hours["passed"]),
            "visits": self.sessions(),
            "rejects": {source: n for source, n in self.rejects.items() if n > 0},
        }

    @staticmethod
    def tables(frames):
        start = "unix_timestamp(window_start)"
        found = {name: {(row[0], row[1]): row[2] for row in frames.ask(
            "select action, %s, count from %s" % (start, name))}
            for name in ("grown", "arrived", "passed")}
        found["daily"] = {row[0]: row[1] for row in frames.ask("select %s, count from daily" % start)}
        found["visits"] = {(row[0], row[1]): (row[2], row[3]) for row in frames.ask(
            "select action, %s, unix_timestamp(window_end), count from visits" % start)}
        found["rejects"] = {row[0]: row[1] for row in frames.ask(
            "select source, sum(count) from reject_totals group by source having sum(count) > 0")}
        return found

    def check(self, daemon):
        """0 lost, 0 doubled, in every table."""
        frames = daemon.frames()
        frames.ask("select process_all_available()")
        found, expected = self.tables(frames), self.expected()
        for name, table in expected.items():
            if found[name] != table:
                keys = sorted(set(table) | set(found[name]), key=str)
                raise AssertionError("%s: %s" % (name, "; ".join(
                    "%s: %s instead of %s" % (key, found[name].get(key), table.get(key))
                    for key in keys if found[name].get(key) != table.get(key))))
        frames.close()

    def check_cleaned(self, daemon):
        """What was read is archived, once and whole, or deleted."""
        def is_cleaned():
            return os.listdir(self.path("arriving")) == os.listdir(self.path("passing")) == []

        harness.wait_until(is_cleaned, "all is archived and deleted")
        # The last of them may still have its hidden name.
        harness.wait_until(lambda: sorted(os.listdir(self.path("archive"))) == sorted(self.arrived),
                           "the archive holds what arrived, and nothing else")


def fault_points(path):
    """How often each point was passed, by the log of a build with --enable-faults."""
    with open(path) as log:
        return collections.Counter(line.strip() for line in log)


def has_faults():
    with open(harness.TALLYD, "rb") as program:
        return re.search(b"TALLYD_FAULT_LOG", program.read()) is not None
