#!/usr/bin/env python3
"""The main job: a directory of events becomes a table that SQL is asked about."""

import os
import random
import unittest

import harness
from harness import TIMELINE, TOTALS


class MainJob(harness.Case):

    def test_a_made_stream_is_counted_as_a_naive_recount_counts_it(self):
        files = harness.made_stream(seed=7)
        daemon = self.daemon("--set", "events.max_files_per_trigger=1").start()
        for number, text in enumerate(files):
            daemon.write("file-%d.json" % number, text)
        daemon.process_all()
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))
        self.assertEqual(daemon.ask("select count(*) from rejects"), [[0]])
        self.assertEqual(daemon.ask("select files, events from queries"), [[50, 100000]])

    def test_every_answer_is_that_of_a_prefix_of_the_files(self):
        files = harness.made_stream(seed=11, n_files=30, n_lines=300)
        prefixes, so_far = [{}], {}
        for text in files:
            so_far = dict(so_far)
            for (action, _), count in harness.recount([text]).items():
                so_far[action] = so_far.get(action, 0) + count
            prefixes.append(so_far)
        daemon = self.daemon("--set", "events.max_files_per_trigger=1").start()
        for number, text in enumerate(files):
            daemon.write("file-%d.json" % number, text, mtime=10**18)
        frames, last = daemon.frames(), 0
        while last < len(files):
            totals = dict(frames.ask(TOTALS))
            self.assertIn(totals, prefixes)
            # Equal prefixes cannot be: each file adds events.
            self.assertGreaterEqual(prefixes.index(totals), last)
            last = prefixes.index(totals)
            self.assertGreaterEqual(totals.get("Open", 0), totals.get("Close", 0))

    def test_a_file_that_grows_with_cuts_anywhere_is_counted_once(self):
        source = random.Random(3)
        text = harness.made_stream(seed=5, n_files=1, n_lines=400)[0]
        daemon = self.daemon().start()
        at = 0
        while at < len(text):
            end = min(len(text), at + source.randrange(1, 900))
            daemon.append("growing.json", text[at:end])
            at = end
            daemon.process_all()
            whole = text[:at].splitlines()
            # The last line counts when its object is complete, newline or not.
            if whole and not whole[-1].endswith("}"):
                whole.pop()
            self.assertEqual(harness.counts_of(daemon), harness.recount(["\n".join(whole)]))
        self.assertEqual(daemon.ask("select count(*) from rejects"), [[0]])

    def test_the_notebooks_queries_run_as_written(self):
        daemon = self.daemon().start()
        daemon.write("a.json", '{"time":1469501107,"action":"Open"}\n'
                               '{"time":1469501200,"action":"Close"}')
        daemon.process_all()
        self.assertEqual(daemon.text(TIMELINE + ";\n"),
                         "Close|Jul-26 03:00|1\nOpen|Jul-26 03:00|1\n")
        self.assertEqual(daemon.text(TOTALS + ";\n.quit\n"), "Close|1\nOpen|1\n")

    def test_two_queries_over_one_source_and_one_over_another(self):
        directory = self.daemon().directory
        other = os.path.join(directory, "other")
        os.mkdir(other)
        daemon = self.daemon(config="[source door]\npath = @EVENTS@\n[source gate]\npath = " +
                             other + "\n[query hourly]\nsource = door\n[query daily]\n"
                             "source = door\nwindow = 1 day\ngroup_by =\n[query gates]\n"
                             "source = gate\n").start()
        text = harness.made_stream(seed=2, n_files=1, n_lines=500)[0]
        daemon.write("a.json", text)
        with open(os.path.join(other, "b.json"), "w") as out:
            out.write('{"time":1,"action":"x"}')
        daemon.process_all()
        self.assertEqual(daemon.ask("select sum(count) from hourly"), [[500]])
        self.assertEqual(daemon.ask("select sum(count) from daily"), [[500]])
        self.assertEqual(daemon.ask("select * from gates"),
                         [["x", "1970-01-01 00:00:00", "1970-01-01 01:00:00", 1]])

    def test_available_now_counts_prints_and_ends(self):
        files = harness.made_stream(seed=13, n_files=5)
        daemon = self.daemon()
        for number, text in enumerate(files):
            daemon.write("f-%d" % number, text)
        done = daemon.run("--available-now")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        done = daemon.run("--available-now", "--sql", TOTALS)
        expected = {}
        for (action, _), count in harness.recount(files).items():
            expected[action] = expected.get(action, 0) + count
        self.assertEqual(done.stdout, "".join("%s|%d\n" % pair for pair in sorted(expected.items())))
        self.assertEqual(done.returncode, 0, done.stderr)
        done = daemon.run("--available-now", "--sql",
                          ".mode json\nselect 1 as x;\n.mode list\n.end --\nselect 2;\n.quit\nselect 3")
        self.assertEqual((done.returncode, done.stdout), (0, '[{"x":1}]\n2\n--\n'), done.stderr)
        done = daemon.run("--available-now", "--sql", ".mode nonsense\nselect 1")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("mode should be one of", done.stderr)
        done = daemon.run("--available-now", "--sql", "select nonsense")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("nonsense", done.stderr)


