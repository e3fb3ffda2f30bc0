#!/usr/bin/env python3
"""Continuous queries: their life while files arrive, reloads under load, the change feed."""

import collections
import json
import os
import random
import re
import signal
import sys
import threading

import harness
from harness import wait_until


LONG = "--long" in sys.argv
SEED = int(os.environ.get("TALLYD_SEED", "1"))


class Arrivals(threading.Thread):
    """Files that arrive for ever, by rename, `pause` seconds apart; the later ones less often,
    so that a slow machine has not ever more of them to look at."""

    N_OFTEN = 3000

    def __init__(self, directory, n_lines=20, name="more", pause=0.002):
        super().__init__(daemon=True)
        self.directory, self.n_lines, self.name = directory, n_lines, name
        self.pause = pause
        self.n, self.ends = 0, threading.Event()
        self.start()

    def run(self):
        while not self.ends.is_set():
            self.arrive()
            if self.pause > 0:
                self.ends.wait(self.pause if self.n < self.N_OFTEN else 20 * self.pause)

    def arrive(self):
        path = os.path.join(self.directory, "%s-%06d" % (self.name, self.n))
        with open(path + ".tmp", "w") as out:
            for i in range(self.n_lines):
                out.write('{"time":%d,"action":"a%d","user":{"id":"u%d"}}\n'
                          % (1469500000 + (self.n * 37 + i * 1009) % 20000, i % 3, i % 7))
        os.rename(path + ".tmp", path)
        self.n += 1

    def end(self):
        self.ends.set()
        self.join()


def events_of(directory):
    """All events of a directory's files, as they stand there now."""
    for name in os.listdir(directory):
        if not name.endswith(".tmp"):
            with open(os.path.join(directory, name)) as lines:
                yield from map(json.loads, lines)


FIVE_SOURCES = {"door": """[source door]
path = %(door)s
max_files_per_trigger = %(files)d
""", "gate": """[source gate]
path = %(gate)s
"""}

FIVE = {"hourly": """[query hourly]
source = door
""", "users": """[query users]
source = door
group_by = user.id
window = 1 day
""", "sliding": """[query sliding]
source = door
window = 1 hour
slide = 20 minutes
""", "gates": """[query gates]
source = gate
window = %(window)s
""", "all_gates": """[query all_gates]
source = gate
group_by =
window = 1 day
"""}


def five(values, names=tuple(FIVE)):
    """The configuration of these queries, with the sources that they need."""
    text = "[tallyd]\nquery_timeout = %(timeout)d seconds\n" % values
    for source, section in FIVE_SOURCES.items():
        if any("source = %s\n" % source in FIVE[name] for name in names):
            text += section % values
    return text + "".join(FIVE[name] % values for name in names)


YEAR = """[source events]
path = @EVENTS@
[query updated]
output_mode = update
watermark = 1 hour
retention = 2 days
[query appended]
output_mode = append
watermark = 1 hour
retention = 2 days
[query retained]
retention = 2 days
[query visits]
session = 10 minutes
output_mode = append
watermark = 1 hour
retention = 2 days
"""


