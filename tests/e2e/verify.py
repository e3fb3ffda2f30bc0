#!/usr/bin/env python3
"""`tally --verify`: 0 where counts and files agree, 1 where they differ, 2 where a recount cannot
know, each with its reason."""

import os
import re
import shutil
import subprocess
import unittest

import harness

TALLY = os.path.abspath(os.environ.get("TALLY", "./tally"))
HOUR_1 = 1469501107
LINE = '{"time":%d,"action":"%s"}\n'


def lines(n, action="Open", time=HOUR_1):
    return "".join(LINE % (time, action) for _ in range(n))


class Verify(harness.Case):

    def verify(self, daemon, status):
        done = subprocess.run([TALLY, daemon.socket, "--verify"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=harness.DEADLINE)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def started(self, *options, **kwargs):
        daemon = self.daemon(*options, **kwargs).start()
        daemon.write("a", lines(5) + lines(3, "Close", HOUR_1 + 7200))
        daemon.process_all()
        return daemon

    def not_comparable(self, daemon, reason):
        self.assertEqual(self.verify(daemon, 2),
                         "counts: counts and files cannot be compared: %s\n" % reason)
        row = daemon.ask("select verdict, reason from system_check('counts')")
        self.assertEqual(row, [["not comparable", reason]])

    # --- 0 ---

    def test_equal_is_0(self):
        daemon = self.started()
        self.assertEqual(self.verify(daemon, 0), "counts: counts and files are equal\n")
        daemon.append("growing", LINE % (HOUR_1, "Open") + '{"time":14695')
        self.assertEqual(self.verify(daemon, 0), "counts: counts and files are equal\n")
        self.assertEqual(daemon.ask("select query, verdict, reason from system_check"),
                         [["counts", "equal", None]])

    def test_equal_stays_0_over_a_restart_a_rename_and_rejects(self):
        daemon = self.started()
        daemon.write("b", "garbage\n[1]\n" + lines(2))
        daemon.process_all()
        os.rename(os.path.join(daemon.events, "a"), os.path.join(daemon.events, "a.1"))
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        self.assertEqual(self.verify(daemon, 0), "counts: counts and files are equal\n")

    # --- 1 ---

    def test_a_file_changed_in_place_behind_our_back_is_1_with_the_groups(self):
        """The change that a stream cannot see: same size, same beginning and end."""
        daemon = self.daemon().start()
        text = lines(2000)
        path = daemon.write("a", text)
        daemon.process_all()
        at = len(LINE % (HOUR_1, "Open")) * 1000
        with open(path, "r+") as out:
            out.seek(at)
            out.write((LINE % (HOUR_1, "Shut")) * 7)
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 2000})
        said = self.verify(daemon, 1)
        self.assertIn("counts: counts and files differ\n", said)
        rows = [line.split() for line in re.sub("[^\\w\n]+", " ", said).splitlines()]
        self.assertTrue(any(row[:1] == ["Open"] and row[-2:] == ["2000", "1993"] for row in rows), said)
        self.assertTrue(any(row[:1] == ["Shut"] and row[-2:] == ["0", "7"] for row in rows), said)
        self.assertEqual(daemon.ask("select verdict, only_in_table, only_in_files, table_events, "
                                    "files_events from system_check"),
                         [["different", 1, 2, 2000, 2000]])

    def test_different_weighs_more_than_not_comparable(self):
        other = os.path.join(self.daemon().directory, "other")
        os.mkdir(other)
        daemon = self.daemon(config="[source a]\npath = @EVENTS@\n[source b]\npath = %s\n"
                                    "[query one]\nsource = a\n[query two]\nsource = b\n" % other)
        daemon.start()
        path = daemon.write("a", lines(2000))
        gone = os.path.join(other, "gone")
        with open(gone, "w") as out:
            out.write(lines(1))
        daemon.process_all()
        os.unlink(gone)
        with open(path, "r+") as out:
            out.seek(len(LINE % (HOUR_1, "Open")) * 1000)
            out.write(LINE % (HOUR_1, "Shut"))
        said = self.verify(daemon, 1)
        self.assertIn("one: counts and files differ\n", said)
        self.assertIn("two: counts and files cannot be compared: 1 counted files are gone\n", said)

    # --- 2, by reason ---

    def test_files_that_are_gone(self):
        daemon = self.started()
        daemon.write("b", lines(1))
        daemon.process_all()
        for name in ("a", "b"):
            os.unlink(os.path.join(daemon.events, name))
        daemon.process_all()
        self.not_comparable(daemon, "2 counted files are gone")

    def test_a_file_that_was_archived(self):
        daemon = self.daemon("--set", "events.clean_source=archive")
        archive = os.path.join(daemon.directory, "archive")
        daemon.options += ["--set", "events.archive_dir=" + archive]
        os.mkdir(archive)
        daemon.start()
        daemon.write("a", lines(1))
        harness.wait_until(lambda: os.listdir(archive) == ["a"], "it is archived")
        daemon.process_all()
        self.not_comparable(daemon, "1 counted files are gone")

    def test_a_file_that_was_rewritten(self):
        daemon = self.started()
        with open(os.path.join(daemon.events, "a"), "w") as out:
            out.write(lines(1, "Other"))
        daemon.process_all()
        self.not_comparable(daemon, "1 counted files are gone")

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"),
                         "needs root, to run as somebody who may not read everything")
    def test_a_file_that_can_no_longer_be_read(self):
        daemon = self.daemon(under=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        for directory in (daemon.directory, daemon.events):
            os.chmod(directory, 0o777)
        daemon.start()
        path = daemon.write("a", lines(5))
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 5})
        os.chmod(path, 0)
        daemon.append("a", lines(1))
        harness.wait_until(lambda: daemon.ask("select count(*) from files where state = 'error'") ==
                           [[1]], "it is in error")
        self.not_comparable(daemon, "1 files cannot be read (state error)")

    def test_a_query_that_is_stopped(self):
        daemon = self.started()
        daemon.ask("select stop('counts')")
        daemon.write("b", lines(1))
        self.not_comparable(daemon, "the query is stopped")

    def test_events_that_came_late(self):
        daemon = self.started("--set", "counts.watermark=1 hour", "--set", "counts.output_mode=update")
        daemon.write("b", lines(2, "Open", HOUR_1 - 100 * 3600))
        daemon.process_all()
        self.not_comparable(daemon, "2 events were left out by watermark or retention")

    def test_groups_that_were_refused(self):
        daemon = self.started("--set", "counts.max_groups=2")
        daemon.write("b", lines(4, "Third"))
        daemon.process_all()
        self.not_comparable(daemon, "4 events were refused by max_groups")

    def test_windows_that_append_has_not_shown_yet(self):
        daemon = self.started("--set", "counts.watermark=1 hour", "--set", "counts.output_mode=append")
        self.not_comparable(daemon, "append mode shows a window only when it is closed")

    def test_windows_that_retention_has_dropped(self):
        daemon = self.started("--set", "counts.retention=1 day")
        daemon.write("b", lines(1, "Open", HOUR_1 + 100 * 86400))
        daemon.process_all()
        self.not_comparable(daemon, "retention has dropped old windows")

    def test_files_that_wait_for_their_batch(self):
        """Asked of the table alone: --verify itself waits for them first."""
        daemon = self.daemon("--set", "events.trigger=10 days",
                             "--set", "events.max_files_per_trigger=1")
        for name in "abc":
            daemon.write(name, lines(1))
        daemon.start()
        harness.wait_until(lambda: daemon.totals() == {"Open": 1}, "the first batch")
        # What is behind is told a moment after what was counted.
        harness.wait_until(lambda: daemon.ask("select files_behind from queries") == [[2]],
                           "the files behind")
        self.assertEqual(daemon.ask("select verdict, reason from system_check"),
                         [["not comparable", "2 files are not read to their end yet"]])
        self.assertEqual(self.verify(daemon, 0), "counts: counts and files are equal\n")

    # --- no answer ---

    def test_without_a_daemon_it_is_2_with_a_sentence(self):
        daemon = self.daemon()
        done = subprocess.run([TALLY, daemon.socket, "--verify"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=harness.DEADLINE)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("sock", done.stderr)


if __name__ == "__main__":
    harness.main()