@unittest.skipIf(harness.sample_files() is None, "the teaching data set is not at hand")
class Sample(harness.Case):
    """The published answers for the sample stream, one file per trigger."""

    # After file: total Close, total Open, last window's end, Close, Open.
    ANSWERS = {
        0: (531, 1469, "Jul-26 05:00", 176, 289),
        1: (1493, 2507, "Jul-26 06:00", 323, 328),
        3: (3498, 4502, "Jul-26 08:00", 314, 330),
    }

    def check(self, daemon, number):
        closes, opens, end, last_close, last_open = self.ANSWERS[number]
        self.assertEqual(daemon.totals(), {"Close": closes, "Open": opens})
        rows = daemon.ask(TIMELINE)
        self.assertEqual(rows[-2:], [["Close", end, last_close], ["Open", end, last_open]])

    def check_end(self, daemon):
        self.assertEqual(daemon.totals(), {"Close": 50000, "Open": 50000})
        rows = daemon.ask(TIMELINE)
        self.assertEqual(len(rows), 104)
        self.assertEqual(rows[:8], [
            ["Close", "Jul-26 03:00", 11], ["Open", "Jul-26 03:00", 179],
            ["Close", "Jul-26 04:00", 344], ["Open", "Jul-26 04:00", 1001],
            ["Close", "Jul-26 05:00", 815], ["Open", "Jul-26 05:00", 999],
            ["Close", "Jul-26 06:00", 1003], ["Open", "Jul-26 06:00", 1000]])
        self.assertEqual(daemon.ask("select count(*) from rejects"), [[0]])

    def test_files_in_natural_order_give_the_published_answers(self):
        daemon = self.daemon("--set", "events.max_files_per_trigger=1").start()
        for number, path in enumerate(harness.sample_files()):
            with open(path, "rb") as file:
                daemon.write(os.path.basename(path), file.read())
            if number in self.ANSWERS:
                daemon.process_all()
                self.check(daemon, number)
        daemon.process_all()
        self.check_end(daemon)

    def test_files_of_one_modification_time_are_taken_in_natural_order(self):
        daemon = self.daemon("--set", "events.max_files_per_trigger=1")
        for path in harness.sample_files():
            with open(path, "rb") as file:
                daemon.write(os.path.basename(path), file.read(), mtime=10**18)
        daemon.start()
        daemon.process_all()
        self.check_end(daemon)
        rows = daemon.ask("select path from files order by batch_id")
        self.assertEqual([row[0] for row in rows],
                         [os.path.basename(path) for path in harness.sample_files()])
        # 'progress' has each batch: the totals after a file are sums over them.
        rows = daemon.ask("select num_input_rows from progress order by batch_id")
        self.assertEqual(rows, [[2000]] * 50)


if __name__ == "__main__":
    harness.main()
