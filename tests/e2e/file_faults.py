#!/usr/bin/env python3
"""What a file system does to a real daemon: very many files, very long ones, notices that are
lost, directories that go, descriptors that run out, calls that fail. Nothing is lost, nothing is
counted twice, and what is wrong is said.

Failing calls come from strace, aimed at one directory; without it those tests are skipped. --long
takes the sizes of the real thing.
"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

import harness
from harness import wait_until

LONG = "--long" in sys.argv


def event(time, action="Open"):
    return '{"time":%d,"action":"%s"}\n' % (time, action)


def can_inject():
    strace = shutil.which("strace")
    if strace is None:
        return False
    probe = subprocess.run([strace, "-f", "-o", "/dev/null", "-e", "inject=getppid:error=EIO", "true"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return probe.returncode == 0


def with_watches(n):
    """Under which a daemon has n inotify watches, and nobody else fewer; None: not here."""
    under = ["unshare", "--user", "--map-root-user", "sh", "-c",
             'echo %d > /proc/sys/user/max_inotify_watches && exec "$@"' % n, "sh"]
    if shutil.which("unshare") is None:
        return None
    probe = subprocess.run(under + ["true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return under if probe.returncode == 0 else None


def status_of(daemon, key):
    with open("/proc/%d/status" % daemon.process.pid) as status:
        for line in status:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    raise AssertionError(key)


class ManyAndLong(harness.Case):
    def test_very_many_small_files_at_once_with_few_descriptors_and_little_memory(self):
        n = 100000 if LONG else 10000
        daemon = self.daemon().start()
        before = status_of(daemon, "VmRSS")
        inbox = daemon.events + ".inbox"
        os.mkdir(inbox)
        for number in range(n):
            with open(os.path.join(inbox, "f%d" % number), "w") as out:
                out.write(event(number))
        for name in os.listdir(inbox):
            os.rename(os.path.join(inbox, name), os.path.join(daemon.events, name))
        most = 0

        def is_counted():
            nonlocal most
            most = max(most, len(os.listdir("/proc/%d/fd" % daemon.process.pid)))
            return daemon.ask("select events from queries") == [[n]]

        wait_until(is_counted, "%d events" % n, 120)
        self.assertEqual(daemon.totals(), {"Open": n})
        self.assertEqual(daemon.ask("select state, count(*) from files group by 1"), [["done", n]])
        self.assertLess(most, 80)
        if not harness.SANITIZED:
            self.assertLess(status_of(daemon, "VmRSS") - before, 16384 + n // 2)

    def test_holes_of_a_huge_file_are_rejects_and_questions_are_answered_meanwhile(self):
        hole, n = (1 << 30, 20) if LONG else (128 << 20, 4)
        # A batch has its moment in which it is seen, however slowly the test asks.
        daemon = self.daemon("--set", "events.max_bytes_per_trigger=%d" % (hole // 4),
                             "--set", "events.trigger=50 milliseconds").start()
        path = os.path.join(daemon.events, "holes.tmp")
        with open(path, "w") as out:
            for _ in range(n):
                out.truncate(out.tell() + hole)
                out.seek(0, os.SEEK_END)
                out.write("\n" + event(1))
            out.write("bad\n")
        size = os.path.getsize(path)
        os.rename(path, os.path.join(daemon.events, "holes"))
        seen = set()

        def is_counted():
            rows = daemon.ask("select offset, state from files")
            seen.update(row[0] for row in rows)
            return rows and rows[0][1] == "done"

        wait_until(is_counted, "the end of the last hole", 600)
        self.assertGreater(len(seen), 1, "the offset was never seen to move")
        # A hole is one line, and ends a batch.
        self.assertGreaterEqual(daemon.ask("select count(*) from progress")[0][0], n)
        self.assertEqual(daemon.totals(), {"Open": n})
        step = hole + 1 + len(event(1))
        self.assertEqual(
            daemon.ask("select line, offset, reason from rejects order by line"),
            [[2 * k + 1, k * step, "bad_json"] for k in range(n)] + [[2 * n + 1, size - len("bad\n"), "bad_json"]])
        if not harness.SANITIZED:
            self.assertLess(status_of(daemon, "VmHWM"), 64 << 10)

    def test_nesting_of_100000_is_a_reject_on_a_stack_of_256_KiB(self):
        daemon = self.daemon(under=["prlimit", "--stack=262144:262144"]).start()
        deep = '{"time":2,"action":"Open","x":%s1%s}\n' % ("[" * 100000, "]" * 100000)
        daemon.write("a", event(1) + "[" * 100000 + "\n" + '{"a":' * 100000 + "\n" + deep + event(3))
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 2})
        self.assertEqual(daemon.ask("select line, reason from rejects order by line"),
                         [[line, "bad_json"] for line in (2, 3, 4)])
        self.assertEqual(daemon.ask("select sum(count) from static_counts"), [[2]])
        self.assertEqual(daemon.ask("select line from events"), [[1], [5]])

    def test_a_queue_of_notices_that_overflowed_loses_no_file(self):
        with open("/proc/sys/fs/inotify/max_queued_events") as limit:
            n = int(limit.read()) + 1000
        if n > 60000:
            self.skipTest("the queue takes %d notices" % n)
        daemon = self.daemon().start()
        daemon.process.send_signal(signal.SIGSTOP)
        for number in range(n):
            with open(os.path.join(daemon.events, "f%d" % number), "w") as out:
                out.write(event(number))
        daemon.process.send_signal(signal.SIGCONT)
        wait_until(lambda: daemon.totals() == {"Open": n}, "all files", 120)

    def test_watches_that_run_out_at_the_start_or_later_are_said_and_nothing_is_lost(self):
        for n in range(4):
            with self.subTest(watches=n):
                under = with_watches(n)
                if under is None:
                    self.skipTest("no user namespace of one's own")
                daemon = self.daemon("--set", "events.recursive=yes",
                                     "--set", "events.poll_interval=200 milliseconds", under=under)
                os.mkdir(os.path.join(daemon.events, "old"))
                daemon.start()
                os.mkdir(os.path.join(daemon.events, "new"))
                os.mkdir(os.path.join(daemon.events, "old", "new"))
                wait_until(lambda: "no inotify watch is left" in daemon.log(), "the warning")
                # The last directory has no watch, so nothing else may wake the daemon.
                names = ["old/new/a", "new/a", "old/a", "a"]
                for number, name in enumerate(names):
                    daemon.write(name, event(1))
                    wait_until(lambda: daemon.totals() == {"Open": number + 1}, name)
                for name in names:
                    daemon.append(name, event(2))
                wait_until(lambda: daemon.totals() == {"Open": 8}, "what was appended")
                daemon.wait_logged("looking every poll_interval instead")


class Stopped(harness.Case):
    """The daemon does not run while things happen, so it sees their end alone."""

    def start(self, *names):
        daemon = self.daemon().start()
        for name in names:
            daemon.write(name, event(1, "Before") * 3)
        daemon.process_all()
        daemon.process.send_signal(signal.SIGSTOP)
        return daemon

    def go_on(self, daemon, totals):
        daemon.process.send_signal(signal.SIGCONT)
        wait_until(lambda: daemon.totals() == totals, "totals %r" % totals)
        daemon.stop()
        daemon.start()
        daemon.process_all()
        self.assertEqual(daemon.totals(), totals)

    def in_place(self, daemon, name, data):
        with open(os.path.join(daemon.events, name), "r+b") as file:
            file.truncate(0)
            file.write(data.encode())

    def test_a_file_cut_to_nothing_and_regrown_past_the_offset_is_read_again_as_a_new_one(self):
        daemon = self.start("a")
        self.in_place(daemon, "a", event(2, "Behind") * 9)
        self.go_on(daemon, {"Before": 3, "Behind": 9})
        self.assertEqual(daemon.ask("select path, state, events from files order by events"),
                         [["a", "missing", 3], ["a", "done", 9]])

    def test_a_file_replaced_by_one_of_the_same_name_and_size_is_read_from_its_start(self):
        daemon = self.start("a")
        os.remove(os.path.join(daemon.events, "a"))
        daemon.write("a", event(1, "Behind") * 3)
        self.go_on(daemon, {"Before": 3, "Behind": 3})

    def test_files_that_came_grew_moved_and_went_count_what_is_left_of_them_once(self):
        daemon = self.start("grown", "moved", "gone")
        path = functools.partial(os.path.join, daemon.events)
        daemon.append("grown", event(2, "More"))
        os.rename(path("moved"), path("moved.1"))
        daemon.write("moved", event(2, "Heir"))
        daemon.append("moved.1", event(2, "Late"))
        daemon.append("gone", event(2, "Lost"))
        os.remove(path("gone"))
        daemon.write("came", event(2, "Lost"))
        os.remove(path("came"))
        self.go_on(daemon, {"Before": 9, "More": 1, "Heir": 1, "Late": 1})


class Directories(harness.Case):
    CONFIG = "[source events]\npath = @EVENTS@\npoll_interval = 50 milliseconds\n"

    def start(self):
        daemon = self.daemon(config=self.CONFIG).start()
        daemon.write("a", event(1))
        daemon.process_all()
        return daemon

    def message(self, daemon):
        return daemon.ask("select message from queries")[0][0]

    def test_a_directory_that_goes_is_said_looked_for_and_taken_up_again(self):
        daemon = self.start()
        away = daemon.events + ".away"
        os.rename(daemon.events, away)
        gone = "the directory %s is gone; what was counted stays" % daemon.events
        wait_until(lambda: gone in self.message(daemon), "the message of the query")
        daemon.wait_logged(gone)
        self.assertEqual(daemon.totals(), {"Open": 1})
        with open(os.path.join(away, "b"), "w") as out:
            out.write(event(2))
        os.rename(away, daemon.events)
        wait_until(lambda: daemon.totals() == {"Open": 2}, "the file that came meanwhile")
        daemon.wait_logged("%s can be read again" % daemon.events)
        self.assertEqual(daemon.log().count("is gone"), 1)
        # Notices work again.
        daemon.write("c", event(3))
        wait_until(lambda: daemon.totals() == {"Open": 3}, "a file after it came back")

    def test_a_directory_that_is_made_anew_is_read_from_its_start(self):
        daemon = self.start()
        # Nothing in it is left to tell of when the directory itself goes.
        os.unlink(os.path.join(daemon.events, "a"))
        wait_until(lambda: daemon.ask("select state from files") == [["missing"]], "the file is missed")
        os.rmdir(daemon.events)
        wait_until(lambda: "is gone" in self.message(daemon), "the message of the query")
        os.mkdir(daemon.events)
        # Other bytes: the same ones and more would be the file restored, and grown since.
        daemon.write("a", event(2) + event(3))
        wait_until(lambda: daemon.totals() == {"Open": 3}, "the new file under the old name")
        daemon.wait_logged("is another directory now")

    def test_of_several_sources_each_directory_is_looked_after(self):
        """Whose place is taken by another directory, of which no notice tells."""
        names = ("one", "two", "three")
        daemon = self.daemon(config="".join(
            "[source %s]\npath = @EVENTS@/%s/events\npoll_interval = 50 milliseconds\n"
            "[query of_%s]\nsource = %s\n" % (name, name, name, name) for name in names))
        for name in names:
            os.makedirs(os.path.join(daemon.events, name, "events"))
        daemon.start()
        daemon.process_all()
        for name in names:
            above = os.path.join(daemon.events, name)
            os.rename(above, above + ".away")
            os.makedirs(os.path.join(above, "events"))
            daemon.write(os.path.join(name, "events", "a"), event(1))
        for name in names:
            wait_until(lambda: daemon.ask("select total(count) from of_" + name) == [[1]],
                       "the event in the new directory of source " + name)


@unittest.skipUnless(can_inject(), "strace cannot make calls fail here")
class FailingCalls(harness.Case):
    """Calls on the events (or the state) fail until the daemon has said so, and then work again."""

    CONFIG = "[source events]\npath = @EVENTS@\npoll_interval = 50 milliseconds\n"

    def check(self, calls, error, below, said):
        daemon = self.daemon(config=self.CONFIG).start()
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(daemon.process.pid), "-P", below(daemon),
             "-e", "trace=" + calls, "-e", "inject=%s:error=%s" % (calls, error)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: status_of(daemon, "TracerPid") == tracer.pid, "strace")
            for number in range(8):
                daemon.write("f%d" % number, event(1, "a") + event(2, "b"))
            wait_until(lambda: said in daemon.log(), said)
            wait_until(lambda: said in daemon.ask("select message from queries")[0][0] or daemon.ask(
                "select count(*) from files where reason like ?1", ["%" + said + "%"]) != [[0]], "the message")
            before = daemon.totals()
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
        wait_until(lambda: daemon.totals() == {"a": 8, "b": 8}, "all events")
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"a": 8, "b": 8})
        self.assertEqual(daemon.ask("select state, count(*) from files group by 1"), [["done", 8]])
        return before

    def test_no_descriptor_left_files_wait_and_clients_are_answered(self):
        before = self.check("openat", "EMFILE", lambda daemon: daemon.events, "Too many open files")
        self.assertEqual(before, {})

    def test_no_descriptor_left_in_the_system(self):
        self.check("openat", "ENFILE", lambda daemon: daemon.events, "Too many open files in system")

    def test_a_stale_handle_is_opened_anew(self):
        self.check("openat,statx,getdents64", "ESTALE", lambda daemon: daemon.events, "Stale file handle")

    def test_a_file_that_cannot_be_read_is_tried_again_and_the_others_go_on(self):
        before = self.check("pread64", "EIO", lambda daemon: os.path.join(daemon.events, "f3"),
                            "cannot read f3 at byte 0: Input/output error")
        self.assertGreater(before.get("a", 0), 0)

    def test_a_server_that_does_not_answer_holds_up_no_question(self):
        daemon = self.daemon(config=self.CONFIG).start()
        daemon.write("f0", event(1))
        wait_until(lambda: daemon.totals() == {"Open": 1}, "the first event")
        tasks = "/proc/%d/task" % daemon.process.pid

        def held():
            """Threads that strace has stopped."""
            found = set()
            for task in os.listdir(tasks):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                        open(os.path.join(tasks, task, "stat")) as stat:
                    if stat.read().rpartition(")")[2].split()[0] == "t":
                        found.add(task)
            return found

        def is_held():
            before = held()
            time.sleep(0.5)
            return before & held()

        calls = "newfstatat,inotify_add_watch"
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(daemon.process.pid), "-P", daemon.events,
             "-e", "trace=" + calls, "-e", "inject=%s:delay_enter=3600000000" % calls],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: status_of(daemon, "TracerPid") == tracer.pid, "strace")
            wait_until(is_held, "somebody waits for the server")
            for _ in range(10):
                self.assertEqual(daemon.totals(), {"Open": 1})
            self.assertEqual(daemon.text("select 1;\n"), "1\n")
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
        daemon.write("f1", event(2))
        wait_until(lambda: daemon.totals() == {"Open": 2}, "the event after it")

    def test_a_disk_that_turned_read_only_keeps_the_batch_waiting_and_the_last_version_visible(self):
        before = self.check("pwrite64", "EROFS", lambda daemon: daemon.state + "/checkpoint-wal",
                            "Read-only file system")
        self.assertEqual(before, {})


if __name__ == "__main__":
    if LONG:
        sys.argv.remove("--long")
    harness.main()
