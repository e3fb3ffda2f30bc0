#!/usr/bin/env python3
"""Files appended, renamed, truncated, rewritten, replaced and deleted at random while a real
daemon counts, is stopped and is killed; at the end its table equals the naive recount of all bytes
that were ever complete.

What takes bytes away waits until `files` shows them read. TALLYD_SEED repeats one run; --long
makes many and longer ones, for TALLYD_SECONDS (default 600).
"""

import collections
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import time
import signal

import harness
from harness import wait_until

LONG = "--long" in sys.argv
ACTIONS = ["Open", "Close", "", "caf\\u00e9", None]
CONFIG = """[source events]
path = @EVENTS@
recursive = yes
max_files_per_trigger = %d
max_bytes_per_trigger = %d
poll_interval = 100 milliseconds
[query counts]
[query daily]
window = 1 day
group_by =
"""


class File:
    """One life of a file: from its first byte until bytes of it are taken away."""

    def __init__(self, path, content=b""):
        self.path, self.content = path, content
        self.rest = b""          # of a line of which the beginning is written
        self.is_gzip = False


class Directory:
    """Does what writers do, and remembers every byte."""

    def __init__(self, events, source, takes_away):
        self.events, self.random, self.takes_away = events, source, takes_away
        self.files, self.ended, self.serial = [], [], 0
        self.done = collections.Counter()
        self.inbox = events + ".inbox"
        os.mkdir(self.inbox)
        for name in ("a", "b"):
            os.mkdir(os.path.join(events, name))

    # --- bytes ---

    def line(self):
        self.serial += 1
        if self.random.random() < 0.03:
            return b"garbage %d\n" % self.serial
        action = self.random.choice(ACTIONS)
        action = "null" if action is None else '"%s"' % action
        return ('{"time":%d,"action":%s,"id":%d}\n' % (
            1469501107 + self.random.randrange(400000), action, self.serial)).encode()

    def lines(self, most=60):
        return b"".join(self.line() for _ in range(self.random.randrange(most)))

    def name(self):
        self.serial += 1
        return os.path.join(self.events, self.random.choice(["", "a", "b"]),
                            "f-%d" % self.serial)

    def write(self, path, data, mode="ab"):
        with open(path, mode) as out:
            out.write(data)

    def arrive(self, path, data):
        """By rename from outside, whole."""
        self.serial += 1
        before = os.path.join(self.inbox, str(self.serial))
        self.write(before, data)
        os.rename(before, path)

    # --- what writers do ---

    def create(self):
        file = File(self.name(), self.lines())
        self.arrive(file.path, file.content)
        self.files.append(file)

    def create_compressed(self):
        file = File(self.name(), self.lines(200))
        file.is_gzip = True
        if shutil.which("zstd") and self.random.random() < 0.5:
            packed = subprocess.run(["zstd", "-q", "-c"], input=file.content, check=True,
                                    stdout=subprocess.PIPE).stdout
        else:
            cut = self.random.randrange(len(file.content) + 1)
            packed = gzip.compress(file.content[:cut]) + gzip.compress(file.content[cut:])
        self.arrive(file.path, packed)
        self.files.append(file)

    def pick(self, plain=True):
        files = [file for file in self.files if not (plain and file.is_gzip)]
        return self.random.choice(files) if files else None

    def append(self):
        file = self.pick()
        if file is None:
            return self.create()
        data = file.rest + self.lines(30)
        file.rest = b""
        if self.random.random() < 0.5:      # cut anywhere in the last line
            line = self.line()
            at = self.random.randrange(1, len(line))
            data, file.rest = data + line[:at], line[at:]
        pieces = self.random.choice([1, 1, 3])
        for i in range(pieces):
            self.write(file.path, data[len(data) * i // pieces:len(data) * (i + 1) // pieces])
        file.content += data
        return None

    def rename(self):
        file = self.pick(plain=False)
        if file is not None:
            path = self.name()
            os.rename(file.path, path)
            file.path = path

    def is_read(self, daemon, file):
        size = os.stat(file.path).st_size
        rows = daemon.ask("select state from files where path=? and size=? and "
                          "state in ('done','growing')",
                          [os.path.relpath(file.path, self.events), size])
        return rows != []

    def truncate(self, daemon):
        """To nothing or to whole lines: what is left is a new file's. Where only the beginning of a
        line went that did not count yet, it would be the same file's."""
        file = self.pick()
        if file is None or not file.content:
            return
        self.wait_read(daemon, file)
        ends = [i + 1 for i, byte in enumerate(file.content) if byte == 10]
        ends = [end for end in ends if end < len(file.content)][:-1]
        to = self.random.choice([0] + ends)
        os.truncate(file.path, to)
        self.end(file)
        self.files.append(File(file.path, file.content[:to]))

    def rewrite(self, daemon):
        """In place, with other bytes."""
        file = self.pick()
        if file is None or not file.content:
            return
        self.wait_read(daemon, file)
        fresh = File(file.path, self.line() + self.lines())
        self.write(file.path, fresh.content, "wb")
        self.end(file)
        self.files.append(fresh)

    def replace(self, daemon):
        file = self.pick(plain=False)
        if file is None:
            return
        self.wait_read(daemon, file)
        fresh = File(file.path, self.lines())
        self.arrive(file.path, fresh.content)
        self.end(file)
        self.files.append(fresh)

    def delete(self, daemon):
        file = self.pick(plain=False)
        if file is not None:
            self.wait_read(daemon, file)
            os.unlink(file.path)
            self.end(file)

    def wait_read(self, daemon, file):
        wait_until(lambda: self.is_read(daemon, file), "%s is read" % file.path)

    def end(self, file):
        self.ended.append(file.content)
        self.files.remove(file)

    def step(self, daemon):
        does = [self.create, self.create_compressed] + 5 * [self.append] + 3 * [self.rename]
        if self.takes_away:
            does += [lambda one=one: one(daemon)
                     for one in (self.truncate, self.rewrite, self.replace, self.delete)]
        self.random.choice(does)()

    # --- the naive recount ---

    def recount(self, window):
        """(action, start) -> count over all lives; an object at an unfinished end counts too."""
        counts, n_rejects = collections.Counter(), 0
        for content in self.ended + [file.content for file in self.files]:
            lines = content.split(b"\n")
            for i, line in enumerate(lines):
                try:
                    event = json.loads(line) if line else None
                except ValueError:
                    n_rejects += i + 1 < len(lines)     # the last one may still become one
                    continue
                if event is not None:
                    counts[event["action"], event["time"] // window * window] += 1
        return counts, n_rejects


class RandomFiles(harness.Case):

    def compare(self, daemon, files, seed):
        daemon.process_all()
        expected, n_rejects = files.recount(3600)
        self.assertEqual(harness.counts_of(daemon), expected, "TALLYD_SEED=%d" % seed)
        self.assertEqual(daemon.ask("select sum(count) from daily"),
                         [[sum(expected.values()) or None]])
        self.assertEqual(daemon.ask("select ifnull(sum(count), 0) from reject_totals"),
                         [[n_rejects]], "TALLYD_SEED=%d" % seed)

    def live(self, seed, takes_away, n_steps):
        source = random.Random(seed)
        daemon = self.daemon(config=CONFIG % (source.choice([0, 1, 3]),
                                              source.choice([0, 500, 5000])))
        files = Directory(daemon.events, source, takes_away)
        daemon.start()
        for _ in range(n_steps):
            files.step(daemon)
            what = source.random()
            if what < 0.02:
                self.compare(daemon, files, seed)
            elif what < 0.03:
                # With the daemon away only what is never waited for happens.
                daemon.stop(source.choice([signal.SIGKILL, signal.SIGTERM]))
                files.takes_away = False
                for _ in range(source.randrange(6)):
                    files.step(daemon)
                files.takes_away = takes_away
                daemon.start()
        self.compare(daemon, files, seed)
        if not takes_away:
            self.assertEqual(daemon.ask("select * from counts except select * from static_counts"),
                             [])
            self.assertEqual(daemon.ask("select count(*) from counts"),
                             daemon.ask("select count(*) from static_counts"))
        daemon.clean()

    def go(self, takes_away):
        if "TALLYD_SEED" in os.environ:
            self.live(int(os.environ["TALLYD_SEED"]), takes_away, 400 if LONG else 150)
            return
        end = time.monotonic() + float(os.environ.get("TALLYD_SECONDS", 600)) / 2
        seed = 0
        while seed < 3 or (LONG and time.monotonic() < end):
            seed += 1
            self.live(seed, takes_away, 400 if LONG else 150)
        sys.stderr.write("%d runs\n" % seed)

    def test_the_table_is_the_recount_of_all_bytes_that_were_ever_complete(self):
        self.go(True)

    def test_without_truncation_and_deletion_the_batch_twin_is_the_same_too(self):
        self.go(False)


if __name__ == "__main__":
    if LONG:
        sys.argv.remove("--long")
    harness.main()