class Continuous(harness.Case):

    def test_process_all_available_ends_although_files_arrive_for_ever(self):
        daemon = self.daemon("--set", "events.max_files_per_trigger=1").start()
        arrivals = Arrivals(daemon.events, pause=0.001)
        try:
            wait_until(lambda: arrivals.n > 200, "a backlog")
            # What is there when it is called has been counted when it returns. Once: each
            # second of waiting lets a slow machine's backlog grow by many.
            n_before = arrivals.n
            daemon.process_all()
            n = daemon.ask("select sum(count) from counts")[0][0]
            self.assertGreaterEqual(n, n_before * arrivals.n_lines)
        finally:
            arrivals.end()
        daemon.process_all()
        self.assertEqual(daemon.ask("select sum(count) from counts"),
                         [[arrivals.n * arrivals.n_lines]])

    def test_process_all_available_is_an_error_where_nothing_counts(self):
        daemon = self.daemon(config="[source events]\npath = @EVENTS@\n[query counts]\n"
                             "[query daily]\nwindow = 1 day\n").start()
        daemon.write("a", '{"time":0,"action":"x"}\n')
        self.assertEqual(daemon.ask("select process_all_available()"), [[0]])
        daemon.ask("select stop('counts')")
        daemon.write("b", '{"time":0,"action":"x"}\n')
        # Who is stopped is passed by where another counts.
        self.assertEqual(daemon.ask("select process_all_available()"), [[1]])
        self.assertIn("the query counts is stopped",
                      daemon.text("select process_all_available('counts')"))
        daemon.ask("select stop('daily')")
        self.assertEqual(daemon.text("select process_all_available()").strip(),
                         "Error: all 2 queries are stopped")
        daemon.config = daemon.config.replace("[query daily]\nwindow = 1 day\n", "")
        daemon.stop()
        daemon.start()
        self.assertEqual(daemon.text("select process_all_available()").strip(),
                         "Error: the query counts is stopped")
        daemon.ask("select start('counts')")
        self.assertEqual(daemon.ask("select process_all_available()"), [[1]])

    def changes(self, frames, wanted):
        """Reads the feed until that many changes have come."""
        changes = []
        while len(changes) < wanted:
            changes += frames.frame().get("changes", [])
        return changes

    def subscribe(self, daemon, sql):
        frames = daemon.frames()
        frames.request("SUBSCRIBE " + sql)
        rows = []
        while True:
            frame = frames.frame()
            self.assertNotIn("error", frame)
            rows += frame.get("rows", [])
            if "changes" in frame:
                return frames, rows

    def test_what_changed_arrives_as_an_update_of_its_group(self):
        daemon = self.daemon(config="[source events]\npath = @EVENTS@\n[query counts]\n"
                             "[query visits]\nsession = 10 minutes\n").start()
        daemon.write("a", '{"time":0,"action":"7"}\n{"time":0,"action":"8"}\n')
        daemon.process_all()
        feeds = {sql: self.subscribe(daemon, sql)[0] for sql in (
            "select action, max(window_end), sum(count) from counts group by action",
            "select cast(action as integer) as n, sum(count) from counts group by 1",
            "select max(window_end), count(*) from counts",
            "select action, window_start, count from counts",
            "select * from visits")}
        daemon.write("b", '{"time":300,"action":"8"}\n')
        expected = [
            [["update", "8", "1970-01-01 01:00:00", 2]],
            [["update", 8, 2]],
            None,
            [["update", "8", "1970-01-01 00:00:00", 2]],
            [["update", "8", "1970-01-01 00:00:00", "1970-01-01 00:15:00", 2]]]
        for frames, changes in zip(feeds.values(), expected):
            if changes is not None:
                self.assertEqual(self.changes(frames, 1), changes)
        # The newest end of a group moves: still the same group.
        daemon.write("c", '{"time":7200,"action":"8"}\n')
        expected = [
            [["update", "8", "1970-01-01 03:00:00", 3]],
            [["update", 8, 3]],
            [["update", "1970-01-01 03:00:00", 3]],
            [["insert", "8", "1970-01-01 02:00:00", 1]],
            [["insert", "8", "1970-01-01 02:00:00", "1970-01-01 02:10:00", 1]]]
        for frames, changes in zip(feeds.values(), expected):
            self.assertEqual(self.changes(frames, 1), changes)
            frames.close()

    def test_a_year_of_hours_under_a_watermark_stays_in_flat_memory(self):
        """A season of them, but for --long."""
        n_days = 366 if LONG else 84
        daemon = self.daemon(config=YEAR).start()
        frames, samples = daemon.frames(), []
        for day in range(n_days):
            text = "".join('{"time":%d,"action":"of day %d, %d"}\n'
                           % ((day + 1) * 86400 + i * 43 - i % 3 * 1000, day % 20, i % 40)
                           for i in range(2000))
            daemon.write("day-%03d" % day, text)
            # Each day is a batch: the size of a batch is no matter of this.
            frames.ask("select process_all_available()")
            if day % (n_days // 12) != 0:
                continue
            groups = dict(frames.ask("select name, groups from queries"))
            samples.append((groups, self.resident_kib(daemon)))
        daemon.process_all()
        names = ("updated", "appended", "retained")
        most = {name: max(groups[name] for groups, _ in samples[1:3]) for name in names}
        for groups, resident_kib in samples[3:]:
            # What is open is what is kept, whatever came before.
            for name in names:
                self.assertLess(groups[name], most[name] * 2 + 200, (name, samples))
            self.assertLess(resident_kib, samples[2][1] * 1.25 + 4096, samples)
        sys.stderr.write("resident KiB, by twelfths: %s\n" % [kib for _, kib in samples])
        # Append shows each window once, update keeps those that retention has left.
        n, = daemon.ask("select sum(count), count(*) from updated")
        self.assertGreater(n[0], 2000)
        self.assertEqual(daemon.ask("select max(late), min(events) from queries"),
                         [[0, n_days * 2000]])

    def resident_kib(self, daemon):
        with open("/proc/%d/status" % daemon.process.pid) as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    def expected(self, directory, key, window_s, slide_s=None):
        counts = collections.Counter()
        slide_s = slide_s or window_s
        for event in events_of(directory):
            start = event["time"] // slide_s * slide_s
            while start + window_s > event["time"]:
                counts[key(event), start] += 1
                start -= slide_s
        return counts

    def table(self, daemon, name, column):
        rows = daemon.ask("select %s, unix_timestamp(window_start), count from %s" % (column, name))
        return {(key, start): count for key, start, count in rows}

    def reload(self, daemon, values, names):
        daemon.config = five(values, names)
        with open(os.path.join(daemon.directory, "tallyd.conf"), "w") as out:
            out.write(daemon.config)
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: daemon.ask("select value from settings where "
                                      "name='tallyd.query_timeout'")
                   == [["%d seconds" % values["timeout"]]], "reload %(timeout)d" % values)

    def two_sources(self):
        daemon = self.daemon()
        values = {"timeout": 30, "files": 0, "window": "1 hour", "door": daemon.events,
                  "gate": os.path.join(daemon.directory, "gate")}
        os.mkdir(values["gate"])
        daemon.config = five(values)
        return daemon.start(), values

    def check_five(self, daemon, values):
        daemon.process_all()
        door, gate = values["door"], values["gate"]
        self.assertEqual(self.table(daemon, "hourly", "action"),
                         self.expected(door, lambda event: event["action"], 3600))
        self.assertEqual(self.table(daemon, "users", "id"),
                         self.expected(door, lambda event: event["user"]["id"], 86400))
        self.assertEqual(self.table(daemon, "sliding", "action"),
                         self.expected(door, lambda event: event["action"], 3600, 1200))
        self.assertEqual(self.table(daemon, "gates", "action"),
                         self.expected(gate, lambda event: event["action"], 3600))
        self.assertEqual(self.table(daemon, "all_gates", "NULL"),
                         self.expected(gate, lambda event: None, 86400))
        for name in FIVE:
            self.assertEqual(daemon.ask("select count(*) from (select * from %s except "
                                        "select * from static_%s)" % (name, name)), [[0]])

    def test_five_queries_over_two_sources_reloaded_a_hundred_times_under_load(self):
        daemon, values = self.two_sources()
        both = [Arrivals(values["door"]), Arrivals(values["gate"], name="at-the-gate")]
        try:
            for i in range(1, 101):
                # A limit each time; now and then a query becomes another one, and is rebuilt.
                values.update(timeout=30 + i, files=i % 3,
                              window="30 minutes" if i % 20 >= 10 else "1 hour")
                self.reload(daemon, values, tuple(FIVE))
                for name in FIVE:
                    daemon.ask("select count(*) from " + name)
        finally:
            for arrivals in both:
                arrivals.end()
        self.check_five(daemon, values)

    def test_queries_removed_and_brought_back_under_load_have_counted_everything_once(self):
        daemon, values = self.two_sources()
        chance = random.Random(SEED)
        both = [Arrivals(values["door"], pause=0.02),
                Arrivals(values["gate"], pause=0.02, name="at-the-gate")]
        try:
            for i in range(1, 101 if LONG else 41):
                # A source goes with the last of its queries.
                names = [name for name in FIVE if chance.random() < 0.5] or ["users"]
                chance.shuffle(names)
                values.update(timeout=30 + i, files=chance.randrange(3))
                self.reload(daemon, values, names)
                self.assertEqual({name for name, in daemon.ask("select name from queries")},
                                 set(names))
                if i % 10 == 0:
                    daemon.stop(chance.choice((signal.SIGTERM, signal.SIGKILL)))
                    daemon.start()
                if i % 7 == 0:
                    daemon.process_all()
        finally:
            for arrivals in both:
                arrivals.end()
        events = dict(daemon.ask("select name, events from queries"))
        values.update(timeout=200, files=0)
        self.reload(daemon, values, tuple(FIVE))
        # What had been counted was taken up again and not begun anew.
        now = dict(daemon.ask("select name, events from queries"))
        for name in events:
            self.assertGreaterEqual(now[name], events[name])
        self.assertNotIn("made anew", daemon.log())
        self.check_five(daemon, values)

    def test_a_stop_that_was_answered_outlives_a_kill_and_a_reload_without_the_query(self):
        daemon, values = self.two_sources()
        for goes in range(20):
            self.assertEqual(daemon.ask("select stop('users')"), [["STOPPED"]])
            if goes % 2 == 0:
                daemon.stop(signal.SIGKILL)
                daemon.start()
            else:
                for names in ("hourly",), ("hourly", "users"):
                    values["timeout"] += 1
                    self.reload(daemon, values, names)
            self.assertEqual(daemon.ask("select state from queries where name='users'"),
                             [["STOPPED"]])
            self.assertEqual(daemon.ask("select start('users')"), [["ACTIVE"]])

    def test_a_file_that_comes_back_is_counted_by_a_query_that_was_made_anew_meanwhile(self):
        daemon, values = self.two_sources()
        away = os.path.join(daemon.directory, "away")
        for name in "a", "b":
            daemon.write(name, '{"time":1469500000,"action":"x","user":{"id":"u"}}\n')
        daemon.process_all()
        os.rename(os.path.join(daemon.events, "a"), away)
        for restarts in False, True:
            window = "30 minutes" if restarts else "15 minutes"
            config = five(values, ("gates", "hourly")) + "window = " + window + "\n"
            with open(os.path.join(daemon.directory, "tallyd.conf"), "w") as out:
                out.write(config)
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: daemon.ask("select window from queries where name='hourly'")
                       == [[window]], "the reload")
            daemon.process_all()
            daemon.write("later %d" % restarts, '{"time":0,"action":"x","user":{"id":"u"}}\n')
            daemon.process_all()
            if restarts:
                daemon.config = config
                daemon.stop()
                daemon.start()
            daemon.process_all()
            self.assertIn("1 file with events could not be counted", daemon.ask(
                "select message from queries where name='hourly'")[0][0])
            os.rename(away, os.path.join(daemon.events, "a"))
            daemon.process_all()
            self.assertEqual(daemon.ask("select sum(count) from hourly"), [[3 + restarts]])
            self.assertNotIn("could not", daemon.ask(
                "select message from queries where name='hourly'")[0][0])
            os.rename(os.path.join(daemon.events, "a"), away)
            daemon.process_all()

    def test_a_file_that_comes_back_is_counted_once_by_queries_that_met_without_it(self):
        daemon = self.daemon(config="[source events]\npath = @EVENTS@\n"
                             "[query a]\n[query b]\n[query c]\n").start()

        def change(*calls):
            for call in calls:
                daemon.ask("select " + call)
            daemon.text("select process_all_available()")

        def arrive(name):
            daemon.write(name, '{"time":0,"action":"%s"}\n' % name)
            daemon.process_all()

        change("stop('a')", "stop('c')")
        arrive("early")
        # The two that were behind read a file that the third does not see.
        change("stop('b')", "start('a')", "start('c')")
        arrive("back")
        change("stop('c')")
        arrive("late")
        away = os.path.join(daemon.directory, "away")
        os.rename(os.path.join(daemon.events, "back"), away)
        daemon.process_all()
        change("start('b')")
        arrive("later")
        os.rename(away, os.path.join(daemon.events, "back"))
        daemon.process_all()
        for name in "a", "b":
            self.assertEqual(
                daemon.ask("select action, count from %s order by 1" % name),
                [["back", 1], ["early", 1], ["late", 1], ["later", 1]])

    def test_cleaning_that_a_reload_begins_takes_what_was_read_before_it(self):
        daemon, values = self.two_sources()
        for name in ("a", "b"):
            daemon.write(name, '{"time":1469500000,"action":"x","user":{"id":"u"}}\n')
        daemon.process_all()
        FIVE_SOURCES["door"] += "clean_source = delete\n"
        self.addCleanup(FIVE_SOURCES.update, door=FIVE_SOURCES["door"].rsplit("clean", 1)[0])
        values["timeout"] += 1
        self.reload(daemon, values, ("hourly",))
        wait_until(lambda: set(os.listdir(values["door"])) <= {"gate"}, "the files are gone")
        daemon.ask("select stop('hourly')")
        # A stopped query stays so, and who comes back has missed nothing.
        for names in ("users",), ("hourly", "users"):
            values["timeout"] += 1
            self.reload(daemon, values, names)
            daemon.process_all()
        self.assertEqual(
            daemon.ask("select name, state, message from queries order by 1"),
            [["hourly", "STOPPED", "Stopped"],
             ["users", "ACTIVE", "Waiting for data to arrive"]])

    def test_a_query_comes_back_with_the_counts_of_files_that_are_gone(self):
        daemon, values = self.two_sources()
        for directory in values["door"], values["gate"]:
            with open(os.path.join(directory, "gone"), "w") as out:
                out.write('{"time":1469500000,"action":"early","user":{"id":"u1"}}\n' * 5)
        daemon.process_all()
        values["timeout"] += 1
        self.reload(daemon, values, ("hourly",))
        os.unlink(os.path.join(values["door"], "gone"))
        os.unlink(os.path.join(values["gate"], "gone"))
        daemon.write("later", '{"time":1469500000,"action":"late","user":{"id":"u2"}}\n' * 3)
        daemon.process_all()
        os.unlink(os.path.join(values["door"], "later"))
        daemon.process_all()
        for restarts in (False, True):
            if restarts:
                values["timeout"] += 1
                self.reload(daemon, values, ("hourly",))
                daemon.stop()
                daemon.start()
            values["timeout"] += 1
            self.reload(daemon, values, tuple(FIVE))
            daemon.process_all()
            self.assertEqual(daemon.ask("select action, count from hourly order by 1"),
                             [["early", 5], ["late", 3]])
            self.assertEqual(daemon.ask("select id, count from users"), [["u1", 5]])
            self.assertEqual(daemon.ask("select count from all_gates"), [[5]])
            self.assertEqual(daemon.ask("select path, state from files where source='gate'"),
                             [["gone", "missing"]])
            # Three lines came and went in its absence.
            self.assertEqual(
                daemon.ask("select message from queries where name in ('users', 'hourly')"),
                [["Waiting for data to arrive"],
                 ["Waiting for data to arrive (1 file with events could not be counted: "
                  "archived, deleted, gone or outside the glob)"]])


if __name__ == "__main__":
    if LONG:
        sys.argv.remove("--long")
    harness.main()
