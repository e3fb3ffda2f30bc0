#!/usr/bin/env python3
"""Random queries of every kind over random events in a real daemon, killed and started again in the
middle: after each step all tables, the late events and the state's rows equal a naive recount.

Every file, and what is appended to it, is a batch of its own (max_files_per_trigger = 1, times
that rise), so the recount knows the batches. TALLYD_SEED repeats one round; --long makes rounds
for TALLYD_SECONDS (default 600).
"""

import os
import random
import signal
import sys
import time

import harness

LONG = "--long" in sys.argv
STEP = 250                  # every duration is a multiple of it; milliseconds, like all times
NEVER = -10**15


class Query:
    """One query's rules, written down a second time: an event after the other, rows in a list."""

    def __init__(self, source, name, spread):
        self.name = name
        self.fields = source.choice([[], ["action"], ["user"], ["action", "user"]])
        self.size = STEP * source.randrange(1, 30)
        self.slide = source.choice([self.size, STEP * source.randrange(1, self.size // STEP + 1)])
        self.offset = STEP * source.randrange(-(self.slide // STEP) + 1, self.slide // STEP)
        self.is_session = source.random() < 0.35
        self.mode = source.choice(["complete", "append"] + ([] if self.is_session else ["update"]))
        self.delay = self.retention = None
        if self.mode == "append" or source.random() < 0.6:
            self.delay = STEP * source.randrange(spread // STEP)
        if source.random() < 0.3:
            self.retention = STEP * source.randrange(2 * spread // STEP)
        self.rows = []              # [key, start, end, count, state]: open, closed or shown
        self.late = self.events = 0
        self.newest, self.watermark, self.horizon = NEVER, 0, NEVER

    def config(self):
        lines = ["[query %s]" % self.name, "group_by = " + ", ".join(self.fields),
                 "output_mode = " + self.mode]
        if self.is_session:
            lines += ["session = %d milliseconds" % self.size]
        else:
            lines += ["window = %d milliseconds" % self.size,
                      "slide = %d milliseconds" % self.slide,
                      "start_offset = %d milliseconds" % self.offset]
        if self.delay is not None:
            lines += ["watermark = %d milliseconds" % self.delay]
        if self.retention is not None:
            lines += ["retention = %d milliseconds" % self.retention]
        return "\n".join(lines) + "\n"

    def drops(self, end):
        return self.delay is not None and self.mode != "complete" and end <= self.watermark

    def open_rows(self, key):
        return [row for row in self.rows if row[4] == "open" and row[0] == key]

    def count_fixed(self, key, at):
        start = (at - self.offset) // self.slide * self.slide + self.offset
        is_late, has_window = False, False
        while start + self.size > at:
            end = start + self.size
            has_window = has_window or end > self.horizon
            if self.drops(end):
                is_late = True
            elif end > self.horizon:
                rows = [row for row in self.open_rows(key) if row[1] == start]
                if not rows:
                    rows = [[key, start, end, 0, "open"]]
                    self.rows += rows
                rows[0][3] += 1
            start -= self.slide
        self.late += is_late or not has_window

    def count_session(self, key, at):
        start, end, count = at, at + self.size, 1
        if self.drops(end) or end <= self.horizon:
            self.late += 1
            return
        joined = True
        while joined:
            joined = [row for row in self.open_rows(key) if row[1] <= end and start <= row[2]]
            for row in joined:
                start, end, count = min(start, row[1]), max(end, row[2]), count + row[3]
                self.rows.remove(row)
        self.rows.append([key, start, end, count, "open"])

    def run_batch(self, events):
        shown = self.watermark
        for event in events:
            key = tuple(event[field] for field in self.fields)
            (self.count_session if self.is_session else self.count_fixed)(key, event["time"])
            self.newest = max(self.newest, event["time"])
        self.events += len(events)
        if self.newest != NEVER and self.delay is not None:
            self.watermark = max(self.watermark, self.newest - self.delay)
        if self.newest != NEVER and self.retention is not None:
            self.horizon = max(self.horizon, self.newest - self.retention)
        self.rows = [row for row in self.rows if row[2] > self.horizon]
        for row in self.rows:
            if self.mode == "append" and row[2] <= shown:
                row[4] = "shown"
            if self.mode == "update" and self.delay is not None and row[2] <= self.watermark:
                row[4] = "closed"

    def batch(self, events):
        self.run_batch(events)
        while self.mode == "append" and any(
                row[4] == "open" and row[2] <= self.watermark for row in self.rows):
            self.run_batch([])

    def table(self):
        wanted = ("shown",) if self.mode == "append" else ("open", "closed")
        return sorted([list(row[0]) + [stamp(row[1]), stamp(row[2]), row[3]]
                       for row in self.rows if row[4] in wanted], key=str)

    def n_groups(self):
        return sum(row[4] == "open" for row in self.rows)


def stamp(ms):
    text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ms // 1000))
    return text + (".%03d" % (ms % 1000)).rstrip("0") if ms % 1000 else text


class Oracle(harness.Case):

    def make_events(self, n):
        events = []
        for _ in range(n):
            at = self.now + self.random.randrange(self.spread) - self.spread // 2
            if self.random.random() < 0.7:
                at = at // STEP * STEP
            events.append({"time": at, "action": self.random.choice([None, "", "a", "b", "c"]),
                           "user": self.random.choice([None, "u", "v"])})
            self.now += self.random.randrange(self.spread // 20 + 1)
            if self.random.random() < 0.01:
                self.now += 3 * self.spread
        return events

    def lines(self, events):
        def text(value):
            return "null" if value is None else '"%s"' % value
        for event in events:
            if self.random.random() < 0.05:
                yield "garbage"
            yield '{"time":%d,"action":%s,"user":%s}' % (
                event["time"], text(event["action"]), text(event["user"]))

    def maybe_restart(self):
        if self.random.random() < 0.4:
            self.tallyd.stop(self.random.choice([signal.SIGKILL, signal.SIGTERM]))
            self.tallyd.start()

    def check(self, seed):
        self.tallyd.process_all()
        for query in self.queries:
            what = "TALLYD_SEED=%d\n%s" % (seed, query.config())
            rows = self.tallyd.ask("select * from " + query.name)
            self.assertEqual(sorted(rows, key=str), query.table(), what)
            self.assertEqual(
                self.tallyd.ask("select late, groups, events from queries where name = ?",
                                [query.name]),
                [[query.late, query.n_groups(), query.events]], what)

    def step(self, seed):
        """A few files at once, each a batch; or one that comes in two pieces, cut anywhere."""
        if self.random.random() < 0.7:
            for _ in range(self.random.randrange(1, 4)):
                events = self.make_events(self.random.randrange(12))
                self.file("\n".join(self.lines(events)))
                for query in self.queries:
                    query.batch(events)
            self.maybe_restart()
            self.check(seed)
            return
        events = self.make_events(12)
        lines = list(self.lines(events))
        cut = self.random.randrange(len(lines))
        end = self.random.randrange(1, len(lines[cut]))
        # Of the first piece the line that is cut does not count.
        n_before = sum(line != "garbage" for line in lines[:cut])
        name = self.file("\n".join(lines[:cut] + [lines[cut][:end]]))
        rest = "\n".join([lines[cut][end:]] + lines[cut + 1:]) + "\n"
        for part, more in ((events[:n_before], None), (events[n_before:], rest)):
            if more is not None:
                self.tallyd.append(name, more)
            self.maybe_restart()
            for query in self.queries:
                query.batch(part)
            self.check(seed)

    def file(self, text):
        self.n_files += 1
        name = "f-%d" % self.n_files
        self.tallyd.write(name, text)
        return name

    def live(self, seed, n_steps):
        self.random = random.Random(seed)
        self.n_files = 0
        self.spread = STEP * self.random.randrange(4, 60)
        self.now = self.random.choice([0, 10**6, 1469501107123])
        self.queries = [Query(self.random, "q%d" % i, self.spread)
                        for i in range(self.random.randrange(1, 7))]
        self.tallyd = self.daemon(config="[source events]\npath = @EVENTS@\ntime_unit = ms\n"
                                  "max_files_per_trigger = 1\n" +
                                  "".join(query.config() for query in self.queries)).start()
        for _ in range(n_steps):
            self.step(seed)
        self.tallyd.clean()

    def test_all_tables_equal_the_recount_over_restarts(self):
        if "TALLYD_SEED" in os.environ:
            self.live(int(os.environ["TALLYD_SEED"]), 30)
            return
        end = time.monotonic() + float(os.environ.get("TALLYD_SECONDS", 600))
        seed = 0
        while seed < 5 or (LONG and time.monotonic() < end):
            seed += 1
            self.live(seed, 30 if LONG else 12)
        sys.stderr.write("%d rounds\n" % seed)


if __name__ == "__main__":
    if LONG:
        sys.argv.remove("--long")
    harness.main()
